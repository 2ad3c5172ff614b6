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

// Where the tree is taken: boxes hold off half as much with every feature more (bench: linkage,
// single; with two threads Prim is as fast at 10,000 x 3, 14,000 x 4, 24,000 x 5).
inline bool is_low(const View<double>& x, PairMetric metric) {
  return low_metric(metric) && x.cols <= 20 && x.rows >= 8000 &&
         x.rows >= index{6} << (x.cols + 7) && x.rows <= std::numeric_limits<Place>::max();
}
// Where tiles are: Prim is one thread's affair, and at its best while points fit into its cache.
// With two threads it is as fast at 10,000 x 10, 4,000 x 32, 1,000 x 128.
inline bool is_high(const View<double>& x, PairMetric metric, int n_threads) {
  return high_metric(metric) && x.rows >= 1000 && x.rows * x.cols >= 200'000 / n_threads &&
         x.rows <= std::numeric_limits<Place>::max();
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
