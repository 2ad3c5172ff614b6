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

constexpr index kStripe = 16;  // column panels whose partial tiles are kept while the depth advances

// Scratch: the row panel, and a stripe of partial tiles for the deep case.
template <class T>
constexpr index tile_scratch(index depth) {
  return MR<T> * depth + (depth > KC<T> ? kStripe * MR<T> * NR : 0);
}

template <class T>
COTERIE_INLINE void offer_tile(const Acc<T>& acc, index column, Best<T> (&best)[NV]) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    const VecInt<T> c = splat(Int<T>(column + j));
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) offer(best[i], acc[j][i], c);
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

template <class T>
COTERIE_INLINE void panel_whole(const ArgminTask<T>& t, const T* panel, Best<T> (&best)[NV]) {
  for (index j = 0; j < t.n_columns; j += NR) {
    Acc<T> acc;
    start_at_bias(t.bias + j, acc);
    tile<T>(panel, PanelColumns<T>{t.columns + j * t.depth}, t.depth, acc);
    offer_tile<T>(acc, j, best);
  }
}

template <class T>
void panel_deep(const ArgminTask<T>& t, const T* panel, T* partial, Best<T> (&best)[NV]) {
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
        tile<T>(panel + p * MR<T>, PanelColumns<T>{t.columns + j * t.depth + p * NR}, depth, acc);
        if (p + depth == t.depth) offer_tile<T>(acc, j, best);
        else
          for (int q = 0; q < NR; ++q)
            for (int i = 0; i < NV; ++i) store(at + (q * NV + i) * width<T>, acc[q][i]);
      }
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
    if (t.depth <= KC<T>) panel_whole<T>(t, panel, best);
    else panel_deep<T>(t, panel, panel + MR<T> * t.depth, best);
    for (int i = 0; i < NV && r0 + i * width<T> < t.rows; ++i)
      listed = decide(t, best[i], load(sq_norms + i * width<T>), r0 + i * width<T>, listed);
  }
  return listed;
}

}  // namespace coterie::COTERIE_ISA
