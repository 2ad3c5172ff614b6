// Which of up to 16 candidates might lie closer to a row than a threshold of its own?
//
// Candidates stand in lanes and rows are broadcast from where they lie, so X is neither packed nor
// shifted: one multiply-add a feature serves all candidates of a vector. The answer may err only towards
// yes; the caller's threshold holds the rounding error.
#pragma once
#include "argmin.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kScreenRows = 8;  // independent chains: latency times throughput of a multiply-add

template <class T>
COTERIE_INLINE const T* row_threshold(const ScreenTask<T>& t, index r0, int r, index count) {
  return t.threshold + r0 + (r < count ? r : 0);
}

// masks[r]: bit j set unless  bias_j + <x_r, y_j>  >=  threshold_r  (so a NaN sets it).
template <class T>
void screen(const ScreenTask<T>& t) {
  constexpr int w = width<T>, R = kScreenRows;
  const index depth = t.depth, ld = t.ld;
  for (index r = 0; r < t.rows; ++r) t.masks[r] = 0;
  for (index j = 0; j < t.n_columns; j += w) {
    const T* columns = t.columns + j * depth;
    const Vec<T> bias = load(t.bias + j);
    for (index r0 = 0; r0 < t.rows; r0 += R) {
      const index count = t.rows - r0 < R ? t.rows - r0 : R;
      const T* x[R];
      Vec<T> score[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        x[r] = t.x + (r0 + (r < count ? r : 0)) * ld;
        score[r] = bias;
      }
      // The group after the next, on its way while this one computes.
      for (int r = 0; r < R; ++r)
        for (index p = 0; p < depth; p += 64 / index(sizeof(T))) __builtin_prefetch(x[r] + 2 * R * ld + p);
#pragma GCC unroll 1
      for (index p = 0; p < depth; ++p) {
        const Vec<T> c = load(columns + p * w);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) score[r] = madd(broadcast(x[r] + p), c, score[r]);
      }
      std::uint16_t bits[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        bits[r] = std::uint16_t(not_at_least(score[r], broadcast(row_threshold(t, r0, r, count))) << j);
      for (index r = 0; r < count; ++r) t.masks[r0 + r] = std::uint16_t(t.masks[r0 + r] | bits[r]);
    }
  }
}

}  // namespace coterie::COTERIE_ISA
