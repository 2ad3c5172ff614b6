// What ends a tile of top-N: scores against thresholds, the few that reach them appended to lists.
#pragma once
#include "../top_n_table.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

constexpr unsigned kAllLanes = (1ull << width<float>)-1;

// acc[j][i]: scores of query j with the items of lane vector i. The best of each lane.
COTERIE_INLINE Vec<float> best_lanes(const Vec<float> (&acc)[NV]) {
  Vec<float> best = acc[0];
#pragma GCC unroll 8
  for (int i = 1; i < NV; ++i) best = higher(best, acc[i]);
  return best;
}

// One bit a query: is one of its scores at the threshold?
COTERIE_INLINE unsigned reaching(const Acc<float>& acc, const float* thresholds) {
  unsigned hits = 0;
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j)
    hits |= unsigned(not_at_least(best_lanes(acc[j]), broadcast(thresholds + j)) != kAllLanes) << j;
  return hits;
}

// The best of each lane, kept over panels: `width` values a query.
COTERIE_INLINE void raise_peaks(const Acc<float>& acc, float* peaks) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    float* at = peaks + j * width<float>;
    store(at, higher(load(at), best_lanes(acc[j])));
  }
}

// The same for the items' own thresholds: one bit a lane vector.
COTERIE_INLINE unsigned reaching_lanes_of(const Acc<float>& acc, const float* thresholds) {
  unsigned hits = 0;
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) {
    Vec<float> best = acc[0][i];
#pragma GCC unroll 16
    for (int j = 1; j < NR; ++j) best = higher(best, acc[j][i]);
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

// Appends what reaches the thresholds of queries j0 + j, j a bit of `hits`, among `n_items` items
// from `first` on.
[[gnu::noinline]] inline void collect(const Spilled& tile, const CandidateLists& to, index j0,
                                      unsigned hits, std::uint32_t first, index n_items) {
  for (; hits != 0; hits &= hits - 1) {
    const int j = __builtin_ctz(hits);
    collect_query(tile.score[j], to, j0 + j, lanes_of(n_items), first);
  }
}

// Appends queries [first_query, first_query + n) to the lists of the items in lane vectors `hits`.
[[gnu::noinline]] inline void collect_lanes(const Spilled& tile, const CandidateLists& to, index n,
                                            unsigned hits, std::uint32_t first_query,
                                            index n_items) {
  for (; hits != 0; hits &= hits - 1) {
    const index at = __builtin_ctz(hits) * width<float>;
    const Vec<float> thresholds = load(to.thresholds + at);
    for (index j = 0; j < n; ++j) {
      unsigned bits = kAllLanes & ~not_at_least(load(tile.score[j] + at), thresholds);
      for (; bits != 0; bits &= bits - 1) {
        const index lane = at + __builtin_ctz(bits);
        if (lane >= n_items) break;
        to.lists[lane * to.capacity + to.counts[lane]++] = {tile.score[j][lane],
                                                            first_query + std::uint32_t(j)};
      }
    }
  }
}

}  // namespace coterie::COTERIE_ISA
