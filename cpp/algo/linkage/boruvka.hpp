// Single linkage of points of few features: Boruvka's algorithm on a kd-tree.
#pragma once
#include <limits>

#include "kd_tree.hpp"
#include "linkage.hpp"

namespace coterie::linkage {

// Where it is taken: below these rows Prim is as fast, beyond these features boxes hold nothing
// off.
constexpr index kLowRows = 4096, kLowDepth = 10;

constexpr bool low_metric(PairMetric metric) { return metric <= PairMetric::chebyshev; }

inline bool is_low(const View<double>& x, PairMetric metric) {
  return low_metric(metric) && x.cols <= kLowDepth && x.rows >= kLowRows &&
         x.rows <= std::numeric_limits<Place>::max();
}

// The edges of spanning_tree(), in another order. x: finite, fewer than 2^31 rows; euclidean (as
// sqeuclidean), sqeuclidean, cityblock or chebyshev. O(n d) memory; O(n log n) time where boxes
// separate points.
std::vector<Merge> spanning_tree_low(const View<double>& x, PairMetric metric, int n_threads,
                                     const Progress& progress);

}  // namespace coterie::linkage
