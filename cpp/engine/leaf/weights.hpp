// dL/dW of a dense layer from tiles (nn_table.hpp), or what it changes in W at once:
//
//   weights_outer  dw(i, j) = sum_r x(i, r) d(r, j), d turned: outputs in lanes
//   weights_dot    the same from lines of d: rows in lanes, lanes added at the end
//
// Sums run over r in ascending order, as in dense.hpp: cutting inputs or outputs among threads
// changes no bit.
#pragma once
#include "dense.hpp"
#include "optimizer.hpp"

namespace coterie::COTERIE_ISA {

// Line i of the inputs, and where its row of dW goes; beyond them stands the input that is
// always 1.
template <class T>
COTERIE_INLINE const T* input_line(const nn::WeightsTask<T>& t, index i) {
  return i < t.inputs ? t.x + i * t.x_ld : t.ones;
}
template <class T>
COTERIE_INLINE T* output_row(const nn::WeightsTask<T>& t, index i) {
  return i < t.inputs ? t.dw + i * t.dw_ld : t.db;
}
template <class T>
COTERIE_INLINE index all_inputs(const nn::WeightsTask<T>& t) {
  return t.inputs + (t.ones != nullptr ? 1 : 0);
}

// Brings what update_block will want of row i while the products are formed.
template <class T>
COTERIE_INLINE void fetch_row(const nn::WeightsTask<T>& t, index i, index j, int v) {
  const nn::UpdateTask<T>& u = t.update[0];
  if (i >= t.inputs) return;
  for (index at = i * t.dw_ld + j; at < i * t.dw_ld + j + v * width<T>; at += kLine<T>) {
    __builtin_prefetch(u.w + at, 1);
    if (u.slot0) __builtin_prefetch(u.slot0 + at, 1);
    if (u.slot1) __builtin_prefetch(u.slot1 + at, 1);
  }
}

// The updates of an n x m block from its gradients.
template <class T>
COTERIE_INLINE void update_block(const nn::WeightsTask<T>& t, index i, index j, index n, index m,
                                 const T* sums) {
  const index weights = t.inputs - i < n ? t.inputs - i : n;
  const index size = t.outputs - j < m ? t.outputs - j : m;
  if (weights > 0) update_span<T>(t.update[0], {i * t.dw_ld + j, sums, weights, size, t.dw_ld, m});
  if (weights < n) update_span<T>(t.update[1], {j, sums + weights * m, 1, size, 0, m});
}

// Sums of a block whose weights Adam changes later, between the products of the next block: these
// leave the divider idle, and the time in which w, m and s come from memory.
template <class T>
struct Late {
  explicit Late(const nn::WeightsTask<T>& t)
      : possible(t.update && t.update->rule == nn::Rule::adam && plain(t.update[0])),
        adam(possible ? t.update[0] : nn::UpdateTask<T>{}),
        ld(t.dw_ld) {}
  bool possible;
  Adam<T> adam;
  index ld, from = 0, rows = 0;  // that wait
  alignas(64) T sums[NR * NV * width<T>];
};

template <class T, int V>
COTERIE_INLINE void late_row(const nn::UpdateTask<T>& u, const Late<T>& late, index n) {
  const Adam<T>* adam = &late.adam;
  asm("" : "+r"(adam));  // constants come from memory each time: sums fill the registers
  const index at = late.from + n * late.ld;
  T *const w = u.w + at, *const slot0 = u.slot0 + at, *const slot1 = u.slot1 + at;
  const T* g = late.sums + n * V * width<T>;
#pragma GCC unroll 8
  for (int k = 0; k < V * width<T>; k += width<T>) {
    Vec<T> m = load(slot0 + k), s = load(slot1 + k);
    const Vec<T> to = adam_step(*adam, load(g + k), load(w + k), m, s);
    store(w + k, to), store(slot0 + k, m), store(slot1 + k, s);
  }
}

template <class T, int V>
[[gnu::noinline]] void late_rows(const nn::WeightsTask<T>& t, Late<T>& late) {
  for (index n = 0; n < late.rows; ++n) late_row<T, V>(t.update[0], late, n);
  late.rows = 0;
}

template <class T, int N, int V>
[[gnu::noinline]] void outer_block(const nn::WeightsTask<T>& t, index i, index j, Late<T>& late) {
  constexpr index m = V * width<T>;
  Vec<T> acc[N][V] = {};
  const T* x[N];
  for (int n = 0; n < N; ++n) x[n] = input_line(t, i + n);
  const T* d = t.d + j;
  index r = 0;
#pragma GCC unroll 1
  for (int part = 0; part < N; ++part) {  // memory is asked for a little at a time
    if (t.update) fetch_row<T>(t, i + part, j, V);
    if (part < late.rows) late_row<T, V>(t.update[0], late, part);
    const index end = (part + 1) * t.rows / N;
#pragma GCC unroll 1
    for (; r < end; ++r, d += t.d_ld) {
      Vec<T> dv[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) dv[v] = load(d + v * width<T>);
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) {
        const Vec<T> xv = broadcast(x[n] + r);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[n][v] = madd(dv[v], xv, acc[n][v]);
      }
    }
  }
  const bool add = t.add, updates = t.update != nullptr;
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const index to = j + v * width<T>;
      if (add) acc[n][v] += load_first(output_row(t, i + n) + to, t.outputs - to);
      if (updates)
        store(late.sums + n * m + v * width<T>, acc[n][v]);
      else
        store_first<T>(output_row(t, i + n) + to, t.outputs - to, acc[n][v]);
    }
  const bool waits = late.possible && i + N <= t.inputs && j + m <= t.outputs;
  late.from = i * t.dw_ld + j, late.rows = waits ? N : 0;
  if (updates && !waits) update_block<T>(t, i, j, N, m, late.sums);
}

// Inputs at a time: more than 8 need more addresses than there are registers.
template <int V>
constexpr int most_inputs = most_columns<V> < 8 ? most_columns<V> : 8;

template <class T, int N, int V>
COTERIE_INLINE void outer_inputs(const nn::WeightsTask<T>& t, index i, index n, index j,
                                 Late<T>& late) {
  if constexpr (N == 1) {
    outer_block<T, 1, V>(t, i, j, late);
  } else {
    if (n > smaller(N)) return outer_block<T, N, V>(t, i, j, late);
    outer_inputs<T, smaller(N), V>(t, i, n, j, late);
  }
}

template <class T, int V>
COTERIE_INLINE void outer_rest(const nn::WeightsTask<T>& t, index j, Late<T>& late) {
  const index inputs = all_inputs(t);
  // A last block reaches into the padding where that takes fewer blocks.
  for (; t.outputs - j > (V > 1 ? (V / 2) * width<T> : 0); j += V * width<T>) {
    if (V > 1 && t.d_room - j < V * width<T>) break;
    for (index i = 0; i < inputs;) {
      const index n = at_most(int(block_size(inputs - i, most_inputs<V>)), most_inputs<V>);
      if (n < late.rows) late_rows<T, V>(t, late);
      outer_inputs<T, most_inputs<V>, V>(t, i, n, j, late);
      i += n;
    }
  }
  late_rows<T, V>(t, late);
  if constexpr (V > 1)
    if (j < t.outputs) outer_rest<T, V / 2>(t, j, late);
}

template <class T>
void weights_outer(const nn::WeightsTask<T>& t) {
  Late<T> late(t);
  outer_rest<T, NV>(t, 0, late);
}

constexpr int DI = NV;  // inputs at a time; NR outputs or fewer

template <class T, int J>
[[gnu::noinline]] void dot_block(const nn::WeightsTask<T>& t, index i, index j) {
  constexpr int w = width<T>, all = (DI * J + w - 1) / w * w;
  const index inputs = all_inputs(t) - i;
  const T *x[DI], *d = t.d + j * t.d_ld;
  for (int a = 0; a < DI; ++a) x[a] = input_line(t, a < inputs ? i + a : i);
  Vec<T> acc[all] = {};
#pragma GCC unroll 1
  for (index r = 0; r < t.rows; r += w, d += w) {
    Vec<T> xv[DI];
#pragma GCC unroll 8
    for (int a = 0; a < DI; ++a) xv[a] = load(x[a] + r);
#pragma GCC unroll 8
    for (int b = 0; b < J; ++b) {
      const Vec<T> dv = load(d + b * t.d_ld);
#pragma GCC unroll 8
      for (int a = 0; a < DI; ++a) acc[a * J + b] = madd(xv[a], dv, acc[a * J + b]);
    }
  }
  T sums[all];
#pragma GCC unroll 8
  for (int g = 0; g < all / w; ++g) {
    Vec<T> part[w];
#pragma GCC unroll 16
    for (int q = 0; q < w; ++q) part[q] = acc[g * w + q];
    store(sums + g * w, sum_lanes<T>(part));
  }
#pragma GCC unroll 8
  for (int a = 0; a < DI; ++a) {
    if (a >= inputs) break;
    T* to = output_row(t, i + a) + j;
#pragma GCC unroll 8
    for (int b = 0; b < J; ++b) to[b] = t.add ? to[b] + sums[a * J + b] : sums[a * J + b];
  }
}

template <class T, int J>
COTERIE_INLINE void dot_outputs(const nn::WeightsTask<T>& t, index i, index n, index j) {
  if constexpr (J == 1) {
    dot_block<T, 1>(t, i, j);
  } else {
    if (n == J) return dot_block<T, J>(t, i, j);
    dot_outputs<T, J - 1>(t, i, n, j);
  }
}

template <class T>
void weights_dot(const nn::WeightsTask<T>& t) {
  constexpr index near = 64;  // lines of d that stay in the caches next to the core
  for (index j0 = 0; j0 < t.outputs; j0 += near) {
    const index end = t.outputs - j0 < near ? t.outputs : j0 + near;
    for (index i = 0; i < all_inputs(t); i += DI)
      for (index j = j0; j < end;) {
        const index n = block_size(end - j, NR);
        dot_outputs<T, NR>(t, i, n, j);
        j += n;
      }
  }
}

}  // namespace coterie::COTERIE_ISA
