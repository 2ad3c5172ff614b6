// Single linkage of points of few features: Boruvka's algorithm on a kd-tree.
#pragma once
#include <limits>

#include "kd_tree.hpp"
#include "linkage.hpp"

namespace coterie::linkage {

// Where it is taken: boxes hold off half as much with every feature more. Below this many rows Prim
// is as fast (bench: linkage, single; both within a fifth at 3,000 x 3, 12,000 x 5, 50,000 x 7).
constexpr index low_rows(index depth) {
  return depth > 20 ? index{1} << 62 : index{3} << (depth + 7);
}

constexpr bool low_metric(PairMetric metric) { return metric <= PairMetric::chebyshev; }

inline bool is_low(const View<double>& x, PairMetric metric) {
  return low_metric(metric) && x.rows >= low_rows(x.cols) &&
         x.rows <= std::numeric_limits<Place>::max();
}

// The edges of spanning_tree(), in another order. x: finite, fewer than 2^31 rows; euclidean (as
// sqeuclidean), sqeuclidean, cityblock or chebyshev. O(n d) memory; O(n log n) time where boxes
// separate points.
std::vector<Merge> spanning_tree_low(const View<double>& x, PairMetric metric, int n_threads,
                                     const Progress& progress);

}  // namespace coterie::linkage
