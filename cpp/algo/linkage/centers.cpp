// Centroid and median linkage from points. Not reducible: a merge may bring the new cluster nearer
// to others, so merges come one at a time (Anderberg 1973; Muellner 2011, generic clustering).
//
// Every cluster keeps the nearest of those in later slots, or a lower bound of that distance once
// its neighbour is gone; the least is searched again if it is a bound. Who may be nearer is told in
// float32 as long as that tells much. Memory O(n d).
#include <cmath>
#include <limits>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "center_filter.hpp"
#include "linkage.hpp"
#include "points.hpp"

namespace coterie::linkage {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kGone = 1e200;  // a coordinate whose square is infinite
constexpr index kBlock = 64;     // bounds of which the least is known

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
        sizes_(n_, 1.0),
        least_((n_ + kBlock - 1) / kBlock, kInfinity),
        known_(least_.size(), 0),
        filter_(x) {
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
  index closest() {
    const auto least = isa::kernels<double>().least;
    const index blocks = (points_.count + kBlock - 1) / kBlock;
    const auto block = [&](index b) {
      const index first = b * kBlock;
      const index at = least(bound_.data() + first, std::min(kBlock, points_.count - first));
      return at < 0 ? -1 : first + at;
    };
    for (index b = 0; b < blocks; ++b) {
      if (known_[b]) continue;
      const index i = block(b);
      least_[b] = i < 0 ? kInfinity : bound_[i];
      known_[b] = 1;
    }
    const index b = least(least_.data(), blocks);
    if (b < 0) refuse("X", "values whose squared distances fit its dtype", "an overflow");
    return block(b);
  }
  void forget() { std::fill(known_.begin(), known_.end(), char{0}); }

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

  void search(index i) {
    known_[i / kBlock] = 0;
    find(i, 1, point_.data());
  }

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
    if (count == 1 && filter_.tells()) {
      filter_.nearest(points, next, points_.count, [&](index j) {
        points_.read(j, other_.data());
        const double far = row_distance(PairMetric::sqeuclidean, points, other_.data(), depth);
        if (far < d[0]) d[0] = far, near[0] = j;
      });
      return found(i, d[0], near[0]);
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
    for (index q = 0; q < count; ++q) found(i + q, d[q], near[q]);
  }

  void found(index i, double distance, index near) {
    best_[i] = near < 0 ? -1 : distance;
    bound_[i] = near < 0 ? kInfinity : distance;
    from_[i] = near < 0 ? -1 : ids_[near];
    filter_.reach(i, best_[i]);
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
    filter_.write(j, point_.data());
    if (filter_.tells()) {
      filter_.within(point_.data(), j, [&](index p) {
        lower(p * kPanel, std::min(kPanel, j - p * kPanel), n_ + t);
        for (index k = p * kPanel; k < std::min((p + 1) * kPanel, j); ++k)
          filter_.reach(k, best_[k]);
        known_[p * kPanel / kBlock] = 0;
      });
    } else if (j > 0) {
      lower(0, j, n_ + t);
      forget();
    }
    search(j);
    if (4 * gone_ > points_.count) compact();
  }

  // Whose nearest of slots [first, first + count) is point_, who goes by `id`; first: of a panel.
  void lower(index first, index count, index id) {
    PairLowerTask task{};
    static_cast<PairTask&>(task) = points_.task(point_.data(), first, count);
    task.id = id;
    task.best = best_.data() + first;
    task.from = from_.data() + first;
    task.copy = bound_.data() + first;
    isa::table().pairs.lower[static_cast<int>(PairMetric::sqeuclidean)](task);
  }

  void drop(index i) {
    points_.fill(i, kGone);
    filter_.drop(i);
    known_[i / kBlock] = 0;
    best_[i] = -1, bound_[i] = kInfinity, from_[i] = -1, ids_[i] = -1;
    ++gone_;
  }

  void compact() {
    index to = 0;
    for (index i = 0; i < points_.count; ++i) {
      if (ids_[i] < 0) continue;
      points_.move(i, to);
      filter_.move(i, to);
      best_[to] = best_[i], bound_[to] = bound_[i], from_[to] = from_[i], ids_[to] = ids_[i];
      sizes_[to] = sizes_[i];
      slot_[ids_[to]] = to;
      ++to;
    }
    for (index i = to; i < points_.count; ++i) filter_.drop(i);
    points_.count = to;
    gone_ = 0;
    forget();
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
  std::vector<double> least_;  // of a block of bounds,
  std::vector<char> known_;    // where it is up to date
  CenterFilter filter_;
  index gone_ = 0;
};

}  // namespace

void merge_centers(const View<double>& x, Method method, int n_threads, const Progress& progress,
                   double* z) {
  Centers(x, method == Method::median, z).run(n_threads, progress);
}

}  // namespace coterie::linkage
