// One pass over X: rows packed block by block, scored, weighed and summed while they are in cache.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/finite.hpp"
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

// How many rows have changed groups.
template <class T>
index add_scores(const View<T>& x, double base, const Scratch<T>& s, Groups& groups,
                 Partial& sums) {
  index changed = 0;
  for (index r = 0; r < s.rows; ++r) {
    const index row = s.row(r);
    const double log_sum = base + static_cast<double>(s.log_sums[r]),
                 w = static_cast<double>(s.weights[r]);
    if (!std::isfinite(log_sum)) refuse_values(x, row);
    sums.log_likelihood += w * log_sum;
    sums.entropy += w * static_cast<double>(s.entropies[r]);
    if (log_sum < sums.least && w > 0) sums.least = log_sum, sums.worst = row;
    const std::uint32_t group = group_of(s.labels[r], static_cast<std::uint32_t>(s.sets[r]));
    changed += groups[row] != group;
    groups[row] = group;
  }
  return changed;
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
void scatter(Covariance type, Scratch<T>& s, index depth, index k, const T* means,
             const Partial& sums) {
  const Kernels<T>& kernels = isa::kernels<T>();
  MixtureTask<T> t = task_of(s, depth, k);
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

// What is summed of X in a pass, about which means (less the shift, in T).
template <class T>
struct Task {
  const View<T>& x;
  const double* weights;
  const Covariance type;
  const index k;
  const T *shift, *means;
  const index size = sums_size(type, k, x.cols);
  const Plan plan = plan_of<T>(x.rows, type, k, x.cols);
  const double unit = weight_unit(weights, x.rows);

  Partial partial(double* at) const { return {at, at + k, at + k * (x.cols + 1)}; }
  void scatter(Scratch<T>& s, const T* about, const Partial& p) const {
    gmm::scatter(type, s, x.cols, k, about, p);
  }

  // f() with block after block of the shard's rows in s: `count` of them as `order` says, or as
  // they come.
  template <class F>
  void each_block(Scratch<T>& s, index count, const std::int32_t* order, const F& f) const {
    for (index i = 0; i < count; i += plan.rows) {
      s.panel = i / isa::kernels<T>().mr;
      s.first = s.shard + (order ? 0 : i);
      s.at = order ? order + i : nullptr;
      s.rows = std::min(plan.rows, count - i);
      s.fetch = {x.row(s.first + (order ? 0 : s.rows)),
                 x.stride,
                 x.cols,
                 std::min(plan.rows, count - i - s.rows),
                 order ? s.at + s.rows : nullptr,
                 0};
      load_block(x, weights, unit, shift, s);
      f();
      threads::answer_interrupt();
    }
  }
};

// shard(scratch, partial) sums the rows of a shard. means: what they stand for goes to `centers`.
template <class T, class Shard>
Sums sum_pass(const Task<T>& task, int n_threads, Kept<T>& kept, const Shard& sum_shard) {
  const auto& [x, weights, type, k, shift, means, size, plan, unit] = task;
  const index depth = x.cols;
  const double work = static_cast<double>(x.rows) * static_cast<double>(k) *
                      (static_cast<double>(size / k) + 16) /
                      static_cast<double>(isa::kernels<T>().width);
  n_threads = threads::worth(work, n_threads);
  while (kept.scratch.size() < static_cast<std::size_t>(n_threads))
    kept.scratch.emplace_back(plan, k, depth);
  const index all = checked_product(plan.shards, size);
  if (kept.sums.size() < all) kept.sums = Buffer<double>(all);
  double* memory = kept.sums.data();
  std::vector<Partial> partial(static_cast<std::size_t>(plan.shards));
  threads::parallel_blocks(plan.shards, n_threads, [&](index shard, int thread) {
    double* at = memory + shard * task.size;
    std::fill_n(at, task.size, 0.0);
    Partial p = task.partial(at);
    Scratch<T>& s = kept.scratch[static_cast<std::size_t>(thread)];
    s.shard = shard * task.plan.shard_rows;
    s.shard_rows = std::min(task.x.rows - s.shard, task.plan.shard_rows);
    sum_shard(s, p);
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
  sums.n.assign(memory, memory + k);
  sums.s1.assign(memory + k, memory + k * (depth + 1));
  const double* s2 = memory + k * (depth + 1);
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

// The E-step of a shard and what is summed by it.
template <class T>
class Expectation {
 public:
  Expectation(const Task<T>& task, const Packed<T>& model, Groups& groups, Bounds<T>* bounds)
      : task_(task), m_(model), groups_(groups), bounds_(bounds) {}

  void operator()(Scratch<T>& s, Partial& sums) const {
    const bool counted = bounds_ && bounds_->kept();
    if (counted && bounds_->open(s)) return sum_kept(s, sums);
    const bool sorted = sort_shard(groups_, s);
    const auto nobody = [](index) { return -1; };
    task_.each_block(s, s.shard_rows, sorted ? s.order.data() : nullptr, [&] {
      list_hints(groups_, true, nobody, s);
      score_block<T, Bounds<T>>(m_, true, nullptr, s);
      const index changed = weigh(s, sums);
      if (counted) bounds_->count(s, changed);
      task_.scatter(s, task_.means, sums);
    });
  }

 private:
  index weigh(Scratch<T>& s, Partial& sums) const {
    weigh_block(m_, s);
    return add_scores(task_.x, m_.base, s, groups_, sums);
  }

  void look(Scratch<T>& s) const {
    const auto owner = [&](index p) {
      const std::int32_t now = bounds_->owner(s, p);
      return now < -1 ? bounds_->marked(now) : now;
    };
    list_hints(groups_, false, owner, s);
    score_block(m_, true, bounds_, s);
  }

  // Owners that may have lost rows, then all panels without one.
  void sum_kept(Scratch<T>& s, Partial& sums) const {
    task_.each_block(s, bounds_->pick(s), s.order.data(), [&] { look(s); });
    if (threads::stopped()) return;
    bounds_->close(groups_, s);
    const Settled settled = bounds_->settled(m_, s);
    sums.log_likelihood += settled.log_likelihood;
    if (settled.least < sums.least) sums.least = settled.least, sums.worst = settled.worst;
    task_.each_block(s, bounds_->pick(s), s.order.data(), [&] {
      look(s);
      bounds_->count(s, weigh(s, sums));
      bounds_->note_worst(s);
      scatter(s, sums);
    });
    bounds_->add(s, task_.means, task_.x.cols, sums.n, sums.s1, sums.s2);
  }

  // Rows of owned panels go to the sums that stay, those of neighbours with one owner together.
  void scatter(Scratch<T>& s, const Partial& sums) const {
    const index mr = m_.kernels.mr, depth = m_.depth;
    index owned = 0;
    for (index p = 0, end; p < s.n_panels; p = end) {
      const std::int32_t owner = bounds_->owner(s, p);
      for (end = p + 1; end < s.n_panels && bounds_->owner(s, end) == owner;) ++end;
      if (owner < 0) continue;
      MixtureTask<T> t = task_of(s, depth, 1);
      t.panels += p * mr * depth;
      t.n_panels = end - p;
      t.logits += (owner * s.n_panels + p) * mr;
      t.means = bounds_->centers() + owner * depth;
      const Partial own = task_.partial(bounds_->sums(s));
      t.n = own.n + owner;
      t.s1 = own.s1 + owner * depth;
      t.s2 = own.s2 + owner * depth;
      m_.kernels.scatter_diag(t);
      std::fill_n(t.logits, t.n_panels * mr, T(0));
      owned += t.n_panels;
    }
    if (owned < s.n_panels) task_.scatter(s, task_.means, sums);
  }

  const Task<T>& task_;
  const Packed<T>& m_;
  Groups& groups_;
  Bounds<T>* bounds_;
};

}  // namespace

template <class T>
Sums expect(const View<T>& x, const double* weights, const Values& shift, const Model& model,
            Groups& groups, int n_threads, bool within, Kept<T>* kept) {
  const Packed<T> packed(model, shift, true);
  const bool tied = model.type == Covariance::tied;
  const Task<T> task{x,
                     weights,
                     within ? Covariance::full : model.type,
                     model.k,
                     packed.shift.data(),
                     tied ? packed.centers.data() : packed.means.data()};
  Kept<T> once;
  if (kept == nullptr)
    return sum_pass(task, n_threads, once, Expectation<T>(task, packed, groups, nullptr));
  kept->bounds.prepare(packed, x.rows, task.plan, task.size);
  return sum_pass(task, n_threads, *kept, Expectation<T>(task, packed, groups, &kept->bounds));
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
  const Task<T> task{x, weights, type, k, about.data(), means.data()};
  const auto weigh = [&](Scratch<T>& s) {
    const index rows = s.n_panels * isa::kernels<T>().mr;
    std::fill_n(s.logits.data(), k * rows, T(0));
    for (index r = 0; r < s.rows; ++r) {
      if (given.responsibilities == nullptr) {
        const index c = given.labels ? given.labels[s.first + r] : 0;
        if (c >= 0) s.logits[c * rows + r] = s.weights[r];
        continue;
      }
      for (index c = 0; c < k; ++c)
        s.logits[c * rows + r] = given.responsibilities[(s.first + r) * k + c] * s.weights[r];
    }
  };
  Kept<T> once;
  return sum_pass(task, n_threads, once, [&](Scratch<T>& s, Partial& sums) {
    task.each_block(s, s.shard_rows, nullptr, [&] {
      weigh(s);
      task.scatter(s, task.means, sums);
    });
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
        score_block<T, Bounds<T>>(packed, false, nullptr, s);
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
                          int, bool, Kept<T>*);                                                \
  template Sums gather<T>(const View<T>&, const double*, const Values&, Covariance, index,     \
                          const Given<T>&, const Values&, int);                                \
  template void score<T>(const View<T>&, const Model&, const Scores<T>&, int);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::gmm
