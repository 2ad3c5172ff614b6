// acc(NR, MR) += x(depth, MR)^T y(depth, NR): the product of two panels over their whole depth.
//
//   x   lanes panel, depth x MR, packed and padded (pack.hpp)
//   y   broadcast operand; element (p, j) at y[p * depth_step + j * column_step]: (NR, 1) for a packed
//       panel, (1, ld) for NR rows of a C-ordered matrix read where they lie
//   acc N x NV vectors (N = NR unless a caller wants fewer), which must live in registers: callers keep it
//       local and loop over constants
//
// No edges: a caller pads (panels) or repeats a row (direct), and masks at its own store.
#pragma once
#include "blocking.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
using Acc = Vec<T>[NR][NV];

// N columns interleaved, as by pack_columns.
template <class T, int N = NR>
struct PanelColumns {
  const T* data;
  COTERIE_INLINE const T* at(index p, int j) const { return data + p * N + j; }
};

// NR rows of a C-ordered matrix, read in place.
template <class T>
struct DirectRows {
  const T* row[NR];
  COTERIE_INLINE const T* at(index p, int j) const { return row[j] + p; }
};

template <class T, int N, class Columns>
COTERIE_INLINE void tile(const T* __restrict x, Columns y, index depth, Vec<T> (&acc)[N][NV]) {
#pragma GCC unroll 1
  for (index p = 0; p < depth; ++p) {
    Vec<T> xv[NV];
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) xv[i] = load(x + p * MR<T> + i * width<T>);
#pragma GCC unroll 16
    for (int j = 0; j < N; ++j) {
      const Vec<T> yv = broadcast(y.at(p, j));
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = madd(xv[i], yv, acc[j][i]);
    }
  }
}

// State that waits in memory while a tile computes: the registers belong to the sums. Without this the
// compiler keeps the state and spills sums in the inner loop (bench: argmin, 72 % instead of 95 %).
template <class State>
COTERIE_INLINE void leave_registers(State& state) {
  asm volatile("" : "+m"(state));
}

}  // namespace coterie::COTERIE_ISA
