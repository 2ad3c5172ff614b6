#include "kd_tree.hpp"

#include "../../base/threads.hpp"

namespace coterie::linkage {
namespace {

constexpr int kShared = 6;  // levels split one after the other, their nodes side by side

}  // namespace

KdTree::KdTree(const View<double>& x, std::vector<Place> ids, int n_threads)
    : depth(x.cols), ids_(std::move(ids)), panels_((count() + kPanel - 1) / kPanel) {
  while (panels_ > leaves() * kLeafPanels) ++levels_;
  boxes_ = Buffer<double>(checked_product(4 * leaves(), depth));
  points_ = Buffer<double>(checked_product(panels_ * kPanel, depth));
  Buffer<Key> keys(count());
  const int team = threads::worth(static_cast<double>(count()) * 8 * (levels_ + 1), n_threads);
  const int shared = std::min(levels_, kShared);
  for (int level = 0; level < shared; ++level)
    threads::parallel_blocks(index{1} << level, team, [&](index b, int) {
      split(x, (index{1} << level) + b, level, keys.data());
    });
  threads::parallel_blocks(index{1} << shared, team, [&](index b, int) {
    split_all(x, (index{1} << shared) + b, shared, keys.data());
  });
}

// Stores the box of ids [from, to); returns its widest feature.
index KdTree::bound(const View<double>& x, index node, index from, index to) {
  double* low = boxes_.data() + 2 * depth * node;
  double* high = low + depth;
  std::copy_n(x.row(ids_[from]), depth, low);
  std::copy_n(low, depth, high);
  for (index i = from + 1; i < to; ++i) {
    const double* row = x.row(ids_[i]);
    for (index f = 0; f < depth; ++f) {
      low[f] = std::min(low[f], row[f]);
      high[f] = std::max(high[f], row[f]);
    }
  }
  index widest = 0;
  for (index f = 1; f < depth; ++f)
    if (high[f] - low[f] > high[widest] - low[widest]) widest = f;
  return widest;
}

void KdTree::split(const View<double>& x, index node, int level, Key* keys) {
  const index from = begin(node, level), to = begin(node + 1, level);
  const index middle = begin(2 * node + 1, level + 1), widest = bound(x, node, from, to);
  for (index i = from; i < to; ++i) keys[i] = {x.row(ids_[i])[widest], ids_[i]};
  std::nth_element(keys + from, keys + middle, keys + to, [](const Key& a, const Key& b) {
    return a.value < b.value || (a.value == b.value && a.id < b.id);
  });
  for (index i = from; i < to; ++i) ids_[i] = keys[i].id;
}

void KdTree::split_all(const View<double>& x, index node, int level, Key* keys) {
  if (level == levels_) return fill(x, node - leaves());
  split(x, node, level, keys);
  split_all(x, 2 * node, level + 1, keys);
  split_all(x, 2 * node + 1, level + 1, keys);
}

void KdTree::fill(const View<double>& x, index leaf) {
  const index from = first(leaf), to = first(leaf + 1);
  bound(x, leaves() + leaf, from, to);
  const index end = (to + kPanel - 1) / kPanel * kPanel;
  for (index i = from; i < end; ++i) {
    const double* row =
        x.row(ids_[std::min(i, to - 1)]);  // what pads the last panel is of no concern
    double* point = points_.data() + i / kPanel * kPanel * depth + i % kPanel;
    for (index f = 0; f < depth; ++f) point[f * kPanel] = row[f];
  }
}

}  // namespace coterie::linkage
