// The M-step's sums, the same bits for any number of threads, two ways:
//
//   shards   each of a fixed number of row ranges sums into a partial of its own while its rows are hot
//            from the assignment; partials are added in range order. Costs shards * k * d memory.
//   sorted   rows are sorted by label after the assignment, and each cluster's rows are summed in
//            ascending order, long clusters in segments added in order. Reads X a second time, but
//            needs no partial of size k * d: for large k * d.
//
// The choice and every size depend on (n, k, d) alone.
#pragma once
#include <algorithm>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/threads.hpp"
#include "rows.hpp"

namespace coterie::kmeans {

struct SumsPlan {
  index shards;       // row ranges of the assignment
  index shard_rows;   // rows each
  bool sorted;        // sum after the assignment instead of in it

  SumsPlan(index n, index k, index depth) {
    constexpr index max_shards = 64, min_rows = 2 * kBlockRows;
    // Adding the partials costs shards * k * d: at most 1/32 of the n * d additions they hold.
    const index affordable = n / (32 * k), bytes = k * sums_stride(depth) * 8;
    sorted = n > 4 * min_rows && (affordable < 8 || bytes > (index{1} << 19));
    const index limit = sorted ? max_shards : std::clamp<index>(affordable, 1, max_shards);
    shards = std::clamp<index>(n / min_rows, 1, limit);
    shard_rows = (n + shards - 1) / shards;
    shard_rows = (shard_rows + kBlockRows - 1) / kBlockRows * kBlockRows;
    shards = (n + shard_rows - 1) / shard_rows;
  }
};

// Rows by label: order[begin[j] .. begin[j + 1]) are the rows of label j, ascending.
struct RowsByLabel {
  std::vector<index> begin;
  Buffer<index> order;

  RowsByLabel(const std::int32_t* labels, index n, index k) : begin(k + 1, 0), order(n) {
    for (index i = 0; i < n; ++i) ++begin[labels[i] + 1];
    for (index j = 0; j < k; ++j) begin[j + 1] += begin[j];
    std::vector<index> at(begin.begin(), begin.end() - 1);
    for (index i = 0; i < n; ++i) order[at[labels[i]]++] = i;
  }
};

template <class Rows>
void sorted_sums(const Rows& x, const double* weights, const double* shift, const std::int32_t* labels,
                 index k, Buffer<double>& sums, int n_threads) {
  const index stride = sums_stride(x.depth()), longest = std::max<index>(512, x.depth());
  const RowsByLabel by(labels, x.rows(), k);
  struct Segment {
    index label, first, count;
  };
  std::vector<Segment> segments;
  for (index j = 0; j < k; ++j)
    for (index at = by.begin[j]; at < by.begin[j + 1]; at += longest)
      segments.push_back({j, at, std::min(longest, by.begin[j + 1] - at)});
  // A cluster's first segment sums in place, the others into spare lines.
  std::vector<index> spare(segments.size(), -1);
  index spares = 0;
  for (std::size_t s = 1; s < segments.size(); ++s)
    if (segments[s].label == segments[s - 1].label) spare[s] = spares++;
  Buffer<double> extra(checked_product(spares, stride), 0.0);
  sums.fill(0);
  threads::parallel_blocks(static_cast<index>(segments.size()), n_threads, [&](index s, int) {
    const Segment& g = segments[s];
    double* line = spare[s] < 0 ? sums.data() + g.label * stride : extra.data() + spare[s] * stride;
    x.accumulate_listed(by.order.data() + g.first, g.count, weights, shift, line);
  });
  for (std::size_t s = 0; s < segments.size(); ++s) {
    if (spare[s] < 0) continue;
    double* line = sums.data() + segments[s].label * stride;
    for (index f = 0; f < stride; ++f) line[f] += extra[spare[s] * stride + f];
  }
}

}  // namespace coterie::kmeans
