// Top-N as an epilogue of the tile product: items in lanes, queries broadcast.
#pragma once
#include "collect.hpp"
#include "reduce_rows.hpp"

namespace coterie::COTERIE_ISA {

template <bool both>
struct TopNEpilogue {
  const TopNTask& task;

  COTERIE_INLINE void tile(index j0, const Acc<float>& acc) {
    const unsigned queries = reaching(acc, task.of_queries.thresholds + j0);
    unsigned items = 0;
    if constexpr (both) items = reaching_lanes_of(acc, task.of_items.thresholds);
    if (__builtin_expect((queries | items) != 0, 0)) {
      Spilled spilled;
      spill(acc, spilled);
      if (queries != 0) collect(spilled, task.of_queries, j0, queries, task.first, task.n_items);
      if constexpr (both)
        if (items != 0)
          collect_lanes(spilled, task.of_items, task.n_queries - j0 < NR ? task.n_queries - j0 : NR,
                        items, task.first_query + std::uint32_t(j0), task.n_items);
    }
  }
};

struct PeaksEpilogue {
  float* peaks;
  COTERIE_INLINE void tile(index j0, const Acc<float>& acc) {
    raise_peaks(acc, peaks + j0 * width<float>);
  }
};

template <class Epilogue>
COTERIE_INLINE void panel_through(const TopNTask& t, Epilogue& epilogue) {
  RowsTask<float> rows{};
  rows.depth = t.depth;
  rows.columns = t.queries;
  rows.bias = t.bias;
  rows.n_columns = t.n_queries;
  if (t.depth <= KC<float>)
    panel_whole<float>(rows, t.items, Ahead{nullptr, nullptr, 0}, epilogue);
  else
    panel_deep<float>(rows, t.items, t.scratch, epilogue);
}

template <bool both>
void top_n_panel(const TopNTask& t) {
  TopNEpilogue<both> epilogue{t};
  panel_through(t, epilogue);
}

inline void top_n_peaks(const TopNTask& t, float* peaks) {
  PeaksEpilogue epilogue{peaks};
  panel_through(t, epilogue);
}

}  // namespace coterie::COTERIE_ISA
