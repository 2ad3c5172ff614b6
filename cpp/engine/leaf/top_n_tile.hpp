// Top-N as an epilogue of the tile product: items in lanes, queries broadcast.
#pragma once
#include "collect.hpp"
#include "reduce_rows.hpp"

namespace coterie::COTERIE_ISA {

// both: the queries are items, too, and their lists get what is found the other way round.
template <bool both, bool biased>
struct TopNEpilogue {
  const TopNTask& task;

  COTERIE_INLINE void tile(index j0, const Acc<float>& acc) {
    const unsigned queries =
        reaching<biased>(acc, task.of_queries.thresholds + j0, task.item_bias);
    unsigned items = 0;
    if constexpr (both)
      items = reaching_lanes_of(acc, task.of_items.thresholds, task.query_bias + j0);
    if (__builtin_expect((queries | items) != 0, 0)) {
      Spilled spilled;
      spill(acc, spilled);
      found(spilled, j0, queries, items);
    }
  }

  [[gnu::noinline]] void found(const Spilled& products, index j0, unsigned queries,
                               unsigned items) {
    if constexpr (!biased) return collect(task, products, j0, queries);
    collect_with(task, products, j0, queries,
                 [&](index, index at) { return load(task.item_bias + at); });
    if constexpr (both)
      collect_lanes_with(task, products, j0, items,
                         [&](index j, index) { return broadcast(task.query_bias + j); });
  }
};

template <bool biased>
struct PeaksEpilogue {
  const TopNTask& task;
  float* peaks;
  COTERIE_INLINE void tile(index j0, const Acc<float>& acc) {
    raise_peaks<biased>(acc, peaks + j0 * width<float>, task.item_bias);
  }
};

template <class Epilogue>
COTERIE_INLINE void panel_through(const TopNTask& t, Epilogue& epilogue) {
  RowsTask<float> rows{};
  rows.depth = t.depth;
  rows.columns = t.queries;
  rows.bias = t.zeros;
  rows.n_columns = t.n_queries;
  if (t.depth <= KC<float>)
    panel_whole<float>(rows, t.items, Ahead{nullptr, nullptr, 0}, epilogue);
  else
    panel_deep<float>(rows, t.items, t.scratch, epilogue);
}

template <bool both>
void top_n_panel(const TopNTask& t) {
  TopNEpilogue<both, both> plain{t};
  TopNEpilogue<both, true> biased{t};
  if (!both && t.item_bias == nullptr) panel_through(t, plain);
  else panel_through(t, biased);
}

inline void top_n_peaks(const TopNTask& t, float* peaks) {
  PeaksEpilogue<false> plain{t, peaks};
  PeaksEpilogue<true> biased{t, peaks};
  if (t.item_bias == nullptr) panel_through(t, plain);
  else panel_through(t, biased);
}

}  // namespace coterie::COTERIE_ISA
