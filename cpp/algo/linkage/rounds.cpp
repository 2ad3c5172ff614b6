// Reducible methods with a closed form, from points: rounds of reciprocal nearest neighbours.
//
// A cluster is its size, mean and spread (mean squared distance to the mean); slots are in the order
// of ids, so the nearest of lowest slot is the nearest by key. After a round only new clusters and
// those whose neighbour merged search again. Memory O(n d).
//
//   ward       2 / (1 / n_a + 1 / n_b) |m_a - m_b|^2     (the square of the height)
//   average    |m_a - m_b|^2 + v_a + v_b                 (squared distances; weighted: m, v by halves)
//   cosine     1 - <m_a, m_b>                            (rows of unit length)
#include <cmath>
#include <limits>
#include <tuple>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "linkage.hpp"
#include "points.hpp"

namespace coterie::linkage {
namespace {

constexpr index kQueries = 16;        // searches that share a pass over the points
constexpr index kChunkBytes = 24576;  // of points: they stay in the L1 cache
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Rounds {
 public:
  Rounds(const View<double>& x, Method method, PairMetric metric, int n_threads)
      : points_(x),
        method_(method),
        cosine_(metric == PairMetric::cosine),
        n_threads_(n_threads),
        terms_(whole_panels(x.rows), method == Method::ward ? 1.0 : 0.0),
        sizes_(x.rows, 1.0),
        ids_(x.rows),
        near_(x.rows, -1),
        distance_(x.rows, kInfinity),
        target_(x.rows, -1) {
    for (index i = 0; i < x.rows; ++i) ids_[i] = i;
    merges_.reserve(static_cast<std::size_t>(x.rows - 1));
  }

  std::vector<Merge> run(const Progress& progress) {
    std::vector<index> stale(points_.count);
    for (index i = 0; i < points_.count; ++i) stale[i] = i;
    while (points_.count > 1) {
      search(stale);
      if (!merge_pairs()) {  // rounding broke a chain of neighbours: search them all
        stale.resize(points_.count);
        for (index i = 0; i < points_.count; ++i) stale[i] = i, distance_[i] = kInfinity;
        search(stale);
        if (!merge_pairs()) refuse("X", "values whose squared distances fit its dtype", "an overflow");
      }
      compact(stale);
      if (progress) progress(static_cast<index>(merges_.size()));
    }
    return std::move(merges_);
  }

 private:
  using Nearest = void (*)(const PairNearestTask&, double&, index&);

  void search(const std::vector<index>& stale) {
    const PairKernels& kernels = isa::table().pairs;
    const Nearest nearest = cosine_                    ? kernels.nearest_cosine
                            : method_ == Method::ward ? kernels.nearest_ward
                                                      : kernels.nearest_spread;
    const index left = points_.count, depth = points_.depth,
                all = static_cast<index>(stale.size()),
                chunk = std::max(kPanel, kChunkBytes / (8 * depth) / kPanel * kPanel);
    const int team = threads::worth(static_cast<double>(all) * static_cast<double>(left) *
                                        static_cast<double>(depth) / 2,
                                    n_threads_);
    threads::parallel_blocks((all + kQueries - 1) / kQueries, team, [&](index b, int) {
      const index* slots = stale.data() + b * kQueries;
      const index count = std::min(kQueries, all - b * kQueries);
      Buffer<double> queries(count * depth);
      for (index q = 0; q < count; ++q) {
        points_.read(slots[q], queries.data() + q * depth);
        distance_[slots[q]] = kInfinity;
        near_[slots[q]] = -1;
      }
      for (index first = 0; first < left; first += chunk) {
        for (index q = 0; q < count; ++q) {
          PairNearestTask task{};
          static_cast<PairTask&>(task) = points_.task(queries.data() + q * depth, first,
                                                      std::min(chunk, left - first));
          task.first = first;
          task.self = slots[q] - first;
          task.term = terms_[slots[q]];
          task.terms = terms_.data() + first;
          nearest(task, distance_[slots[q]], near_[slots[q]]);
        }
        if (threads::stopped()) return;
      }
    });
    // Where rounding brought a new cluster nearer than the neighbour its nearest one knows of.
    for (const index i : stale) {
      const index j = near_[i];
      if (j < 0) refuse("X", "values whose squared distances fit its dtype", "an overflow");
      if (distance_[i] < distance_[j]) distance_[j] = distance_[i], near_[j] = i;
    }
  }

  // All reciprocal pairs; the later slot takes the cluster. False where there is none.
  bool merge_pairs() {
    const std::size_t before = merges_.size();
    Buffer<double> a(points_.depth), b(points_.depth);
    for (index i = 0; i < points_.count; ++i) {
      const index j = near_[i];
      target_[i] = i;
      if (j < i || near_[j] != i) continue;
      merges_.push_back({distance_[i], ids_[i], ids_[j]});
    }
    for (index i = 0; i < points_.count; ++i) {
      const index j = near_[i];
      if (j < i || near_[j] != i) continue;
      join(i, j, a.data(), b.data());
      target_[i] = -1;
    }
    return merges_.size() > before;
  }

  void join(index i, index j, double* a, double* b) {
    points_.read(i, a);
    points_.read(j, b);
    const double n = sizes_[i] + sizes_[j];
    const double share = method_ == Method::weighted ? 0.5 : sizes_[i] / n;
    double apart = 0;
    for (index f = 0; f < points_.depth; ++f) {
      const double d = a[f] - b[f];
      apart += d * d;
      b[f] += share * d;
    }
    points_.write(j, b);
    sizes_[j] = n;
    terms_[j] = method_ == Method::ward
                    ? 1 / n
                    : share * terms_[i] + (1 - share) * terms_[j] + share * (1 - share) * apart;
  }

  // Drops slots that lost their cluster, and lists those that must search again.
  void compact(std::vector<index>& stale) {
    stale.clear();
    const index before = points_.count;
    std::vector<char> moved(before);  // the new clusters
    for (index i = 0; i < before; ++i) moved[i] = target_[i] >= 0 && near_[near_[i]] == i;
    index left = 0;
    for (index i = 0; i < before; ++i)
      if (target_[i] >= 0) target_[i] = left++;
    for (index i = 0; i < before; ++i) {
      const index to = target_[i];
      if (to < 0) continue;
      const index near = near_[i];
      const bool again = moved[i] || moved[near] || target_[near] < 0;
      points_.move(i, to);
      sizes_[to] = sizes_[i], terms_[to] = terms_[i], ids_[to] = ids_[i];
      distance_[to] = distance_[i];
      near_[to] = again ? -1 : target_[near];
      if (again) stale.push_back(to);
    }
    points_.count = left;
    if (interrupt::pending()) throw Interrupted();
  }

  Points points_;
  const Method method_;
  const bool cosine_;
  const int n_threads_;
  Buffer<double> terms_;  // 1 / size or spread
  std::vector<double> sizes_;
  std::vector<index> ids_, near_;
  std::vector<double> distance_;
  std::vector<index> target_;  // where a slot goes when slots close up
  std::vector<Merge> merges_;
};

}  // namespace

std::vector<Merge> merge_points(const View<double>& x, Method method, PairMetric metric, int n_threads,
                                const Progress& progress) {
  return Rounds(x, method, metric, n_threads).run(progress);
}

}  // namespace coterie::linkage
