// A kd-tree of points in panels of eight, as the pair kernels read them.
//
// Balanced and without pointers: node 1 is all points, node v has the children 2 v and 2 v + 1, and
// the last `leaves` nodes are the leaves, of one or two panels each. Points stand in the order of
// leaves; where one stands is its place. A node is split in the middle of its widest feature, and
// has the box that holds its points.
//
// A gap is a bound on distances from below: the metric of what separates two boxes, feature by
// feature in the order of the kernels. Rounding is monotone, so no computed distance is less than
// the computed gap, and what is pruned needs no margin.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"
#include "../../engine/table.hpp"
#include "points.hpp"

namespace coterie::linkage {

using Place = std::int32_t;

constexpr index kLeafPanels = 2, kLeafPoints = kLeafPanels * kPanel;

struct SquaredNorm {
  static constexpr PairMetric metric = PairMetric::sqeuclidean;
  static void add(double& sum, double gap) { sum += gap * gap; }
};
struct CityblockNorm {
  static constexpr PairMetric metric = PairMetric::cityblock;
  static void add(double& sum, double gap) { sum += gap; }
};
struct ChebyshevNorm {
  static constexpr PairMetric metric = PairMetric::chebyshev;
  static void add(double& sum, double gap) { sum = std::max(sum, gap); }
};

// Boxes by their least and greatest values; a point is a box of itself and itself.
struct Box {
  const double *low, *high;
};

template <class Norm>
double gap(const Box& a, const Box& b, index depth) {
  double sum = 0;
  for (index f = 0; f < depth; ++f)
    Norm::add(sum, std::max(std::max(a.low[f] - b.high[f], b.low[f] - a.high[f]), 0.0));
  return sum;
}

class KdTree {
 public:
  // The points x.row(ids[i]), all finite, one or more.
  KdTree(const View<double>& x, std::vector<Place> ids, int n_threads);

  index count() const { return static_cast<index>(ids_.size()); }
  index leaves() const { return index{1} << levels_; }
  // Places [first(leaf), first(leaf + 1)).
  index first(index leaf) const { return std::min(count(), (panels_ * leaf >> levels_) * kPanel); }
  Place id(index place) const { return ids_[place]; }
  Box box(index node) const {
    const double* low = boxes_.data() + 2 * depth * node;
    return {low, low + depth};
  }
  void read(index place, double* point) const {
    const double* from = points_.data() + place / kPanel * kPanel * depth + place % kPanel;
    for (index f = 0; f < depth; ++f) point[f] = from[f * kPanel];
  }
  // `point` against the points of a leaf.
  PairTask task(const double* point, index leaf) const {
    return {point, points_.data() + first(leaf) * depth, depth, first(leaf + 1) - first(leaf)};
  }

  const index depth;

 private:
  // The places of a node of level `level`, the root's being 0.
  index begin(index node, int level) const {
    return std::min(count(), (panels_ * (node - (index{1} << level)) >> level) * kPanel);
  }
  struct Key {
    double value;
    Place id;
  };
  index bound(const View<double>& x, index node, index from, index to);
  void split(const View<double>& x, index node, int level, Key* keys);
  void split_all(const View<double>& x, index node, int level, Key* keys);
  void fill(const View<double>& x, index leaf);

  std::vector<Place> ids_;  // by place
  index panels_;
  int levels_ = 0;
  Buffer<double> boxes_, points_;
};

// Calls visit(leaf) for leaf `from` and then for others, the near ones early, but for those in a
// node for which skip(node) or whose gap to the box of `from` exceeds what limit() is by then.
template <class Norm, class Skip, class Limit, class Visit>
void walk(const KdTree& tree, index from, const Skip& skip, const Limit& limit,
          const Visit& visit) {
  struct Pending {
    double gap;
    index node;
  };
  const index leaves = tree.leaves();
  const Box own = tree.box(leaves + from);
  const auto pending = [&](index node) {
    return Pending{gap<Norm>(own, tree.box(node), tree.depth), node};
  };
  if (!skip(leaves + from)) visit(from);
  Pending stack[64];  // one a level at most, and one
  for (index up = leaves + from; up > 1; up /= 2) {
    if (skip(up ^ 1)) continue;
    int top = 0;
    stack[top++] = pending(up ^ 1);
    while (top > 0) {
      const Pending at = stack[--top];
      if (at.gap > limit()) continue;
      if (at.node >= leaves) {
        visit(at.node - leaves);
        continue;
      }
      Pending near = pending(2 * at.node), far = pending(2 * at.node + 1);
      if (far.gap < near.gap) std::swap(near, far);
      for (const Pending& next : {far, near})
        if (next.gap <= limit() && !skip(next.node)) stack[top++] = next;
    }
  }
}

}  // namespace coterie::linkage
