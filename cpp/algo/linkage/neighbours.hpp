// Lists of the nearest neighbours of the points of a kd-tree, and the search that fills them.
#pragma once
#include <algorithm>
#include <limits>

#include "../../engine/isa.hpp"
#include "kd_tree.hpp"

namespace coterie::linkage {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kNear = 8;  // neighbours a point lists

// For each point, by place, its nearest in ascending (distance, id): for a given point the order of
// its edges. The last distance bounds all that is not listed.
class Lists {
 public:
  explicit Lists(const KdTree& tree)
      : tree_(tree), distance_(tree.count() * kNear), place_(tree.count() * kNear) {}
  // Of the points of a leaf; by the thread that will fill them.
  void clear(index leaf) {
    const index from = tree_.first(leaf) * kNear, to = tree_.first(leaf + 1) * kNear;
    std::fill(distance_.data() + from, distance_.data() + to, kInfinity);
    std::fill(place_.data() + from, place_.data() + to, Place{-1});
  }
  double distance(index of, index slot) const { return distance_[of * kNear + slot]; }
  Place place(index of, index slot) const { return place_[of * kNear + slot]; }
  double last(index of) const { return distance(of, kNear - 1); }
  void set_last(index of, double d, Place at) {
    distance_[of * kNear + kNear - 1] = d, place_[of * kNear + kNear - 1] = at;
  }
  bool before(double d, Place at, double other, Place place) const {
    return d < other || (d == other && (place < 0 || tree_.id(at) < tree_.id(place)));
  }
  void insert(index of, double d, Place at) {
    double* distances = distance_.data() + of * kNear;
    Place* places = place_.data() + of * kNear;
    if (!before(d, at, distances[kNear - 1], places[kNear - 1])) return;
    int slot = kNear - 1;
    for (; slot > 0 && before(d, at, distances[slot - 1], places[slot - 1]); --slot)
      distances[slot] = distances[slot - 1], places[slot] = places[slot - 1];
    distances[slot] = d, places[slot] = at;
  }

 private:
  const KdTree& tree_;
  Buffer<double> distance_;
  Buffer<Place> place_;
};

// Takes the points of a leaf through those that could be as near as they look: seeker.limit(i) is
// how far point i of the leaf does, below zero not at all; seeker.offer(i, place, distance) may
// lower it.
template <class Norm, class Seeker>
void search(const KdTree& tree, index leaf, Seeker& seeker) {
  const auto distances = isa::table().pairs.distances[static_cast<int>(Norm::metric)];
  const index own = tree.first(leaf), size = tree.first(leaf + 1) - own;
  double reach = -1;
  for (index i = 0; i < size; ++i) {
    reach = std::max(reach, seeker.limit(i));
    tree.read(own + i, seeker.row(i));
  }
  if (reach < 0) return;
  const auto visit = [&](index other) {
    const Box box = tree.box(tree.leaves() + other);
    const index first = tree.first(other);
    alignas(64) double d[kLeafPoints];
    reach = -1;
    for (index i = 0; i < size; ++i) {
      double limit = seeker.limit(i);
      const double* row = seeker.row(i);
      if (limit >= 0 && gap<Norm>({row, row}, box, tree.depth) <= limit) {
        const PairTask task = tree.task(row, other);
        distances(task, d);
        for (index l = 0; l < task.count; ++l) {
          if (d[l] > limit) continue;
          seeker.offer(i, static_cast<Place>(first + l), d[l]);
          limit = seeker.limit(i);
        }
      }
      reach = std::max(reach, limit);
    }
  };
  walk<Norm>(
      tree, leaf, [&](index node) { return seeker.skip(node); }, [&] { return reach; }, visit);
}

// Fills lists.
struct Nearest {
  Nearest(const KdTree& tree, Lists& to)
      : lists(to), depth(tree.depth), rows(kLeafPoints * depth) {}
  double* row(index i) { return rows.data() + i * depth; }
  double limit(index i) const { return lists.last(first + i); }
  bool skip(index) const { return false; }
  void offer(index i, Place at, double d) {
    if (at != first + i) lists.insert(first + i, d, at);
  }

  Lists& lists;
  const index depth;
  Buffer<double> rows;
  index first = 0;
};

}  // namespace coterie::linkage
