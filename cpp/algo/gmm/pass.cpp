// One pass over X: rows packed block by block, scored, weighed and summed while they are in cache.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/buffer.hpp"
#include "../../base/finite.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/rounding.hpp"
#include "gmm.hpp"

namespace coterie::gmm {
namespace {

constexpr index kBlockBytes = 1 << 17;  // packed rows of a block: they stay in the L2 cache
constexpr index kMaxRows = 512;
// Responsibilities this far below the largest count for nothing: e^-50 = 2e-22, of which a million
// rows do not change the last digit of a component that holds a single row; float sums have fewer
// digits to lose.
template <class T>
constexpr double kCut = sizeof(T) == 4 ? 35 : 50;

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
  Buffer<T> shift, means, factors, constants, scale;
  Buffer<T> centers;  // tied, whose means are behind the triangle: the means where the rows are

  Packed(const Model& m, const Values& about)
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
        centers(m.type == Covariance::tied ? m.k * m.depth : 0) {
    base = *std::max_element(m.constants.begin(), m.constants.end());
    for (index f = 0; f < depth; ++f) shift[f] = static_cast<T>(about[f]);
    for (index c = 0; c < k; ++c) {
      constants[c] = static_cast<T>(std::max(m.constants[c] - base, -double(kHuge<T>)));
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
        z(plan.rows * (depth + 4)),
        logits(checked_product(k, plan.rows)),
        weights(plan.rows),
        log_sums(plan.rows),
        entropies(plan.rows),
        picked(isa::kernels<T>().mr * depth),
        labels(plan.rows),
        hints(2 * plan.rows),
        active(plan.rows) {}
  Buffer<T> panels, z, logits, weights, log_sums, entropies, picked;
  Buffer<T> whitened;  // tied: the panels behind the shared triangle
  Buffer<std::int32_t> labels, hints, active, order;
  index first = 0, rows = 0, n_panels = 0;  // the block at hand
  const std::int32_t* at = nullptr;         // row r of it is x's row first + at[r]; null: first + r
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
    if (s.at == nullptr) {
      kernels.pack_lanes(x.row(row), x.stride, count, depth, x.readable(row), shift, panel, norms);
      continue;
    }
    for (index r = 0; r < count; ++r)
      std::copy_n(x.row(s.row(p * mr + r)), depth, s.picked.data() + r * depth);
    kernels.pack_lanes(s.picked.data(), depth, count, depth, count * depth, shift, panel, norms);
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
void score_block(const Packed<T>& m, const Groups* groups, Scratch<T>& s) {
  const index mr = m.kernels.mr;
  MixtureTask<T> t = task_of(s, m.depth, m.k);
  t.means = m.means.data();
  t.factors = m.factors.data();
  t.factor_size = m.factor_size;
  t.constants = m.constants.data();
  t.scale = m.scale.data();
  t.cut = groups ? T(kCut<T>) : kHuge<T>;
  if (groups) {
    for (index p = 0; p < s.n_panels; ++p) {
      s.hints[2 * p] = (*groups)[s.row(p * mr)];
      s.hints[2 * p + 1] = (*groups)[s.row(std::min(s.rows, (p + 1) * mr) - 1)];
    }
    t.hints = s.hints.data();
  }
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
void weigh_block(const Packed<T>& m, double lowest, Scratch<T>& s) {
  const index rows = s.n_panels * m.kernels.mr;
  m.kernels.softmax({s.logits.data(), rows, rows, m.k, s.weights.data(), T(-lowest),
                     s.log_sums.data(), s.entropies.data(), s.labels.data()});
}

// Rows [begin, end) by their group, ascending within one: panels of rows that belong together let
// most components be given up early, and leave most responsibilities exactly zero.
template <class T>
void sort_shard(const Groups& groups, index begin, index end, index k, Scratch<T>& s) {
  if (s.order.size() < end - begin) s.order = Buffer<std::int32_t>(end - begin);
  std::vector<std::int32_t> at(static_cast<std::size_t>(k) + 1, 0);
  for (index i = begin; i < end; ++i) ++at[groups[i] + 1];
  for (index c = 0; c < k; ++c) at[c + 1] += at[c];
  for (index i = begin; i < end; ++i)
    s.order[at[groups[i]]++] = static_cast<std::int32_t>(i - begin);
}

// Sums of one shard.
struct Partial {
  double *n, *s1, *s2;
  double log_likelihood = 0, entropy = 0, least = std::numeric_limits<double>::infinity();
  index worst = -1;
};

template <class T>
void add_scores(const View<T>& x, double base, const Scratch<T>& s, Groups& groups, Partial& sums) {
  for (index r = 0; r < s.rows; ++r) {
    const index row = s.row(r);
    const double log_sum = base + static_cast<double>(s.log_sums[r]),
                 w = static_cast<double>(s.weights[r]);
    if (!std::isfinite(log_sum)) refuse_values(x, row);
    sums.log_likelihood += w * log_sum;
    sums.entropy += w * static_cast<double>(s.entropies[r]);
    if (log_sum < sums.least && w > 0) sums.least = log_sum, sums.worst = row;
    groups[row] = static_cast<std::uint16_t>(std::min(s.labels[r], 65535));
  }
}

index s2_size(Covariance type, index k, index depth) {
  if (type == Covariance::tied) return 0;
  return type == Covariance::full ? k * square_stride(depth) * square_stride(depth) : k * depth;
}

template <class T>
void scatter(Covariance type, MixtureTask<T> t, const T* means, const Partial& sums) {
  const Kernels<T>& kernels = isa::kernels<T>();
  t.means = means;
  t.n = sums.n;
  t.s1 = sums.s1;
  t.s2 = sums.s2;
  if (type == Covariance::full)
    kernels.scatter_full(t);
  else if (type == Covariance::tied)
    kernels.scatter_first(t);
  else
    kernels.scatter_diag(t);
}

// A power of two near the largest weight: T may hold the quotients where it could not hold the
// weights.
double weight_unit(const double* weights, index rows) {
  const double largest = weights ? *std::max_element(weights, weights + rows) : 1;
  return std::ldexp(1.0, std::max(std::ilogb(largest), -1021));
}

// fill(scratch, partial) weighs a block of rows that is packed; here its rows are summed. means:
// less the shift, in T; what they stand for goes to `centers`. groups: how to order rows, or null.
template <class T, class Fill>
Sums sum_pass(const View<T>& x, const double* weights, Covariance type, index k, const T* shift,
              const T* means, const Groups* groups, int n_threads, const Fill& fill) {
  const index depth = x.cols, extra = s2_size(type, k, depth), size = k * (depth + 1) + extra;
  const Plan plan = Plan::of(x.rows, depth, k, size, isa::kernels<T>());
  const double work = static_cast<double>(x.rows) * static_cast<double>(k) *
                      (static_cast<double>(size / k) + 16) /
                      static_cast<double>(isa::kernels<T>().width);
  n_threads = threads::worth(work, n_threads);
  std::vector<Scratch<T>> scratch;
  for (int t = 0; t < n_threads; ++t) scratch.emplace_back(plan, k, depth);
  Buffer<double> memory(checked_product(plan.shards, size), 0.0);
  const double unit = weight_unit(weights, x.rows);
  std::vector<Partial> partial(static_cast<std::size_t>(plan.shards));
  threads::parallel_blocks(plan.shards, n_threads, [&](index shard, int thread) {
    double* at = memory.data() + shard * size;
    Partial p{at, at + k, at + k * (depth + 1)};
    Scratch<T>& s = scratch[thread];
    const index begin = shard * plan.shard_rows, end = std::min(x.rows, begin + plan.shard_rows);
    if (groups) sort_shard(*groups, begin, end, k, s);
    for (index i = begin; i < end; i += plan.rows) {
      s.first = groups ? begin : i;
      s.at = groups ? s.order.data() + (i - begin) : nullptr;
      s.rows = std::min(plan.rows, end - i);
      load_block(x, weights, unit, shift, s);
      fill(s, p);
      scatter(type, task_of(s, depth, k), means, p);
      if (threads::stopped()) return;
      if (thread == 0 && interrupt::pending()) throw Interrupted();
    }
    partial[shard] = p;
  });
  Sums sums;
  double least = std::numeric_limits<double>::infinity();
  for (index s = 0; s < plan.shards; ++s) {
    const Partial& p = partial[s];
    sums.log_likelihood += p.log_likelihood;
    sums.entropy += p.entropy;
    if (p.least < least) least = p.least, sums.worst = p.worst;
    for (index e = 0; s > 0 && e < size; ++e) memory[e] += memory[s * size + e];
  }
  sums.log_likelihood *= unit;
  sums.entropy *= unit;
  for (index e = 0; e < size; ++e) {
    if (!std::isfinite(memory[e]))
      refuse("X", "values whose squared distances fit its dtype", "an overflow");
    memory[e] *= unit;
  }
  sums.n.assign(memory.data(), memory.data() + k);
  sums.s1.assign(memory.data() + k, memory.data() + k * (depth + 1));
  sums.s2.assign(memory.data() + k * (depth + 1), memory.data() + size);
  sums.centers.resize(static_cast<std::size_t>(k * depth));
  for (index c = 0; c < k; ++c)
    for (index f = 0; f < depth; ++f)
      sums.centers[c * depth + f] =
          double(shift[f]) + (type == Covariance::tied ? 0.0 : double(means[c * depth + f]));
  return sums;
}

}  // namespace

template <class T>
Sums expect(const View<T>& x, const double* weights, const Values& shift, const Model& model,
            Groups& groups, int n_threads, bool within) {
  const Packed<T> packed(model, shift);
  const bool tied = model.type == Covariance::tied;
  const T* centers = tied ? packed.centers.data() : packed.means.data();
  return sum_pass(x, weights, within ? Covariance::full : model.type, model.k, packed.shift.data(),
                  centers, &groups, n_threads, [&](Scratch<T>& s, Partial& sums) {
                    score_block(packed, &groups, s);
                    weigh_block(packed, kCut<T>, s);
                    add_scores(x, packed.base, s, groups, sums);
                  });
}

template <class T>
Sums gather(const View<T>& x, const double* weights, const Values& shift, Covariance type, index k,
            const Given<T>& given, const Values& centers, int n_threads) {
  const index depth = x.cols;
  Buffer<T> about(depth), means(checked_product(k, depth));
  for (index f = 0; f < depth; ++f) about[f] = static_cast<T>(shift[f]);
  for (index c = 0; c < k; ++c)
    for (index f = 0; f < depth; ++f)
      means[c * depth + f] = static_cast<T>(centers[c * depth + f] - double(about[f]));
  return sum_pass(x, weights, type, k, about.data(), means.data(), nullptr, n_threads,
                  [&](Scratch<T>& s, Partial&) {
                    const index rows = s.n_panels * isa::kernels<T>().mr;
                    std::fill_n(s.logits.data(), k * rows, T(0));
                    for (index r = 0; r < s.rows; ++r) {
                      if (given.responsibilities == nullptr) {
                        const index c = given.labels ? given.labels[s.first + r] : 0;
                        if (c >= 0) s.logits[c * rows + r] = s.weights[r];
                        continue;
                      }
                      for (index c = 0; c < k; ++c)
                        s.logits[c * rows + r] =
                            given.responsibilities[(s.first + r) * k + c] * s.weights[r];
                    }
                  });
}

template <class T>
void score(const View<T>& x, const Model& model, const Scores<T>& out, int n_threads) {
  const index k = model.k, depth = model.depth;
  Values shift(static_cast<std::size_t>(depth), 0.0);
  for (index c = 0; c < k; ++c)
    for (index f = 0; f < depth; ++f)
      shift[f] += model.means[c * depth + f] / static_cast<double>(k);
  const Packed<T> packed(model, shift);
  const Plan plan = Plan::of(x.rows, depth, k, 0, packed.kernels);
  const double work = static_cast<double>(x.rows) * static_cast<double>(k) *
                      (static_cast<double>(packed.factor_size) + 16) /
                      static_cast<double>(packed.kernels.width);
  n_threads = threads::worth(work, n_threads);
  std::vector<Scratch<T>> scratch;
  for (int t = 0; t < n_threads; ++t) scratch.emplace_back(plan, k, depth);
  threads::parallel_blocks(
      (x.rows + plan.rows - 1) / plan.rows, n_threads, [&](index b, int thread) {
        Scratch<T>& s = scratch[thread];
        s.first = b * plan.rows;
        s.rows = std::min(plan.rows, x.rows - s.first);
        load_block<T>(x, nullptr, 1, packed.shift.data(), s);
        score_block<T>(packed, nullptr, s);
        weigh_block(packed, sizeof(T) == 4 ? 87 : 708, s);
        const index rows = s.n_panels * packed.kernels.mr;
        for (index r = 0; r < s.rows; ++r) {
          const index row = s.first + r;
          const double log_sum = packed.base + static_cast<double>(s.log_sums[r]);
          if (!std::isfinite(log_sum)) refuse_values(x, row);
          if (out.log_density) out.log_density[row] = log_sum;
          if (out.labels) out.labels[row] = s.labels[r];
          for (index c = 0; out.responsibilities && c < k; ++c)
            out.responsibilities[row * k + c] = s.logits[c * rows + r];
        }
      });
}

#define COTERIE_INSTANTIATE(T)                                                                 \
  template Sums expect<T>(const View<T>&, const double*, const Values&, const Model&, Groups&, \
                          int, bool);                                                          \
  template Sums gather<T>(const View<T>&, const double*, const Values&, Covariance, index,     \
                          const Given<T>&, const Values&, int);                                \
  template void score<T>(const View<T>&, const Model&, const Scores<T>&, int);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::gmm
