// Centroid and median linkage from points. Not reducible: a merge may bring the new cluster nearer
// to others, so merges come one at a time (Anderberg 1973; Muellner 2011, generic clustering).
//
// Every cluster keeps the nearest of those in later slots, or a lower bound of that distance once
// its neighbour is gone; the least is searched again if it is a bound. Memory O(n d).
#include <cmath>
#include <limits>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "linkage.hpp"
#include "points.hpp"

namespace coterie::linkage {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kGone = 1e200;  // a coordinate whose square is infinite

class Centers {
 public:
  Centers(const View<double>& x, bool halves, double* z)
      : points_(x),
        n_(x.rows),
        halves_(halves),
        z_(z),
        point_(x.cols),
        other_(x.cols),
        best_(whole_panels(n_), -1.0),
        bound_(n_, kInfinity),
        from_(n_, -1),
        ids_(n_),
        slot_(2 * n_ - 1, -1),
        sizes_(n_, 1.0) {
    for (index i = 0; i < n_; ++i) ids_[i] = slot_[i] = i;
  }

  void run(int n_threads, const Progress& progress) {
    first_search(n_threads);
    for (index t = 0; t < n_ - 1; ++t) {
      index i = closest();
      while (slot_[from_[i]] < 0) {
        search(i);
        i = closest();
      }
      merge(i, slot_[from_[i]], t);
      if (t % 256 == 255) {
        if (interrupt::pending()) throw Interrupted();
        if (progress) progress(t + 1);
      }
    }
  }

 private:
  index closest() const {
    const index i = isa::kernels<double>().least(bound_.data(), points_.count);
    if (i < 0) refuse("X", "values whose squared distances fit its dtype", "an overflow");
    return i;
  }

  void first_search(int n_threads) {
    const double work =
        static_cast<double>(n_) * static_cast<double>(n_) * static_cast<double>(points_.depth) / 4;
    threads::parallel_blocks(whole_panels(n_) / kPanel, threads::worth(work, n_threads),
                             [&](index b, int) {
                               const index i = b * kPanel, count = std::min(kPanel, n_ - i);
                               Buffer<double> points(count * points_.depth);
                               find(i, count, points.data());
                             });
  }

  void search(index i) { find(i, 1, point_.data()); }

  // The nearest of the clusters in later slots, for slots [i, i + count) of one panel. points:
  // room for them.
  void find(index i, index count, double* points) {
    const index depth = points_.depth, first = i / kPanel * kPanel, next = first + kPanel;
    double d[kPanel];
    index near[kPanel], nobody[kPanel];
    for (index q = 0; q < count; ++q) {  // the rest of their own panel
      double own[kPanel], *point = points + q * depth;
      d[q] = kInfinity, near[q] = nobody[q] = -1;
      points_.read(i + q, point);
      isa::table().pairs.distances[static_cast<int>(PairMetric::sqeuclidean)](
          points_.task(point, first, kPanel), own);
      for (index j = i + q + 1; j < std::min(next, points_.count); ++j)
        if (own[j - first] < d[q]) d[q] = own[j - first], near[q] = j;
    }
    const index chunk = count == 1 ? std::max(kPanel, points_.count)
                                   : std::max(kPanel, kChunkBytes / (8 * depth) / kPanel * kPanel);
    for (index at = next; at < points_.count; at += chunk) {
      PairNearestTask task{};
      static_cast<PairTask&>(task) = points_.task(points, at, std::min(chunk, points_.count - at));
      task.queries = count;
      task.keep = 1;
      task.first = at;
      task.self = nobody;
      task.distance = d;
      task.nearest = near;
      isa::table().pairs.nearest_plain(task);
    }
    for (index q = 0; q < count; ++q) {
      best_[i + q] = near[q] < 0 ? -1 : d[q];
      bound_[i + q] = near[q] < 0 ? kInfinity : d[q];
      from_[i + q] = near[q] < 0 ? -1 : ids_[near[q]];
    }
  }

  void merge(index i, index j, index t) {
    double* row = z_ + 4 * t;
    row[0] = static_cast<double>(std::min(ids_[i], ids_[j]));
    row[1] = static_cast<double>(std::max(ids_[i], ids_[j]));
    row[2] = std::sqrt(bound_[i]);
    row[3] = sizes_[i] + sizes_[j];
    points_.read(i, other_.data());
    points_.read(j, point_.data());
    const double share = halves_ ? 0.5 : sizes_[i] / row[3];
    for (index f = 0; f < points_.depth; ++f) point_[f] += share * (other_[f] - point_[f]);
    slot_[ids_[i]] = slot_[ids_[j]] = -1;
    drop(i);
    sizes_[j] = row[3];
    ids_[j] = n_ + t;
    slot_[n_ + t] = j;
    points_.write(j, point_.data());
    PairLowerTask task{};
    static_cast<PairTask&>(task) = points_.task(point_.data(), 0, j);
    task.id = n_ + t;
    task.best = best_.data();
    task.from = from_.data();
    task.copy = bound_.data();
    if (j > 0) isa::table().pairs.lower[static_cast<int>(PairMetric::sqeuclidean)](task);
    search(j);
    if (4 * gone_ > points_.count) compact();
  }

  void drop(index i) {
    points_.fill(i, kGone);
    best_[i] = -1, bound_[i] = kInfinity, from_[i] = -1, ids_[i] = -1;
    ++gone_;
  }

  void compact() {
    index to = 0;
    for (index i = 0; i < points_.count; ++i) {
      if (ids_[i] < 0) continue;
      points_.move(i, to);
      best_[to] = best_[i], bound_[to] = bound_[i], from_[to] = from_[i], ids_[to] = ids_[i];
      sizes_[to] = sizes_[i];
      slot_[ids_[to]] = to;
      ++to;
    }
    points_.count = to;
    gone_ = 0;
  }

  Points points_;
  const index n_;
  const bool halves_;
  double* z_;
  Buffer<double> point_, other_;
  Buffer<double> best_, bound_;    // distance to the nearest; the same, infinite for who has none
  Buffer<index> from_;             // the id of the nearest
  std::vector<index> ids_, slot_;  // slot of an id, -1 where it is no more
  std::vector<double> sizes_;
  index gone_ = 0;
};

}  // namespace

void merge_centers(const View<double>& x, Method method, int n_threads, const Progress& progress,
                   double* z) {
  Centers(x, method == Method::median, z).run(n_threads, progress);
}

}  // namespace coterie::linkage
