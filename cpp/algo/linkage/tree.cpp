#include "tree.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../../base/check.hpp"
#include "../../base/threads.hpp"

namespace coterie::tree {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// Cluster `column` of row t, not joined before.
index joined(const View<double>& Z, index t, int column, Buffer<index>& size) {
  const index n = Z.rows + 1;
  const double id = Z.row(t)[column];
  // Negated, so that NaN is refused as well.
  if (!(id >= 0 && id < static_cast<double>(n + t)) || id != std::floor(id))
    refuse("Z", "clusters that exist before they are joined", id, " in row ", t);
  const auto cluster = static_cast<index>(id);
  if (size[cluster] < 0) refuse("Z", "clusters that are joined once", id, " again in row ", t);
  return cluster;
}

}  // namespace

Tree::Tree(const View<double>& Z)
    : n(Z.rows + 1),
      left(Z.rows),
      right(Z.rows),
      height(Z.rows),
      size(2 * n - 1, 1),
      start(2 * n - 1),
      leaf(n) {
  if (Z.rows < 1 || Z.cols < 3) refuse("Z", "one row or more, 4 columns", Z.rows, " x ", Z.cols);
  for (index t = 0; t < Z.rows; ++t) {
    // A negative size marks what has been joined.
    const index a = left[t] = joined(Z, t, 0, size);
    size[a] = -size[a];
    const index b = right[t] = joined(Z, t, 1, size);
    size[b] = -size[b];
    size[n + t] = -(size[a] + size[b]);
    height[t] = Z.row(t)[2];
  }
  for (index c = 0; c < 2 * n - 2; ++c) size[c] = -size[c];
  start[2 * n - 2] = 0;
  for (index t = n - 2; t >= 0; --t) {
    start[left[t]] = start[n + t];
    start[right[t]] = start[n + t] + size[left[t]];
  }
  for (index i = 0; i < n; ++i) leaf[start[i]] = i;
}

void subtree_max(const Tree& tree, const double* values, double* out) {
  const index n = tree.n;
  for (index t = 0; t < n - 1; ++t) {
    double top = values[t];
    for (const index c : {tree.left[t], tree.right[t]})
      if (c >= n && out[c - n] > top) top = out[c - n];
    out[t] = top;
  }
}

void flat_clusters(const Tree& tree, const double* criterion, double t, std::int32_t* labels) {
  const index n = tree.n;
  std::int32_t count = 0;
  std::vector<index> stack{2 * n - 2};
  while (!stack.empty()) {
    const index top = stack.back();
    stack.pop_back();
    if (top < 0) {  // ~link: all below it has been visited
      for (const index c : {tree.left[~top], tree.right[~top]})
        if (tree.is_leaf(c)) labels[c] = ++count;
    } else if (criterion[top - n] <= t) {
      ++count;
      const index* first = tree.leaf.data() + tree.start[top];
      std::for_each(first, first + tree.size[top], [&](index i) { labels[i] = count; });
    } else {
      const index a = tree.left[top - n], b = tree.right[top - n];
      stack.push_back(~(top - n));
      if (!tree.is_leaf(b)) stack.push_back(b);
      if (!tree.is_leaf(a)) stack.push_back(a);
    }
  }
}

double threshold_for(const Tree& tree, const double* criterion, index k) {
  const index n = tree.n;
  if (k >= n) return -kInf;
  // A link is made once t reaches the least criterion on its way to the root.
  Buffer<double> least(n - 1);
  least[n - 2] = criterion[n - 2];
  for (index t = n - 2; t >= 0; --t)
    for (const index c : {tree.left[t], tree.right[t]})
      if (c >= n) least[c - n] = std::min(least[t], criterion[c - n]);
  double* const kth = least.data() + (n - k - 1);
  std::nth_element(least.data(), kth, least.data() + (n - 1));
  return *kth;
}

void merge_ranks(const Tree& tree, double* rank) {
  const index n = tree.n;
  std::vector<index> order;
  order.reserve(static_cast<std::size_t>(n - 1));
  if (std::is_sorted(tree.height.data(), tree.height.data() + n - 1)) {
    order.push_back(n - 2);  // breadth first, right before left, then backwards
    for (std::size_t i = 0; i < order.size(); ++i)
      for (const index c : {tree.right[order[i]], tree.left[order[i]]})
        if (c >= n) order.push_back(c - n);
    std::reverse(order.begin(), order.end());
    std::stable_sort(order.begin(), order.end(),
                     [&](index a, index b) { return tree.height[a] < tree.height[b]; });
  } else {
    order.resize(static_cast<std::size_t>(n - 1));
    std::iota(order.begin(), order.end(), index{0});
  }
  for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<double>(i);
}

void cut(const Tree& tree, const double* key, const double* t, index cuts, std::int64_t* labels,
         int n_threads) {
  const index n = tree.n;
  const int team =
      threads::worth(3.0 * static_cast<double>(n) * static_cast<double>(cuts), n_threads);
  threads::parallel_blocks(cuts, team, [&](index c, int) {
    Buffer<index> top(2 * n - 1);  // the cluster, after the cut, that holds a cluster
    Buffer<std::int64_t> label(2 * n - 1, -1);
    top[2 * n - 2] = 2 * n - 2;
    for (index link = n - 2; link >= 0; --link) {
      const index a = tree.left[link], b = tree.right[link];
      const bool made = key[link] < t[c];
      top[a] = made ? top[n + link] : a;
      top[b] = made ? top[n + link] : b;
    }
    std::int64_t count = 0;
    for (index i = 0; i < n; ++i) {
      std::int64_t& of = label[top[i]];
      if (of < 0) of = count++;
      labels[c * n + i] = of;
    }
  });
}

std::vector<std::pair<index, std::int32_t>> leaders(const Tree& tree, const std::int32_t* labels) {
  const index n = tree.n;
  std::vector<std::int32_t> label(labels, labels + n);
  label.resize(static_cast<std::size_t>(2 * n - 1));
  std::vector<char> mixed(static_cast<std::size_t>(2 * n - 1), 0);
  for (index t = 0; t < n - 1; ++t) {
    const index a = tree.left[t], b = tree.right[t];
    label[n + t] = label[a];
    mixed[n + t] = mixed[a] || mixed[b] || label[a] != label[b];
  }
  std::vector<index> stack{n - 2}, order;  // of links, right before left: backwards a post-order
  while (!stack.empty()) {
    const index t = stack.back();
    stack.pop_back();
    order.push_back(t);
    for (const index c : {tree.left[t], tree.right[t]})
      if (c >= n) stack.push_back(c - n);
  }
  std::vector<std::pair<index, std::int32_t>> found;
  for (auto t = order.rbegin(); t != order.rend(); ++t)
    if (mixed[n + *t])
      for (const index c : {tree.left[*t], tree.right[*t]})
        if (!mixed[c]) found.emplace_back(c, label[c]);
  if (!mixed[2 * n - 2]) found.emplace_back(2 * n - 2, label[2 * n - 2]);
  return found;
}

void inconsistency(const Tree& tree, index depth, double* out, int n_threads) {
  const index n = tree.n;
  const index levels = std::clamp<index>(depth, 1, 4096), size = 4096 / levels;
  const index blocks = (n - 1 + size - 1) / size;
  const double work = static_cast<double>(n) * static_cast<double>(levels) * 10;
  threads::parallel_blocks(blocks, threads::worth(work, n_threads), [&](index block, int) {
    std::vector<index> links;
    for (index t = block * size; t < std::min(n - 1, (block + 1) * size); ++t) {
      links.assign(1, t);
      std::size_t level = 0;  // where the level begins that is expanded next
      for (index d = 1; d < depth && level < links.size(); ++d) {
        const std::size_t end = links.size();
        for (; level < end; ++level)
          for (const index c : {tree.left[links[level]], tree.right[links[level]]})
            if (c >= n) links.push_back(c - n);
      }
      // About the link's own height, so that equal heights deviate by exactly nothing.
      const double h = tree.height[t];
      const auto count = static_cast<double>(links.size());
      double shift = 0, squares = 0;
      for (const index link : links) shift += tree.height[link] - h;
      shift /= count;
      for (const index link : links) {
        const double d = (tree.height[link] - h) - shift;
        squares += d * d;
      }
      const bool finite = std::isfinite(shift);  // a height may be infinite; then nothing deviates
      const double deviation = links.size() > 1 && finite ? std::sqrt(squares / (count - 1)) : 0;
      double* const row = out + 4 * t;
      row[0] = finite ? h + shift : std::numeric_limits<double>::infinity();
      row[1] = deviation;
      row[2] = count;
      row[3] = deviation > 0 ? -shift / deviation : 0;
    }
  });
}

void cophenetic(const Tree& tree, double* out, int n_threads) {
  const index n = tree.n;
  Buffer<index> parent(2 * n - 1);
  for (index t = 0; t < n - 1; ++t) parent[tree.left[t]] = parent[tree.right[t]] = n + t;
  const int team = threads::worth(static_cast<double>(n) * static_cast<double>(n), n_threads);
  constexpr index kRows = 16;
  threads::parallel_blocks((n + kRows - 1) / kRows, team, [&](index block, int) {
    for (index i = block * kRows; i < std::min(n, (block + 1) * kRows); ++i) {
      const index row = n * i - i * (i + 1) / 2 - i - 1;  // the pair i < j is at row + j
      for (index c = i; c != 2 * n - 2; c = parent[c]) {
        const index t = parent[c] - n;
        const index sibling = tree.left[t] == c ? tree.right[t] : tree.left[t];
        const index* const member = tree.leaf.data() + tree.start[sibling];
        for (index m = 0; m < tree.size[sibling]; ++m)
          if (member[m] > i) out[row + member[m]] = tree.height[t];
      }
    }
  });
}

}  // namespace coterie::tree
