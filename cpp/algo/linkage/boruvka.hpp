// Single linkage by Boruvka's algorithm: on a kd-tree, of points of few features; on tiles, of
// many.
#pragma once
#include <limits>

#include "kd_tree.hpp"
#include "linkage.hpp"

namespace coterie::linkage {

constexpr bool low_metric(PairMetric metric) { return metric <= PairMetric::chebyshev; }
constexpr bool high_metric(PairMetric metric) {
  return metric <= PairMetric::sqeuclidean || metric == PairMetric::cosine;
}

// Where the tree is taken: boxes hold off half as much with every feature more. Below this many
// rows Prim is as fast (bench: linkage, single; both within a fifth at 3,000 x 3, 12,000 x 5,
// 50,000 x 7), and tiles are up to twice that many.
inline bool is_low(const View<double>& x, PairMetric metric) {
  return low_metric(metric) && x.cols <= 20 &&
         x.rows >= index{high_metric(metric) ? 6 : 3} << (x.cols + 7) &&
         x.rows <= std::numeric_limits<Place>::max();
}
// Where tiles are: Prim is as fast below, and takes two to four times as long on 50,000 rows of 10
// to 128 features.
inline bool is_high(const View<double>& x, PairMetric metric) {
  return high_metric(metric) && x.rows >= 4000 && x.rows <= std::numeric_limits<Place>::max();
}

// The edges of spanning_tree(), in another order. x: finite, fewer than 2^31 rows; euclidean (as
// sqeuclidean), sqeuclidean, cityblock or chebyshev. O(n d) memory; O(n log n) time where boxes
// separate points.
std::vector<Merge> spanning_tree_low(const View<double>& x, PairMetric metric, int n_threads,
                                     const Progress& progress);

// Likewise by tiles of products: euclidean (as sqeuclidean), sqeuclidean or cosine. O(n d) memory,
// a pass of n^2 d or a few.
std::vector<Merge> spanning_tree_high(const View<double>& x, PairMetric metric, int n_threads,
                                      const Progress& progress);

}  // namespace coterie::linkage
