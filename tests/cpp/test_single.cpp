// Single linkage by a kd-tree: Prim's edges, on any number of threads.
#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "../../cpp/algo/linkage/boruvka.hpp"
#include "../../cpp/base/random.hpp"
#include "check.hpp"

namespace {

using namespace coterie;

using Edge = std::tuple<double, index, index>;

std::vector<Edge> sorted(const std::vector<linkage::Merge>& edges) {
  std::vector<Edge> keys;
  for (const linkage::Merge& e : edges) keys.emplace_back(e.height, e.low, e.high);
  std::sort(keys.begin(), keys.end());
  return keys;
}

enum Kind { plain, tied, equal, clustered, wide, kinds };

// Uniform values; small integers, which tie; all equal; tight clusters; of many scales.
std::vector<double> points(index n, index d, index kind) {
  std::vector<double> x(n * d);
  for (index i = 0; i < n; ++i)
    for (index f = 0; f < d; ++f) {
      const double u = uniform(11, i, f), cluster = uniform(12, i % 5, f);
      x[i * d + f] = kind == tied        ? std::floor(7 * u)
                     : kind == equal     ? 0.1
                     : kind == clustered ? cluster + 1e-4 * u
                     : kind == wide      ? u * std::exp(40 * uniform(13, i, 0))
                                         : u;
    }
  return x;
}

}  // namespace

TEST(single, trees_are_prims) {
  for (const index n : {2, 7, 8, 9, 17, 40, 300, 3000})
    for (const index d : {1, 3, 10})
      for (index kind = 0; kind < kinds; ++kind) {
        const std::vector<double> x = points(n, d, kind);
        const View<double> view{x.data(), n, d, d};
        for (const PairMetric metric : {PairMetric::euclidean, PairMetric::cityblock}) {
          tests::About about("n ", n, ", d ", d, ", kind ", kind);
          const auto wanted = sorted(linkage::spanning_tree(view, metric, 1, nullptr));
          for (const int n_threads : {1, 2, 5})
            CHECK(sorted(linkage::spanning_tree_low(view, metric, n_threads, nullptr)) == wanted);
        }
      }
}

// What pruning rests on: no computed distance is below the computed gap of boxes.
TEST(single, gaps_bound_distances) {
  constexpr index n = 700, d = 5;
  const std::vector<double> x = points(n, d, plain);
  std::vector<linkage::Place> ids(n);
  for (index i = 0; i < n; ++i) ids[i] = static_cast<linkage::Place>(i);
  const linkage::KdTree tree({x.data(), n, d, d}, ids, 1);
  const auto distances = isa::table().pairs.distances[static_cast<int>(PairMetric::sqeuclidean)];
  std::vector<bool> seen(n, false);
  for (index leaf = 0; leaf < tree.leaves(); ++leaf)
    for (index i = tree.first(leaf); i < tree.first(leaf + 1); ++i) {
      CHECK(!seen[tree.id(i)]);
      seen[tree.id(i)] = true;
      const double* row = x.data() + tree.id(i) * d;
      for (index other = 0; other < tree.leaves(); ++other) {
        alignas(64) double to[linkage::kLeafPoints];
        distances(tree.task(row, other), to);
        const double least = *std::min_element(to, to + tree.first(other + 1) - tree.first(other));
        for (index node = tree.leaves() + other; node > 0; node /= 2)
          CHECK(linkage::gap<linkage::SquaredNorm>({row, row}, tree.box(node), d) <= least);
      }
    }
  CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
}
