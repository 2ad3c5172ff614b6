// Argmin for depth 1..12, a template constant: rows in lanes, whole rows in registers.
//
// At small depth the argmin costs as much as the product and everything must stay in registers: N vectors
// of rows against J columns in flight. N and J are the best of those tried on AVX2 and AVX-512 (bench:
// low); from depth 13 on the tile is as fast.
#pragma once
#include "argmin.hpp"
#include "pack.hpp"

namespace coterie::COTERIE_ISA {

template <int D>
constexpr int low_vectors = D <= 4 ? 4 : 2;
template <int D>
constexpr int low_columns = D <= 4 ? 2 : 4;

// x(rows, D) - shift, width rows at a time, transposed: panel[(g * D + f) * width + lane].
// Whole vectors are read where they stay inside x (`readable`), also beyond a row's end; for D < width / 4
// moving single elements is cheaper than a transposition of mostly unwanted columns.
template <class T, int D>
COTERIE_INLINE void pack_low(const ArgminTask<T>& t, index groups, T* __restrict panel) {
  constexpr int w = width<T>;
  T shift[D];
  for (int f = 0; f < D; ++f) shift[f] = t.shift[f];
  for (index g = 0; g < groups; ++g, panel += D * w) {
    const index rest = t.rows - g * w;
    const T* x = t.x + g * w * t.ld;
    if (4 * D >= w && D <= w && rest >= w && (g * w + w - 1) * t.ld + w <= t.readable) {
      Vec<T> v[w];
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r) v[r] = load(x + r * t.ld);
      transpose<T>(v);
#pragma GCC unroll 16
      for (int f = 0; f < (D < w ? D : w); ++f) store(panel + f * w, v[f] - broadcast(shift + f));
    } else if (rest >= w) {
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r)
        for (int f = 0; f < D; ++f) panel[f * w + r] = x[r * t.ld + f] - shift[f];
    } else {
      for (int i = 0; i < D * w; ++i) panel[i] = T(0);
      for (index r = 0; r < rest; ++r)
        for (int f = 0; f < D; ++f) panel[f * w + r] = x[r * t.ld + f] - shift[f];
    }
  }
}

template <class T, int D, int N, int J>
COTERIE_INLINE index argmin_low_block(const ArgminTask<T>& t, const T* panel, index group, index listed) {
  constexpr int w = width<T>;
  Vec<T> x[D][N], sq_norms[N];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
    sq_norms[i] = Vec<T>{};
#pragma GCC unroll 16
    for (int f = 0; f < D; ++f) {
      x[f][i] = load(panel + ((group + i) * D + f) * w);
      sq_norms[i] = madd(x[f][i], x[f][i], sq_norms[i]);
    }
  }
  Best<T> result[N];
  for (int i = 0; i < N; ++i) result[i] = no_best<T>();
  for (index j0 = 0; j0 < t.n_columns; j0 += kGroup) {
    const index columns = t.n_columns - j0 < kGroup ? t.n_columns - j0 : kGroup;
    GroupBest<T> group_best[N];
    for (int i = 0; i < N; ++i) group_best[i] = {splat(huge<T>), splat(huge<T>)};
    const T *c = t.columns + j0 * D, *bias = t.bias + j0;
    for (index j = 0; j < columns; j += J, c += J * D) {
      Vec<T> score[J][N];
#pragma GCC unroll 4
      for (int q = 0; q < J; ++q)
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i) score[q][i] = broadcast(bias + j + q);
#pragma GCC unroll 16
      for (int f = 0; f < D; ++f)
#pragma GCC unroll 4
        for (int q = 0; q < J; ++q) {
          const Vec<T> cf = broadcast(c + q * D + f);
#pragma GCC unroll 4
          for (int i = 0; i < N; ++i) score[q][i] = madd(x[f][i], cf, score[q][i]);
        }
#pragma GCC unroll 4
      for (int q = 0; q < J; ++q) {
        const VecInt<T> tag = broadcast(tags(T{}) + j + q);
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i) offer_tagged(group_best[i], score[q][i], tag);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) merge_group(result[i], group_best[i], j0);
  }
  for (int i = 0; i < N; ++i) listed = decide(t, result[i], sq_norms[i], (group + i) * w, listed);
  return listed;
}

template <class T, int D>
std::int64_t argmin_low(const ArgminTask<T>& t) {
    constexpr int N = low_vectors<D>, J = low_columns<D>;
  const index groups = (t.rows + width<T> - 1) / width<T>;
  T* panel = t.scratch;
  pack_low<T, D>(t, groups, panel);
  index listed = 0, g = 0;
  for (; g + N <= groups; g += N) listed = argmin_low_block<T, D, N, J>(t, panel, g, listed);
  for (; g < groups; ++g) listed = argmin_low_block<T, D, 1, J>(t, panel, g, listed);
  return listed;
}

}  // namespace coterie::COTERIE_ISA
