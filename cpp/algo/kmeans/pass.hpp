// One pass over X: assignment and, while the rows are hot, whatever else the caller wants of them.
#pragma once
#include <atomic>

#include "../../base/finite.hpp"
#include "kmeans.hpp"
#include "sums.hpp"

namespace coterie::kmeans {

// Rows an interrupt may have to wait for: some 10^9 operations.
inline index block_rows(index k, double per_column) {
  const double rows = double(index{1} << 29) / (static_cast<double>(k) * (per_column + 1));
  return rows >= double(kBlockRows) ? kBlockRows : std::max<index>(64, index(rows) / 64 * 64);
}

// Working memory of every thread, for passes one after the other: to allocate it anew for each
// takes a tenth of a small fit (bench: tiny).
template <class Near>
auto team_scratch(const Near& nearest, int n_threads) {
  std::vector<decltype(nearest.scratch())> scratch;
  for (int t = 0; t < n_threads; ++t) scratch.push_back(nearest.scratch());
  return scratch;
}

// Assigns every row; labels in place. after(shard, first, count) runs for each block of rows, in
// order within a shard, once its labels are written. Returns whether any label changed. A thread
// each for the members of `scratch`.
template <class Rows, class Near, class After>
bool assign_pass(const Rows& x, const Near& nearest, const SumsPlan& plan, std::int32_t* labels,
                 std::vector<NearestScratch<typename Rows::Value>>& scratch, const After& after) {
  const int n_threads = static_cast<int>(scratch.size());
  std::atomic<bool> changed{false};
  const index block = block_rows(nearest.exact().k, x.work_per_column());
  threads::parallel_blocks(plan.shards, n_threads, [&](index shard, int thread) {
    const index begin = shard * plan.shard_rows, end = std::min(begin + plan.shard_rows, x.rows());
    std::int32_t fresh[kBlockRows];
    bool differs = false;
    for (index i = begin; i < end; i += block) {
      const index count = std::min(block, end - i);
      const index bad = nearest.block(x.x, i, count, fresh, scratch[thread]);
      if (bad >= 0) refuse_values(x.x, bad);
      threads::answer_interrupt();  // labels may be undecided then
      differs = differs || !std::equal(fresh, fresh + count, labels + i);
      std::copy(fresh, fresh + count, labels + i);
      after(shard, i, count);
    }
    if (differs) changed = true;
  });
  return changed;
}

// Vector operations of one pass, for threads::worth.
template <class Rows>
int pass_threads(const Rows& x, index k, int n_threads) {
  const double lanes = static_cast<double>(isa::kernels<typename Rows::Value>().width);
  return threads::worth(
      static_cast<double>(x.rows()) * static_cast<double>(k) * (x.work_per_column() + 4) / lanes,
      n_threads);
}

// Adds f(block) over fixed blocks of rows, in block order.
template <class F>
double blockwise_sum(index rows, int n_threads, const F& f) {
  constexpr index block = 8 * kBlockRows;
  const index blocks = (rows + block - 1) / block;
  Buffer<double> partial(blocks, 0.0);
  threads::parallel_blocks(blocks, n_threads, [&](index b, int) {
    partial[b] = f(b * block, std::min(block, rows - b * block));
  });
  double sum = 0;
  for (index b = 0; b < blocks; ++b) sum += partial[b];
  return sum;
}

// sum_i w_i |x_i - c_label(i)|^2 from differences; out (may be null): the distances.
template <class Rows>
double exact_inertia(const Rows& x, const double* weights, const ExactCenters& centers,
                     const std::int32_t* labels, double* out, int n_threads) {
  return blockwise_sum(x.rows(), n_threads, [&](index first, index count) {
    double d[kBlockRows], sum = 0;
    for (index i = first; i < first + count; i += kBlockRows) {
      const index rows = std::min(kBlockRows, first + count - i);
      x.labelled(i, rows, centers, labels + i, d);
      for (index r = 0; r < rows; ++r) {
        if (out) out[i + r] = d[r];
        sum += weights ? weights[i + r] * d[r] : d[r];
      }
    }
    return sum;
  });
}

}  // namespace coterie::kmeans
