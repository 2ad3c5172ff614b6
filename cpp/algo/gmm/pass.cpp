// One pass over X: rows packed block by block, scored, weighed and summed while they are in cache.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/finite.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "bounds.hpp"

namespace coterie::gmm {
namespace {

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
    groups[row] = group_of(s.labels[r], static_cast<std::uint32_t>(s.sets[r]));
  }
}

index s2_size(Covariance type, index k, index depth) {
  if (type == Covariance::tied) return 0;
  const index m = square_stride(depth) / 4;  // a lower triangle in tiles of 16
  return type == Covariance::full ? k * m * (m + 1) * 8 : k * depth;
}

index sums_size(Covariance type, index k, index depth) {
  return k * (depth + 1) + s2_size(type, k, depth);
}

// The kernel's tiles of lower triangles to squares.
void untile(const double* tiles, index k, index stride, index columns, Values& squares) {
  squares.resize(static_cast<std::size_t>(k * stride * stride));
  for (index c = 0; c < k; ++c)
    for (index i = 0; i < stride; i += 4)
      for (index j = 0; j < i + 4; j += columns)
        for (index q = 0; q < 4; ++q, tiles += columns)
          std::copy_n(tiles, columns, &squares[(c * stride + i + q) * stride + j]);
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

template <class T>
Plan plan_of(index rows, Covariance type, index k, index depth) {
  return Plan::of(rows, depth, k, sums_size(type, k, depth), isa::kernels<T>());
}

// fill(scratch, partial) weighs a block of rows that is packed; here its rows are summed. means:
// less the shift, in T; what they stand for goes to `centers`. groups: how to order rows, or null.
template <class T, class Fill>
Sums sum_pass(const View<T>& x, const double* weights, Covariance type, index k, const T* shift,
              const T* means, const Groups* groups, int n_threads, const Fill& fill) {
  const index depth = x.cols, size = sums_size(type, k, depth);
  const Plan plan = plan_of<T>(x.rows, type, k, depth);
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
    s.shard = begin;
    s.shard_rows = end - begin;
    const bool sorted = groups && sort_shard(*groups, begin, end, s);
    for (index i = begin; i < end; i += plan.rows) {
      s.panel = (i - begin) / isa::kernels<T>().mr;
      s.first = sorted ? begin : i;
      s.at = sorted ? s.order.data() + (i - begin) : nullptr;
      s.rows = std::min(plan.rows, end - i);
      const index next = sorted ? begin : std::min(end, i + s.rows);
      s.fetch = {x.row(next),
                 x.stride,
                 depth,
                 std::min(plan.rows, end - i - s.rows),
                 sorted ? s.at + s.rows : nullptr,
                 0};
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
  const double* s2 = memory.data() + k * (depth + 1);
  if (type == Covariance::full)
    untile(s2, k, square_stride(depth), isa::kernels<T>().pair_columns, sums.s2);
  else
    sums.s2.assign(s2, s2 + s2_size(type, k, depth));
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
            Groups& groups, int n_threads, bool within, Bounds<T>* bounds) {
  const Packed<T> packed(model, shift, true);
  if (bounds) bounds->prepare(packed, x.rows, plan_of<T>(x.rows, model.type, model.k, model.depth));
  const bool tied = model.type == Covariance::tied;
  const T* centers = tied ? packed.centers.data() : packed.means.data();
  return sum_pass(x, weights, within ? Covariance::full : model.type, model.k, packed.shift.data(),
                  centers, &groups, n_threads, [&](Scratch<T>& s, Partial& sums) {
                    score_block(x, packed, &groups, bounds, s);
                    weigh_block(packed, s);
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
  const Packed<T> packed(model, shift, false);
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
        score_block<T>(x, packed, nullptr, nullptr, s);
        weigh_block(packed, s);
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
                          int, bool, Bounds<T>*);                                              \
  template Sums gather<T>(const View<T>&, const double*, const Values&, Covariance, index,     \
                          const Given<T>&, const Values&, int);                                \
  template void score<T>(const View<T>&, const Model&, const Scores<T>&, int);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::gmm
