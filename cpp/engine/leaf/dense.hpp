// Products of a dense layer on tiles (nn_table.hpp): rows in lanes, weights broadcast in place.
//
//   dense  out(j, r) = finish(bias_j + sum_p w(p, j) x(p, r)); of w turned it is dL/dx
//
// Every sum runs over p in ascending order, whatever the shape of a register block, so that cutting
// lanes or columns among threads changes no bit. A block is N x V vectors, N V <= NR NV.
#pragma once
#include "activation.hpp"
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

}  // namespace coterie::COTERIE_ISA
