// Plain product: out(rows, columns) = x(rows, depth) y(depth, columns), nothing fused.
//
// Columns of y stand in lanes (panels packed once, kept by the caller), rows of x are broadcast from
// where they lie: nothing of x is packed, and out is written in whole vectors along its rows. Depth
// advances in blocks that keep a panel in the L1 cache; partial sums wait in out.
#pragma once
#include "../table.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
constexpr index KS = COTERIE_L1_BYTES / (MR<T> * index(sizeof(T)));

// One row of a tile, `columns` < MR of it valid, between out and registers.
template <class T>
COTERIE_INLINE void load_edge(const T* out, index columns, Vec<T> (&acc)[NV]) {
  T row[MR<T>] = {};
  for (index c = 0; c < columns; ++c) row[c] = out[c];
  for (int i = 0; i < NV; ++i) acc[i] = load(row + i * width<T>);
}
template <class T>
COTERIE_INLINE void store_edge(T* out, index columns, const Vec<T> (&acc)[NV]) {
  T row[MR<T>];
  for (int i = 0; i < NV; ++i) store(row + i * width<T>, acc[i]);
  for (index c = 0; c < columns; ++c) out[c] = row[c];
}

template <class T>
COTERIE_INLINE void store_tile(const StoreTask<T>& t, const T* panel, index r0, index c0, index p0,
                               index depth) {
  const index rows = t.rows - r0 < NR ? t.rows - r0 : NR;
  const index columns = t.columns - c0;
  T* out = t.out + r0 * t.out_ld + c0;
  DirectRows<T> x;
  for (int j = 0; j < NR; ++j) x.row[j] = t.x + (r0 + (j < rows ? j : 0)) * t.ld + p0;
  Acc<T> acc;
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) acc[j][i] = Vec<T>{};
  tile<T>(panel, x, depth, acc);
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    if (j >= rows) break;
    T* row = out + j * t.out_ld;
    if (columns >= MR<T>) {
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) {
        if (p0 > 0) acc[j][i] += load(row + i * width<T>);
        store(row + i * width<T>, acc[j][i]);
      }
    } else {
      Vec<T> before[NV] = {};
      if (p0 > 0) load_edge<T>(row, columns, before);
      for (int i = 0; i < NV; ++i) before[i] += acc[j][i];
      store_edge<T>(row, columns, before);
    }
  }
}

template <class T>
void store_product(const StoreTask<T>& t) {
  for (index p = 0; p < t.depth; p += KS<T>) {
    const index depth = t.depth - p < KS<T> ? t.depth - p : KS<T>;
    const auto at = [&](index r, index c) __attribute__((always_inline)) {
      store_tile<T>(t, t.y + c * t.depth + p * MR<T>, r, c, p, depth);
    };
    if (t.columns * depth * index(sizeof(T)) <= COTERIE_L1_BYTES) {
      for (index r = 0; r < t.rows; r += NR)
        for (index c = 0; c < t.columns; c += MR<T>) at(r, c);
    } else {
      for (index c = 0; c < t.columns; c += MR<T>)
        for (index r = 0; r < t.rows; r += NR) at(r, c);
    }
  }
}

// A few rows against an y that lies where it lies: each line of y is read once, kFewDepth lines at a
// time, and out, which stays in cache, takes the sums.
constexpr int kFewDepth = 4;

template <class T, int depth>
COTERIE_INLINE void few_lines(const StoreFewTask<T>& t, index p) {
  constexpr int w = width<T>;
  for (index r = 0; r < t.rows; ++r) {
    const T* x = t.x + r * t.ld + p;
    T* out = t.out + r * t.out_ld;
    Vec<T> xv[depth];
    for (int q = 0; q < depth; ++q) xv[q] = broadcast(x + q);
    index c = 0;
    for (; c + w <= t.columns; c += w) {
      Vec<T> sum = p == 0 ? Vec<T>{} : load(out + c);
#pragma GCC unroll 4
      for (int q = 0; q < depth; ++q) sum = madd(xv[q], load(t.y + (p + q) * t.y_ld + c), sum);
      store(out + c, sum);
    }
    for (; c < t.columns; ++c) {
      T sum = p == 0 ? T(0) : out[c];
      for (int q = 0; q < depth; ++q) sum += x[q] * t.y[(p + q) * t.y_ld + c];
      out[c] = sum;
    }
  }
}

template <class T>
void store_few(const StoreFewTask<T>& t) {
  index p = 0;
  for (; p + kFewDepth <= t.depth; p += kFewDepth) few_lines<T, kFewDepth>(t, p);
  for (; p < t.depth; ++p) few_lines<T, 1>(t, p);
}

}  // namespace coterie::COTERIE_ISA
