// Argmin for CSR rows: a row's non-zeros times the columns' transpose, columns in lanes.
//
// The transpose is C-ordered, one line of `stride` column values a feature, so a non-zero meets whole
// vectors. Nothing is centred (that would densify), hence the caller's tie band is taken from raw norms.
#pragma once
#include "argmin.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kSparseVectors = 4;  // vectors of columns in registers at a time

template <class T>
COTERIE_INLINE void offer_lanes(const Best<T>& lanes, T& best, T& second, std::int32_t& column) {
  for (int i = 0; i < width<T>; ++i) {
    const T score = lanes.best[i];
    const std::int32_t c = std::int32_t(lanes.column[i]);
    const T loser = score < best ? best : score;
    second = lanes.second[i] < second ? lanes.second[i] : second;
    second = loser < second ? loser : second;
    if (score < best || (score == best && c < column)) best = score, column = c;
  }
}

template <class T>
std::int64_t argmin_sparse(const SparseArgminTask<T>& t) {
  constexpr int w = width<T>;
  Int<T> first[w];
  for (int i = 0; i < w; ++i) first[i] = i;
  index listed = 0;
  for (index r = 0; r < t.rows; ++r) {
    const index begin = t.start[r], end = t.start[r + 1];
    T sq_norm = T(0);
    for (index e = begin; e < end; ++e) sq_norm += t.value[e] * t.value[e];
    Best<T> b = no_best<T>();
    for (index j = 0; j < t.n_columns; j += kSparseVectors * w) {
      Vec<T> score[kSparseVectors];
#pragma GCC unroll 4
      for (int i = 0; i < kSparseVectors; ++i) score[i] = load(t.bias + j + i * w);
      for (index e = begin; e < end; ++e) {
        const Vec<T> v = broadcast(t.value + e);
        const T* line = t.columns + t.column[e] * t.stride + j;
#pragma GCC unroll 4
        for (int i = 0; i < kSparseVectors; ++i) score[i] = madd(v, load(line + i * w), score[i]);
      }
#pragma GCC unroll 4
      for (int i = 0; i < kSparseVectors; ++i)
        offer(b, score[i], load(first) + splat(Int<T>(j + i * w)));
    }
    T best = huge<T>, second = huge<T>;
    std::int32_t column = 0;
    offer_lanes(b, best, second, column);
    t.labels[r] = column;
    if (!(second - best > (sq_norm * T(10) + best * T(8)) * t.band + t.floor))
      t.near[listed++] = std::int32_t(r);
  }
  return listed;
}

}  // namespace coterie::COTERIE_ISA
