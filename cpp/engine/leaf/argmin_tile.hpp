// Argmin on the tile engine: rows in lanes, columns broadcast, any depth.
//
//   for each panel of MR rows (packed here, hot in cache):      <- reduce_rows
//     for each panel of NR columns: tile, then offer NR scores to the rows' best
//
// Tiles start at the columns' bias, so the finished sums are scores. Depth beyond KC accumulates in a
// scratch tile per column panel, and the epilogue runs on its last block.
#pragma once
#include "argmin.hpp"
#include "pack.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

constexpr index kTileGroup = kGroup / NR * NR;  // columns that share a tag space: whole tiles

// Scratch: the row panel, and for the deep case a group of partial tiles.
template <class T>
constexpr index tile_scratch(index depth) {
  return MR<T> * depth + (depth > KC<T> ? MR<T> * kTileGroup : 0);
}

// `tag`: the tile's first column within its group.
template <class T>
COTERIE_INLINE void offer_tile(const Acc<T>& acc, index tag, GroupBest<T> (&best)[NV]) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    const VecInt<T> c = broadcast(tags(T{}) + tag + j);
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) offer_tagged(best[i], acc[j][i], c);
  }
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
COTERIE_INLINE Ahead next_panel(const ArgminTask<T>& t, index r) {
  const index first = r * t.ld, wanted = t.readable - first < MR<T> * t.ld ? t.readable - first : MR<T> * t.ld;
  if (wanted <= 0 || t.ld > 2 * t.depth) return {nullptr, nullptr, 0};
  const char* at = reinterpret_cast<const char*>(t.x + first);
  const index bytes = wanted * index(sizeof(T)), tiles = (t.n_columns + NR - 1) / NR;
  return {at, at + bytes, bytes / 64 / tiles + 1};
}

// One group of columns, [j0, j1), against a row panel.
template <class T>
COTERIE_INLINE void group_whole(const ArgminTask<T>& t, const T* panel, index j0, index j1, Ahead& ahead,
                                GroupBest<T> (&best)[NV]) {
  for (index j = j0; j < j1; j += NR) {
    ahead.step();
    Acc<T> acc;
    start_at_bias(t.bias + j, acc);
    tile<T>(panel, PanelColumns<T>{t.columns + j * t.depth}, t.depth, acc);
    offer_tile<T>(acc, j - j0, best);
  }
}

// The same for depth beyond KC: block by block, the group's partial tiles waiting in `partial`.
template <class T>
void group_deep(const ArgminTask<T>& t, const T* panel, index j0, index j1, T* partial,
                GroupBest<T> (&best)[NV]) {
  for (index p = 0; p < t.depth; p += KC<T>) {
    const index depth = t.depth - p < KC<T> ? t.depth - p : KC<T>;
    T* at = partial;
    for (index j = j0; j < j1; j += NR, at += NR * MR<T>) {
      Acc<T> acc;
      if (p == 0) start_at_bias(t.bias + j, acc);
      else
        for (int q = 0; q < NR; ++q)
          for (int i = 0; i < NV; ++i) acc[q][i] = load(at + (q * NV + i) * width<T>);
      tile<T>(panel + p * MR<T>, PanelColumns<T>{t.columns + j * t.depth + p * NR}, depth, acc);
      if (p + depth == t.depth) offer_tile<T>(acc, j - j0, best);
      else
        for (int q = 0; q < NR; ++q)
          for (int i = 0; i < NV; ++i) store(at + (q * NV + i) * width<T>, acc[q][i]);
    }
  }
}

template <class T>
std::int64_t argmin_tile(const ArgminTask<T>& t) {
  T* panel = t.scratch;
  index listed = 0;
  for (index r0 = 0; r0 < t.rows; r0 += MR<T>) {
    T sq_norms[MR<T>];
    pack_lanes<T>(t.x + r0 * t.ld, t.ld, t.rows - r0, t.depth, t.readable - r0 * t.ld, t.shift,
                  panel, sq_norms);
    Best<T> best[NV];
    for (int i = 0; i < NV; ++i) best[i] = no_best<T>();
    Ahead ahead = next_panel(t, r0 + MR<T>);
    for (index j0 = 0; j0 < t.n_columns; j0 += kTileGroup) {
      const index j1 = j0 + kTileGroup < t.n_columns ? j0 + kTileGroup : t.n_columns;
      GroupBest<T> group[NV];
      for (int i = 0; i < NV; ++i) group[i] = {splat(huge<T>), splat(huge<T>)};
      if (t.depth <= KC<T>) group_whole<T>(t, panel, j0, j1, ahead, group);
      else group_deep<T>(t, panel, j0, j1, panel + MR<T> * t.depth, group);
      for (int i = 0; i < NV; ++i) merge_group(best[i], group[i], j0);
    }
    for (int i = 0; i < NV && r0 + i * width<T> < t.rows; ++i)
      listed = decide(t, best[i], load(sq_norms + i * width<T>), r0 + i * width<T>, listed);
  }
  return listed;
}

}  // namespace coterie::COTERIE_ISA
