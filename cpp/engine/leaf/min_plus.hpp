// A product in (min, +): out(r, c) = min(out(r, c), min_p x(r, p) + y(p, c)), panels as for
// `store`.
//
// Sums of two numbers and minima round alike everywhere: the same bits on every ISA. No NaN.
#pragma once
#include "../table.hpp"
#include "store.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
COTERIE_INLINE void min_plus_tile(const StoreTask<T>& t, const T* panel, index r0, index c0,
                                  index p0, index depth) {
  const index rows = t.rows - r0 < NR ? t.rows - r0 : NR;
  const index columns = t.columns - c0;
  T* out = t.out + r0 * t.out_ld + c0;
  DirectRows<T> x;
  for (int j = 0; j < NR; ++j) x.row[j] = t.x + (r0 + (j < rows ? j : 0)) * t.ld + p0;
  Acc<T> acc;
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    const T* row = out + (j < rows ? j : 0) * t.out_ld;
    if (columns >= MR<T>) {
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = load(row + i * width<T>);
    } else {
      load_edge<T>(row, columns, acc[j]);
    }
  }
#pragma GCC unroll 1
  for (index p = 0; p < depth; ++p) {
    Vec<T> yv[NV];
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) yv[i] = load(panel + p * MR<T> + i * width<T>);
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) {
      const Vec<T> xv = broadcast(x.at(p, j));
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = lower(xv + yv[i], acc[j][i]);
    }
  }
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    if (j >= rows) break;
    if (columns >= MR<T>) {
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) store(out + j * t.out_ld + i * width<T>, acc[j][i]);
    } else {
      store_edge<T>(out + j * t.out_ld, columns, acc[j]);
    }
  }
}

template <class T>
void min_plus(const StoreTask<T>& t) {
  for (index p = 0; p < t.depth; p += KS<T>) {
    const index depth = t.depth - p < KS<T> ? t.depth - p : KS<T>;
    for (index c = 0; c < t.columns; c += MR<T>)
      for (index r = 0; r < t.rows; r += NR)
        min_plus_tile<T>(t, t.y + c * t.depth + p * MR<T>, r, c, p, depth);
  }
}

}  // namespace coterie::COTERIE_ISA
