// What this CPU can do at best, for the benches: multiply-adds in registers, and the tile loop alone.
#pragma once
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
COTERIE_INLINE T total(const Acc<T>& acc) {
  T sum = T(0);
  for (int j = 0; j < NR; ++j)
    for (int i = 0; i < NV; ++i)
      for (int l = 0; l < width<T>; ++l) sum += acc[j][i][l];
  return sum;
}

// `loops` times NR * NV independent multiply-adds: 2 * NR * MR floating point operations each.
// start: NR * NV different values, or the compiler would keep one chain for all.
template <class T>
T gauge_fma(index loops, const T* start) {
  Acc<T> acc;
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) acc[j][i] = broadcast(start + j * NV + i);
  const Vec<T> a = broadcast(start), b = broadcast(start + 1);
#pragma GCC unroll 1
  for (index n = 0; n < loops; ++n) {
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = madd(acc[j][i], a, b);
  }
  return total<T>(acc);
}

// `loops` tiles of the given depth on the same two panels: 2 * depth * NR * MR operations each.
template <class T>
T gauge_tile(index loops, const T* x, const T* y, index depth) {
  T sum = T(0);
  for (index n = 0; n < loops; ++n) {
    Acc<T> acc;
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = Vec<T>{};
    tile<T>(x, PanelColumns<T>{y}, depth, acc);
    Vec<T> some = acc[0][0];
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) some = higher(some, acc[j][i]);  // every sum is needed
    sum += some[0];
  }
  return sum;
}

}  // namespace coterie::COTERIE_ISA
