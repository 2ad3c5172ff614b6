// A model and a block of rows as the kernels see them: packed, less the shift, in T.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/buffer.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/rounding.hpp"
#include "gmm.hpp"

namespace coterie::gmm {

constexpr index kBlockBytes = 1 << 17;  // packed rows of a block: they stay in the L2 cache
constexpr index kMaxRows = 512;
// Beyond it, exponentials are not normal numbers.
template <class T>
constexpr double kMostCut = sizeof(T) == 4 ? 87 : 708;

// How far below a row's largest logit one counts for nothing. What a component loses by it in all
// rows together is less than a 256th of eps of the weight it had; a weight that is not known is
// taken as 1e-4.
template <class T>
double cut_of(double weight) {
  const double eps = std::numeric_limits<T>::epsilon();
  return std::min(kMostCut<T>, -std::log(eps / 256 * (weight > 0 ? weight : 1e-4)));
}

// Blocks and shards depend on the shapes alone.
struct Plan {
  index rows;        // of a block: whole panels
  index shard_rows;  // whole blocks
  index shards;

  template <class T>
  static Plan of(index n, index depth, index k, index sum_size, const Kernels<T>& kernels) {
    const index mr = kernels.mr, bytes = sizeof(T);
    const index limit =
        std::min({kMaxRows, kBlockBytes / (depth * bytes), 2 * kBlockBytes / (k * bytes)});
    Plan p;
    p.rows = std::max(mr, limit / mr * mr);
    // Partial sums take at most a 32nd of X, unless that would leave threads without work.
    const index affordable = n * depth * bytes / 32 / std::max<index>(1, sum_size * 8);
    const index shards =
        std::clamp<index>(n / (2 * p.rows), 1, std::clamp<index>(affordable, 8, 64));
    p.shard_rows = round_up((n + shards - 1) / shards, p.rows);
    p.shards = (n + p.shard_rows - 1) / p.shard_rows;
    return p;
  }
};

// The kernels' view of a model: means less the shift, packed triangles, in T. `base` keeps
// constants small.
template <class T>
struct Packed {
  const Kernels<T>& kernels = isa::kernels<T>();
  const Covariance type;
  const index k, depth, factor_size;
  double base = 0;
  Buffer<T> shift, means, factors, constants, scale, lowest, reach;
  Buffer<T> centers;  // tied, whose means are behind the triangle: the means where the rows are

  // cuts: is what counts for nothing in sums to be given up, or all responsibilities to be exact?
  Packed(const Model& m, const Values& about, bool cuts)
      : type(m.type),
        k(m.k),
        depth(m.depth),
        factor_size(triangle_size(kernels.triangle_rows, m.depth)),
        shift(m.depth),
        means(m.k * m.depth),
        factors(m.type == Covariance::full   ? m.k * factor_size
                : m.type == Covariance::tied ? factor_size
                                             : m.k * m.depth),
        constants(m.k),
        scale(m.k, T(-0.5)),
        lowest(m.k),
        reach(m.k),
        centers(m.type == Covariance::tied ? m.k * m.depth : 0) {
    base = *std::max_element(m.constants.begin(), m.constants.end());
    for (index f = 0; f < depth; ++f) shift[f] = static_cast<T>(about[f]);
    for (index c = 0; c < k; ++c) {
      constants[c] = static_cast<T>(std::max(m.constants[c] - base, -double(kHuge<T>)));
      const double cut = cuts ? cut_of<T>(m.weights[c]) : kMostCut<T>;
      lowest[c] = static_cast<T>(-cut);
      // What is given up for a partial sum would have been cut for the whole of it.
      reach[c] = cuts ? constants[c] + static_cast<T>(cut + 0.25) : std::numeric_limits<T>::infinity();
      for (index f = 0; f < depth; ++f)
        means[c * depth + f] = static_cast<T>(m.means[c * depth + f] - double(shift[f]));
      if (type == Covariance::full)
        pack(m.factors.data() + c * depth * depth, factors.data() + c * factor_size);
      if (type == Covariance::diag) std::copy_n(&m.factors[c * depth], depth, &factors[c * depth]);
      if (type == Covariance::spherical)
        scale[c] = static_cast<T>(-0.5 * m.factors[c] * m.factors[c]);
    }
    if (type != Covariance::tied) return;
    std::copy_n(means.data(), k * depth, centers.data());
    pack(m.factors.data(), factors.data());
    for (index c = 0; c < k; ++c) {  // means where the rows will be: behind the shared triangle
      for (index i = 0; i < depth; ++i) {
        double sum = 0;
        for (index f = 0; f <= i; ++f)
          sum += m.factors[i * depth + f] * (m.means[c * depth + f] - double(shift[f]));
        means[c * depth + i] = static_cast<T>(sum);
      }
    }
  }

  static index triangle_size(index rows, index depth) {
    index size = 0;
    for (index j = 0; j < depth; j += rows) size += rows * std::min(j + rows, depth);
    return size;
  }

 private:
  void pack(const double* triangle, T* to) const {
    const index rows = kernels.triangle_rows;
    for (index j = 0; j < depth; j += rows)
      for (index p = 0; p < std::min(j + rows, depth); ++p)
        for (index q = 0; q < rows; ++q)
          *to++ = j + q < depth ? static_cast<T>(triangle[(j + q) * depth + p]) : T(0);
  }
};

// Working memory of one thread.
template <class T>
struct Scratch {
  Scratch(const Plan& plan, index k, index depth)
      : panels(plan.rows * depth),
        z((plan.rows + isa::kernels<T>().width) * (depth + 4)),
        logits(checked_product(k, plan.rows)),
        weights(plan.rows),
        log_sums(plan.rows),
        entropies(plan.rows),
        labels(plan.rows),
        sets(plan.rows),
        hints(2 * plan.rows),
        active(std::max(k, plan.rows + 1)) {}
  Buffer<T> panels, z, logits, weights, log_sums, entropies;
  Buffer<T> whitened;  // tied: the panels behind the shared triangle
  Buffer<std::int32_t> labels, sets, hints, active, order, pass;
  index first = 0, rows = 0, n_panels = 0;  // the block at hand
  const std::int32_t* at = nullptr;         // row r of it is x's row first + at[r]; null: first + r
  index next_rows = 0;                      // of the block after it
  index row(index r) const { return first + (at ? at[r] : r); }
};

// Packs the block's rows and their weights, in units of `unit`; padding weighs nothing.
template <class T>
void load_block(const View<T>& x, const double* weights, double unit, const T* shift,
                Scratch<T>& s) {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index mr = kernels.mr, depth = x.cols;
  s.n_panels = (s.rows + mr - 1) / mr;
  for (index p = 0; p < s.n_panels; ++p) {
    const index row = s.first + p * mr, count = std::min(mr, s.rows - p * mr);
    T *panel = s.panels.data() + p * mr * depth, *norms = s.log_sums.data();  // norms: not needed
    if (s.at == nullptr)
      kernels.pack_lanes(x.row(row), x.stride, count, depth, x.readable(row), shift, panel, norms);
    else
      kernels.pack_picked(x.row(s.first), x.stride, s.at + p * mr, count, depth,
                          x.readable(s.first), shift, panel);
  }
  for (index r = 0; r < s.n_panels * mr; ++r)
    s.weights[r] = r < s.rows ? (weights ? static_cast<T>(weights[s.row(r)] / unit) : T(1)) : T(0);
}

template <class T>
MixtureTask<T> task_of(Scratch<T>& s, index depth, index k) {
  MixtureTask<T> t{};
  t.panels = s.panels.data();
  t.n_panels = s.n_panels;
  t.depth = depth;
  t.k = k;
  t.z = s.z.data();
  t.logits = s.logits.data();
  t.active = s.active.data();
  return t;
}

// groups: a guess at every row's component, or null; all logits are exact then.
template <class T>
void score_block(const View<T>& x, const Packed<T>& m, const Groups* groups, Scratch<T>& s) {
  const index mr = m.kernels.mr;
  MixtureTask<T> t = task_of(s, m.depth, m.k);
  t.means = m.means.data();
  t.factors = m.factors.data();
  t.factor_size = m.factor_size;
  t.constants = m.constants.data();
  t.scale = m.scale.data();
  t.reach = m.reach.data();
  if (groups) {
    for (index p = 0; p < s.n_panels; ++p) {
      s.hints[2 * p] = static_cast<std::int32_t>(component_of((*groups)[s.row(p * mr)]));
      s.hints[2 * p + 1] = static_cast<std::int32_t>(
          component_of((*groups)[s.row(std::min(s.rows, (p + 1) * mr) - 1)]));
    }
    t.hints = s.hints.data();
  }
  t.next = x.row(s.at ? s.first : s.first + s.rows);
  t.next_ld = x.stride;
  t.next_rows = s.next_rows;
  t.next_order = s.at ? s.at + s.rows : nullptr;
  if (m.type == Covariance::full) return m.kernels.gauss_full(t);
  if (m.type == Covariance::diag) return m.kernels.gauss_diag(t);
  if (m.type == Covariance::tied) {
    if (s.whitened.size() == 0) s.whitened = Buffer<T>(s.panels.size());
    std::copy_n(s.panels.data(), s.n_panels * mr * m.depth, s.whitened.data());
    t.whitened = s.whitened.data();
    m.kernels.gauss_whiten(t);
    t.panels = s.whitened.data();
  }
  m.kernels.gauss_plain(t);
}

template <class T>
void weigh_block(const Packed<T>& m, Scratch<T>& s) {
  const index rows = s.n_panels * m.kernels.mr;
  m.kernels.softmax({s.logits.data(), rows, rows, m.k, s.weights.data(), m.lowest.data(),
                     s.log_sums.data(), s.entropies.data(), s.labels.data(), s.sets.data(),
                     s.active.data()});
}

// Stable: rows in the order `from` (null: as they come) by key(row), below `keys`.
template <class Key>
void sort_by(index rows, const std::int32_t* from, index keys, const Key& key, std::int32_t* to) {
  std::vector<std::int32_t> at(static_cast<std::size_t>(keys) + 1, 0);
  for (index i = 0; i < rows; ++i) ++at[key(i) + 1];
  for (index c = 0; c < keys; ++c) at[c + 1] += at[c];
  for (index i = 0; i < rows; ++i) {
    const std::int32_t row = from ? from[i] : static_cast<std::int32_t>(i);
    to[at[key(row)]++] = row;
  }
}

// Rows [begin, end) by the set of components that share them, then by component, ascending within
// both: panels of rows alike let most components be given up early, and leave most responsibilities
// exactly zero. False where all are alike, and stand as they come.
template <class T>
bool sort_shard(const Groups& groups, index begin, index end, index k, Scratch<T>& s) {
  constexpr int kSetBits = 11;  // of a set's mark; more buckets than that are more than rows
  const index rows = end - begin;
  const std::uint32_t* group = groups.data() + begin;
  std::uint32_t differ = 0;
  for (index i = 0; i < rows; ++i) differ |= group[i] ^ group[0];
  if (differ == 0) return false;
  if (s.order.size() < rows) s.order = Buffer<std::int32_t>(rows), s.pass = Buffer<std::int32_t>(rows);
  sort_by(rows, nullptr, k, [&](index i) { return component_of(group[i]); }, s.pass.data());
  sort_by(rows, s.pass.data(), index(1) << kSetBits,
          [&](index i) { return index(group[i] >> (32 - kSetBits)); }, s.order.data());
  return true;
}

}  // namespace coterie::gmm
