// What ends a tile of top-N: scores against thresholds, the few that reach them appended to lists.
#pragma once
#include "../top_n_table.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

constexpr unsigned kAllLanes = (1ull << width<float>)-1;

// acc[j][i]: products of query j with the items of lane vector i. What an item's bias makes of one.
template <bool biased>
COTERIE_INLINE Vec<float> with_bias(const Vec<float> (&acc)[NV], int i, const float* bias) {
  if constexpr (biased) return acc[i] + load(bias + i * width<float>);
  return acc[i];
}

// The best of each lane.
template <bool biased = false>
COTERIE_INLINE Vec<float> best_lanes(const Vec<float> (&acc)[NV], const float* bias = nullptr) {
  Vec<float> best = with_bias<biased>(acc, 0, bias);
#pragma GCC unroll 8
  for (int i = 1; i < NV; ++i) best = higher(best, with_bias<biased>(acc, i, bias));
  return best;
}

// One bit a query: is one of its scores at the threshold?
template <bool biased = false>
COTERIE_INLINE unsigned reaching(const Acc<float>& acc, const float* thresholds,
                                 const float* bias = nullptr) {
  unsigned hits = 0;
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    const Vec<float> best = best_lanes<biased>(acc[j], bias);
    hits |= unsigned(not_at_least(best, broadcast(thresholds + j)) != kAllLanes) << j;
  }
  return hits;
}

// The best of each lane, kept over panels: `width` values a query.
template <bool biased = false>
COTERIE_INLINE void raise_peaks(const Acc<float>& acc, float* peaks, const float* bias = nullptr) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    float* at = peaks + j * width<float>;
    store(at, higher(load(at), best_lanes<biased>(acc[j], bias)));
  }
}

// The same for the items' own thresholds and the queries' biases: one bit a lane vector.
COTERIE_INLINE unsigned reaching_lanes_of(const Acc<float>& acc, const float* thresholds,
                                          const float* bias) {
  unsigned hits = 0;
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) {
    Vec<float> best = acc[0][i] + broadcast(bias);
#pragma GCC unroll 16
    for (int j = 1; j < NR; ++j) best = higher(best, acc[j][i] + broadcast(bias + j));
    hits |= unsigned(not_at_least(best, load(thresholds + i * width<float>)) != kAllLanes) << i;
  }
  return hits;
}

// Out of registers: whatever reads single lanes works on this copy.
struct Spilled {
  float score[NR][MR<float>];
};
COTERIE_INLINE void spill(const Acc<float>& acc, Spilled& to) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) store(to.score[j] + i * width<float>, acc[j][i]);
}

// One bit a lane of a panel: does its score reach the threshold?
COTERIE_INLINE std::uint64_t reaching_lanes(const float* scores, Vec<float> threshold) {
  std::uint64_t bits = 0;
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) {
    const unsigned below = not_at_least(load(scores + i * width<float>), threshold);
    bits |= std::uint64_t(kAllLanes & ~below) << (i * width<float>);
  }
  return bits;
}

// The lanes of a panel that hold an item.
COTERIE_INLINE std::uint64_t lanes_of(index n_items) {
  static_assert(MR<float> <= 64);
  return ~0ull >> (64 - n_items);
}

// Appends one query's scores in `lanes` that reach its threshold. All lanes in one loop, which
// nearly always turns once.
COTERIE_INLINE void collect_query(const float* scores, const CandidateLists& to, index j,
                                  std::uint64_t lanes, std::uint32_t first) {
  std::int32_t count = to.counts[j];
  Candidate* list = to.lists + j * to.capacity;
  for (lanes &= reaching_lanes(scores, broadcast(to.thresholds + j)); lanes != 0;
       lanes &= lanes - 1) {
    const int lane = __builtin_ctzll(lanes);
    list[count++] = {scores[lane], first + std::uint32_t(lane)};
  }
  to.counts[j] = count;
}

// Appends what reaches the thresholds of queries j0 + j, j a bit of `hits`, among the task's items.
template <class Task>
[[gnu::noinline]] void collect(const Task& t, const Spilled& tile, index j0, unsigned hits) {
  for (; hits != 0; hits &= hits - 1) {
    const int j = __builtin_ctz(hits);
    collect_query(tile.score[j], t.of_queries, j0 + j, lanes_of(t.n_items), t.first);
  }
}

// The same of products: of_item(j, at) makes scores of those of query j from lane `at` on.
template <class Task, class OfItem>
COTERIE_INLINE void collect_with(const Task& t, const Spilled& tile, index j0, unsigned hits,
                                 const OfItem& of_item) {
  for (; hits != 0; hits &= hits - 1) {
    const int j = __builtin_ctz(hits);
    float line[MR<float>];
    for (int at = 0; at < MR<float>; at += width<float>)
      store(line + at, load(tile.score[j] + at) + of_item(j0 + j, at));
    collect_query(line, t.of_queries, j0 + j, lanes_of(t.n_items), t.first);
  }
}

// The queries of a tile into the lists of the items in lane vectors `hits`.
template <class Task, class OfQuery>
COTERIE_INLINE void collect_lanes_with(const Task& t, const Spilled& tile, index j0, unsigned hits,
                                       const OfQuery& of_query) {
  constexpr int w = width<float>;
  const CandidateLists& to = t.of_items;
  const index n = t.n_queries - j0 < NR ? t.n_queries - j0 : NR;
  for (; hits != 0; hits &= hits - 1) {
    const index at = __builtin_ctz(hits) * w;
    const Vec<float> thresholds = load(to.thresholds + at);
    // Lanes of several queries in one loop, which nearly always turns once.
    constexpr int together = 64 / w < NR ? 64 / w : NR;
    for (int first = 0; first < NR; first += together) {
      float scores[together * w];
      std::uint64_t bits = 0;
      for (int k = 0; k < together && first + k < n; ++k) {
        const Vec<float> s = load(tile.score[first + k] + at) + of_query(j0 + first + k, at);
        store(scores + k * w, s);
        bits |= std::uint64_t(kAllLanes & ~not_at_least(s, thresholds)) << (k * w);
      }
      for (; bits != 0; bits &= bits - 1) {
        const int which = __builtin_ctzll(bits);
        const index item = at + which % w;
        const auto query = static_cast<std::uint32_t>(j0 + first + which / w);
        to.lists[item * to.capacity + to.counts[item]++] = {scores[which], t.first_query + query};
      }
    }
  }
}

}  // namespace coterie::COTERIE_ISA
