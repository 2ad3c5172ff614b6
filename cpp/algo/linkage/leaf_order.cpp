// Optimal leaf ordering: Bar-Joseph, Gifford & Jaakkola, Bioinformatics 17 (2001), as products of
// matrices in (min, +).
//
//   M(v, u, w)  the least sum over the leaves of v with u the first and w the last of them
//   T(u, k)     = min_m M(l, u, m) + d(m, k)
//   M(v, u, w)  = min_k T(u, k) + M(r, k, w)
//
// for v = (l, r), u in l, w in r; m runs over the child of l that does not hold u, k over the child
// of r that does not hold w; a leaf is its own far end, at no cost; M(w, u) = M(u, w).
//
// Two leaves meet at one link, so all M fill one n x n matrix, its axes in the order of the layout;
// d(l, r) stands where M(v) is to be, until T is complete. Nothing is remembered of the ways: the
// n^2 / 2 sums along the best one are formed again.
#include <algorithm>
#include <limits>
#include <vector>

#include "../../base/threads.hpp"
#include "../../engine/isa.hpp"
#include "tree.hpp"

namespace coterie::tree {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// A task packs panels of kDepth lines for kTaskRows rows.
constexpr index kDepth = 512, kTaskRows = 128;

struct Block {
  const double* data;
  index stride;
};

// c (rows x cols) = min over k of a(i, k) + b(k, j). c does not overlap a or b.
void min_plus(const Block& a, const Block& b, double* c, index c_stride, index rows, index depth,
              index cols, int n_threads) {
  const Table& table = isa::table();
  const index mr = table.f64.mr, across = (cols + mr - 1) / mr;
  const index tasks = (rows + kTaskRows - 1) / kTaskRows * across;
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(depth) *
                      static_cast<double>(cols) / static_cast<double>(table.f64.width);
  threads::parallel_blocks(tasks, threads::worth(work, n_threads), [&](index task, int) {
    const index i = task / across * kTaskRows, j = task % across * mr;
    const index high = std::min(kTaskRows, rows - i), wide = std::min(mr, cols - j);
    Buffer<double> panel(mr * std::min(depth, kDepth));
    double* const out = c + i * c_stride + j;
    for (index r = 0; r < high; ++r) std::fill_n(out + r * c_stride, wide, kInf);
    for (index k = 0; k < depth; k += kDepth) {
      const index deep = std::min(kDepth, depth - k);
      table.f64.pack_lanes_t(b.data + k * b.stride + j, b.stride, deep, wide, panel.data());
      table.min_plus(
          {a.data + i * a.stride + k, a.stride, high, deep, wide, panel.data(), out, c_stride});
    }
  });
}

// Leaves of a cluster that may stand first, `near`, and those that may then stand last, `far`.
struct Range {
  index first, count;
};
struct Ends {
  Range near, far;
};
// A cluster, and the positions of the leaves that are to stand first and last in it.
struct Task {
  index cluster, first, last;
};

class Ordering {
 public:
  Ordering(const Tree& tree, const double* distances, int n_threads)
      : tree_(tree),
        n_(tree.n),
        distances_(distances),
        n_threads_(n_threads),
        m_(checked_product(n_, n_)) {
    index largest = 0;
    for (index t = 0; t < n_ - 1; ++t)
      largest = std::max(largest, tree.size[tree.left[t]] * tree.size[tree.right[t]]);
    t_ = Buffer<double>(largest);
    constexpr index kBand = 64;
    const int team = threads::worth(static_cast<double>(largest), n_threads);
    threads::parallel_blocks((n_ + kBand - 1) / kBand, team, [&](index band, int) {
      for (index p = band * kBand; p < std::min(n_, (band + 1) * kBand); ++p) {
        m_[p * n_ + p] = 0;
        for (index q = p + 1; q < n_; ++q) m_[p * n_ + q] = distance(p, q);
      }
    });
    for (index t = 0; t < n_ - 1; ++t) join(t);
  }

  void write(double* out) const {
    std::vector<Task> stack{best_ends()};
    while (!stack.empty()) {
      const Task task = stack.back();
      stack.pop_back();
      if (tree_.is_leaf(task.cluster)) continue;
      const index t = task.cluster - n_, l = tree_.left[t], r = tree_.right[t];
      const bool swapped = task.first >= tree_.start[r];
      const index u = swapped ? task.last : task.first, w = swapped ? task.first : task.last;
      const Range ms = far_of(l, u), ks = far_of(r, w);
      index best_m = ms.first, best_k = ks.first;
      double least = kInf;
      for (index m = ms.first; m < ms.first + ms.count; ++m)
        for (index k = ks.first; k < ks.first + ks.count; ++k) {
          const double sum = m_[u * n_ + m] + distance(m, k) + m_[k * n_ + w];
          if (sum < least) least = sum, best_m = m, best_k = k;
        }
      out[2 * t] = static_cast<double>(swapped ? r : l);
      out[2 * t + 1] = static_cast<double>(swapped ? l : r);
      stack.push_back(swapped ? Task{l, best_m, u} : Task{l, u, best_m});
      stack.push_back(swapped ? Task{r, w, best_k} : Task{r, best_k, w});
    }
  }

 private:
  double distance(index p, index q) const {
    const index i = std::min(tree_.leaf[p], tree_.leaf[q]),
                j = std::max(tree_.leaf[p], tree_.leaf[q]);
    return distances_[n_ * i - i * (i + 1) / 2 + (j - i - 1)];
  }
  Range range(index cluster) const { return {tree_.start[cluster], tree_.size[cluster]}; }
  std::vector<Ends> ends(index c) const {
    if (tree_.is_leaf(c)) return {{range(c), range(c)}};
    const Range a = range(tree_.left[c - n_]), b = range(tree_.right[c - n_]);
    return {{a, b}, {b, a}};
  }
  Range far_of(index c, index near) const {
    if (tree_.is_leaf(c)) return range(c);
    const index l = tree_.left[c - n_], r = tree_.right[c - n_];
    return range(near < tree_.start[r] ? r : l);
  }

  void join(index t) {
    const index l = tree_.left[t], r = tree_.right[t];
    const Range rows = range(l), cols = range(r);
    double* const m = m_.data();
    for (const Ends& e : ends(l))
      min_plus({m + e.near.first * n_ + e.far.first, n_}, {m + e.far.first * n_ + cols.first, n_},
               t_.data() + (e.near.first - rows.first) * cols.count, cols.count, e.near.count,
               e.far.count, cols.count, n_threads_);
    for (const Ends& e : ends(r))
      min_plus({t_.data() + (e.far.first - cols.first), cols.count},
               {m + e.far.first * n_ + e.near.first, n_}, m + rows.first * n_ + e.near.first, n_,
               rows.count, e.far.count, e.near.count, n_threads_);
    mirror(rows, cols);
  }

  void mirror(const Range& rows, const Range& cols) {
    constexpr index kSide = 16;
    for (index i0 = 0; i0 < rows.count; i0 += kSide)
      for (index j0 = 0; j0 < cols.count; j0 += kSide)
        for (index j = cols.first + j0; j < cols.first + std::min(cols.count, j0 + kSide); ++j)
          for (index i = rows.first + i0; i < rows.first + std::min(rows.count, i0 + kSide); ++i)
            m_[j * n_ + i] = m_[i * n_ + j];
  }

  // The root with the ends of its best order; of equal ones, the leftmost in the layout.
  Task best_ends() const {
    Task best{2 * n_ - 2, 0, tree_.start[tree_.right[n_ - 2]]};
    double least = kInf;
    const Range rows = range(tree_.left[n_ - 2]), cols = range(tree_.right[n_ - 2]);
    for (index u = rows.first; u < rows.first + rows.count; ++u)
      for (index w = cols.first; w < cols.first + cols.count; ++w)
        if (m_[u * n_ + w] < least) least = m_[u * n_ + w], best.first = u, best.last = w;
    return best;
  }

  const Tree& tree_;
  const index n_;
  const double* const distances_;
  const int n_threads_;
  Buffer<double> m_, t_;
};

}  // namespace

void optimal_order(const Tree& tree, const double* distances, double* out, int n_threads) {
  Ordering(tree, distances, n_threads).write(out);
}

}  // namespace coterie::tree
