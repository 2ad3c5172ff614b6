// Products of a dense layer on tiles (nn_table.hpp): rows in lanes, weights broadcast in place.
//
//   dense          out(j, r) = finish(bias_j + sum_p w(p, j) x(p, r)); of w turned it is dL/dx
//   weights_outer  dw(i, j) = sum_r x(i, r) d(r, j), d turned: outputs in lanes
//   weights_dot    the same from lines of d: rows in lanes, lanes added at the end
//
// Every sum runs over p or r in ascending order, whatever the shape of a register block, so that
// cutting lanes, columns or inputs among threads changes no bit. A block is N x V vectors, N V <=
// NR NV.
#pragma once
#include "activation.hpp"
#include "optimizer.hpp"
#include "turn.hpp"

namespace coterie::COTERIE_ISA {

template <int V>
constexpr int most_columns = NV * NR / V;

// Depth whose lines, V vectors each, fill the L1 cache: shorter blocks load and store their sums
// too often, longer ones read the lines from the L2 cache for every block of columns.
template <class T>
constexpr index kDenseDepth = COTERIE_L1_BYTES / (MR<T> * index(sizeof(T))) + 1;

// Bytes of W that stay in the caches next to the core.
constexpr index kDenseNear = 256 << 10;
// Values of a line of the cache.
template <class T>
constexpr index kLine = 64 / index(sizeof(T));

// Activation, or its derivative, of a finished block. What takes more than a few operations is done
// by a pass over what was just stored, so that its code is not repeated in every shape of block.
template <class T, int N, int V>
COTERIE_INLINE void finish(const nn::DenseTask<T>& t, index j, index r, Vec<T> (&acc)[N][V]) {
  using nn::Activation;
  const bool derive = t.outputs != nullptr, relu = t.activation == Activation::relu;
  T* out = t.out + j * t.out_ld + r;
#pragma GCC unroll 32
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      Vec<T> sum = acc[n][v];
      if (relu && derive) {
        const Vec<T> a = load(t.outputs + (j + n) * t.outputs_ld + r + v * width<T>);
        sum = (Vec<T>)((VecInt<T>)sum & (VecInt<T>)(a > Vec<T>{}));
      } else if (relu) {
        sum = higher(Vec<T>{}, sum);
      }
      store(out + n * t.out_ld + v * width<T>, sum);
    }
  if (relu || t.activation == Activation::linear) return;
  if (derive)
    derive_lines<T>({t.activation, t.alpha, V * width<T>, N, t.outputs + j * t.outputs_ld + r,
                     t.outputs_ld, out, t.out_ld});
  else
    activate_lines<T>({t.activation, t.alpha, V * width<T>, N, out, t.out_ld, out, t.out_ld});
}

template <class T, int N, int V, bool Turned>
[[gnu::noinline]] void dense_block(const nn::DenseTask<T>& t, const T* w, index j, index r,
                                   index p0, index p1) {
  Vec<T> acc[N][V];
#pragma GCC unroll 32
  for (int n = 0; n < N; ++n) {
    const T zero = 0, *start = t.bias ? t.bias + j + n : &zero;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      acc[n][v] = p0 == 0 ? broadcast(start) : load(t.out + (j + n) * t.out_ld + r + v * width<T>);
  }
  const index step = Turned ? 1 : t.w_ld, next = Turned ? t.w_ld : 1;  // from p and j to the next
  // Rows of W lie too far apart for the CPU to see them coming: those ahead, and the next columns;
  // of W turned the rows of the next block, a line of each at a time.
  constexpr index ahead = 16;
  const index rows = Turned ? t.columns : t.depth;
  const bool fetch = rows * t.w_ld * index(sizeof(T)) > kDenseNear;
  const T* x = t.x + p0 * t.x_ld + r;
  w += j * next;
#pragma GCC unroll 1
  for (index p = p0; p < p1; ++p, x += t.x_ld, w += step) {
    if (fetch && !Turned)
      __builtin_prefetch(w + kLine<T> * next, 0, 2), __builtin_prefetch(w + ahead * step);
    if (fetch && Turned && (p - p0) % kLine<T> == 0)
#pragma GCC unroll 32
      for (int n = 0; n < N; ++n) __builtin_prefetch(w + (N + n) * next, 0, 2);
    Vec<T> xv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) xv[v] = load(x + v * width<T>);
#pragma GCC unroll 32
    for (int n = 0; n < N; ++n) {
      const Vec<T> wv = broadcast(w + n * next);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[n][v] = madd(xv[v], wv, acc[n][v]);
    }
  }
  if (p1 == t.depth) return finish<T, N, V>(t, j, r, acc);
#pragma GCC unroll 32
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(t.out + (j + n) * t.out_ld + r + v * width<T>, acc[n][v]);
}

// Sizes of blocks there is code for: 1 to 6, then even ones, then every fourth.
constexpr int smaller(int n) { return n > 12 ? n - 4 : n > 6 ? n - 2 : n - 1; }

// As few blocks as cover the columns, of about the same size.
constexpr index block_size(index left, index most) {
  const index blocks = (left + most - 1) / most;
  return (left + blocks - 1) / blocks;
}

template <class T, int N, int V, bool Turned>
COTERIE_INLINE void dense_columns(const nn::DenseTask<T>& t, const T* w, index j, index n, index r,
                                  index p0, index p1) {
  if constexpr (N == 1) {
    dense_block<T, 1, V, Turned>(t, w, j, r, p0, p1);
  } else {
    if (n > smaller(N)) return dense_block<T, N, V, Turned>(t, w, j, r, p0, p1);
    dense_columns<T, smaller(N), V, Turned>(t, w, j, n, r, p0, p1);
  }
}

// The largest size there is code for that is not above n.
constexpr int at_most(int n, int largest) {
  while (largest > n) largest = smaller(largest);
  return largest;
}

template <class T, int V>
COTERIE_INLINE void dense_lanes(const nn::DenseTask<T>& t, const T* w, index r, index p0,
                                index p1) {
  for (index j = 0; j < t.columns;) {
    index n = block_size(t.columns - j, most_columns<V>);
    n = at_most(int(n), most_columns<V>);
    if (t.turned)
      dense_columns<T, most_columns<V>, V, true>(t, w, j, n, r, p0, p1);
    else
      dense_columns<T, most_columns<V>, V, false>(t, w, j, n, r, p0, p1);
    j += n;
  }
}

template <class T, int V>
COTERIE_INLINE void dense_rest(const nn::DenseTask<T>& t, const T* w, index r, index p0, index p1) {
  for (; r + V * width<T> <= t.lanes; r += V * width<T>) dense_lanes<T, V>(t, w, r, p0, p1);
  if constexpr (V > 1) dense_rest<T, V / 2>(t, w, r, p0, p1);
}

// Rows of W that are a page apart crowd one set of the L1 cache: a copy of some columns, which a
// small stack can hold, does not.
constexpr index kCopied = 64;
template <class T>
constexpr index kCopiedDepth = 36864 / (kCopied * index(sizeof(T)));

template <class T>
[[gnu::noinline]] void dense_copied(const nn::DenseTask<T>& t, index p0, index p1) {
  alignas(64) T copy[kCopiedDepth<T> * kCopied];
  for (index j = 0; j < t.columns; j += kCopied) {
    nn::DenseTask<T> some = t;
    some.columns = t.columns - j < kCopied ? t.columns - j : kCopied;
    some.w_ld = kCopied;
    if (t.bias) some.bias += j;
    some.out += j * t.out_ld;
    if (t.outputs) some.outputs += j * t.outputs_ld;
    for (index p = p0; p < p1; ++p)
      __builtin_memcpy(copy + (p - p0) * kCopied, t.w + p * t.w_ld + j,
                       std::size_t(some.columns) * sizeof(T));
    dense_rest<T, NV>(some, copy, 0, p0, p1);
  }
}

template <class T>
void dense(const nn::DenseTask<T>& t) {
  constexpr index page = 4096 / index(sizeof(T));
  const bool crowded = !t.turned && t.w_ld % page == 0 && t.lanes >= NV * width<T>;
  const index most = crowded && kCopiedDepth<T> < kDenseDepth<T> ? kCopiedDepth<T> : kDenseDepth<T>;
  index p = 0;
  do {
    const index end = t.depth - p <= most ? t.depth : p + most;
    if (crowded)
      dense_copied(t, p, end);
    else
      dense_rest<T, NV>(t, t.w + p * (t.turned ? 1 : t.w_ld), 0, p, end);
    p = end;
  } while (p < t.depth);
}

// ---- dL/dW

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

template <class T>
COTERIE_INLINE void store_sums(T* out, index count, Vec<T> v, bool add) {
  if (count >= width<T>) return store(out, add ? v + load(out) : v);
  T line[width<T>];
  store(line, v);
  for (index r = 0; r < count; ++r) out[r] = add ? line[r] + out[r] : line[r];
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

template <class T, int N, int V>
[[gnu::noinline]] void outer_block(const nn::WeightsTask<T>& t, index i, index j) {
  constexpr index m = V * width<T>;
  Vec<T> acc[N][V] = {};
  const T* x[N];
  for (int n = 0; n < N; ++n) x[n] = input_line(t, i + n);
  const T* d = t.d + j;
  index r = 0;
#pragma GCC unroll 1
  for (int part = 0; part < N; ++part) {  // memory is asked for a little at a time
    if (t.update) fetch_row<T>(t, i + part, j, V);
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
  T sums[N * m];
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      T* out = output_row(t, i + n) + j + v * width<T>;
      const index count = t.outputs - j - v * width<T>;
      if (t.update == nullptr)
        store_sums<T>(out, count, acc[n][v], t.add);
      else
        store(sums + n * m + v * width<T>, t.add ? acc[n][v] + load_first(out, count) : acc[n][v]);
    }
  if (t.update) update_block<T>(t, i, j, N, m, sums);
}

// Inputs at a time: more than 8 need more addresses than there are registers.
template <int V>
constexpr int most_inputs = most_columns<V> < 8 ? most_columns<V> : 8;

template <class T, int N, int V>
COTERIE_INLINE void outer_inputs(const nn::WeightsTask<T>& t, index i, index n, index j) {
  if constexpr (N == 1) {
    outer_block<T, 1, V>(t, i, j);
  } else {
    if (n > smaller(N)) return outer_block<T, N, V>(t, i, j);
    outer_inputs<T, smaller(N), V>(t, i, n, j);
  }
}

template <class T, int V>
COTERIE_INLINE void outer_rest(const nn::WeightsTask<T>& t, index j) {
  const index inputs = all_inputs(t);
  // A last block reaches into the padding where that takes fewer blocks.
  for (; t.outputs - j > (V > 1 ? (V / 2) * width<T> : 0); j += V * width<T>) {
    if (V > 1 && t.d_room - j < V * width<T>) break;
    for (index i = 0; i < inputs;) {
      const index n = at_most(int(block_size(inputs - i, most_inputs<V>)), most_inputs<V>);
      outer_inputs<T, most_inputs<V>, V>(t, i, n, j);
      i += n;
    }
  }
  if constexpr (V > 1)
    if (j < t.outputs) outer_rest<T, V / 2>(t, j);
}

template <class T>
void weights_outer(const nn::WeightsTask<T>& t) {
  outer_rest<T, NV>(t, 0);
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
