// The loop nest `reduce_rows`: a block of rows against all columns, every tile handed to an epilogue.
//
//   for each panel of MR rows (packed here, shifted, hot in cache):   epilogue.begin(row0, sq_norms)
//     for each panel of NR columns: the tile over the whole depth     epilogue.tile(column0, acc)
//                                                                      epilogue.end(row0, rows)
//
// Tiles start at the columns' bias, so an epilogue sees finished sums, bias + <x - shift, y>, and nothing of
// size rows x columns exists. Depth beyond KC accumulates in scratch, a stripe of column panels at a time.
// An epilogue is a struct with these three hooks; columns come in ascending order.
#pragma once
#include "../table.hpp"
#include "pack.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

constexpr index kStripe = 8;  // column panels whose partial tiles wait in scratch while the depth advances

// Elements of scratch: the row panel, and for the deep case a stripe of partial tiles.
template <class T>
constexpr index tile_scratch(index depth) {
  return MR<T> * depth + (depth > KC<T> ? MR<T> * NR * kStripe : 0);
}

template <class T>
COTERIE_INLINE void start_at_bias(const T* bias, Acc<T>& acc) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    const Vec<T> b = broadcast(bias + j);
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) acc[j][i] = b;
  }
}

// The rows of the next panel, fetched a few lines a tile while this panel computes: packing then finds
// them in cache. (bench: tile, 500,000 x 16: 12 %.)
struct Ahead {
  const char *at, *end;
  index lines;  // a tile
  COTERIE_INLINE void step() {
    for (index i = 0; i < lines && at < end; ++i, at += 64) __builtin_prefetch(at);
  }
};

template <class T>
COTERIE_INLINE Ahead next_panel(const RowsTask<T>& t, index r) {
  const index first = r * t.ld, panel = MR<T> * t.ld;
  const index wanted = t.readable - first < panel ? t.readable - first : panel;
  if (wanted <= 0 || t.ld > 2 * t.depth) return {nullptr, nullptr, 0};
  const char* at = reinterpret_cast<const char*>(t.x + first);
  const index bytes = wanted * index(sizeof(T)), tiles = (t.n_columns + NR - 1) / NR;
  return {at, at + bytes, bytes / 64 / tiles + 1};
}

template <class T, class Epilogue>
COTERIE_INLINE void panel_whole(const RowsTask<T>& t, const T* panel, Ahead ahead, Epilogue& epilogue) {
  for (index j = 0; j < t.n_columns; j += NR) {
    ahead.step();
    Acc<T> acc;
    start_at_bias(t.bias + j, acc);
    leave_registers(epilogue);
    tile<T>(panel, PanelColumns<T>{t.columns + j * t.depth}, t.depth, acc);
    leave_registers(epilogue);
    epilogue.tile(j, acc);
  }
}

template <class T, class Epilogue>
COTERIE_INLINE void panel_deep(const RowsTask<T>& t, const T* panel, T* partial, Epilogue& epilogue) {
  for (index j0 = 0; j0 < t.n_columns; j0 += kStripe * NR) {
    const index j1 = j0 + kStripe * NR < t.n_columns ? j0 + kStripe * NR : t.n_columns;
    for (index p = 0; p < t.depth; p += KC<T>) {
      const index depth = t.depth - p < KC<T> ? t.depth - p : KC<T>;
      T* at = partial;
      for (index j = j0; j < j1; j += NR, at += NR * MR<T>) {
        Acc<T> acc;
        if (p == 0) start_at_bias(t.bias + j, acc);
        else
          for (int q = 0; q < NR; ++q)
            for (int i = 0; i < NV; ++i) acc[q][i] = load(at + (q * NV + i) * width<T>);
        leave_registers(epilogue);
        tile<T>(panel + p * MR<T>, PanelColumns<T>{t.columns + j * t.depth + p * NR}, depth, acc);
        leave_registers(epilogue);
        if (p + depth == t.depth) epilogue.tile(j, acc);
        else
          for (int q = 0; q < NR; ++q)
            for (int i = 0; i < NV; ++i) store(at + (q * NV + i) * width<T>, acc[q][i]);
      }
    }
  }
}

template <class T, class Epilogue>
COTERIE_INLINE void reduce_rows(const RowsTask<T>& t, Epilogue& epilogue) {
  T* panel = t.scratch;
  for (index r0 = 0; r0 < t.rows; r0 += MR<T>) {
    T sq_norms[MR<T>];
    pack_lanes<T>(t.x + r0 * t.ld, t.ld, t.rows - r0, t.depth, t.readable - r0 * t.ld, t.shift, panel,
                  sq_norms);
    epilogue.begin(r0, sq_norms);
    if (t.depth <= KC<T>) panel_whole<T>(t, panel, next_panel(t, r0 + MR<T>), epilogue);
    else panel_deep<T>(t, panel, panel + MR<T> * t.depth, epilogue);
    epilogue.end(r0, t.rows - r0 < MR<T> ? t.rows - r0 : MR<T>);
  }
}

}  // namespace coterie::COTERIE_ISA
