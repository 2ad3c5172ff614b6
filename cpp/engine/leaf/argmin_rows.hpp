// Argmin with depth in lanes: RR rows against RC columns at a time, X read once and never packed.
//
// For few columns the product is bound by memory, and packing would cost more than it gives: each row
// is read where it lies, shifted on the fly, and multiplied with columns that stay in cache.
// The columns are C-ordered, their stride the depth rounded up to the vector width, padded with zeros
// and up to a multiple of RC.
#pragma once
#include "argmin.hpp"

namespace coterie::COTERIE_ISA {


constexpr int kDotSums = RR * (RC + 1);  // RR x RC products, then RR squared norms

// The rows `ahead` elements on are prefetched: without it this loop runs at 16 GB/s a core, with it at 24.
// dots[r * RC + j] = <x_r - shift, y_j>, then |x_r - shift|^2, for RR rows and RC columns.
template <class T>
COTERIE_INLINE void dot_block(const T* const (&x)[RR], const T* shift, const T* y, index stride,
                              index depth, index ahead, T* dots) {
  constexpr int w = width<T>;
  Vec<T> acc[(kDotSums + w - 1) / w * w];
#pragma GCC unroll 64
  for (auto& a : acc) a = Vec<T>{};
  const auto step = [&](const Vec<T>(&v)[RR], index p) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int j = 0; j < RC; ++j) {
      const Vec<T> c = load(y + j * stride + p);
#pragma GCC unroll 8
      for (int r = 0; r < RR; ++r) acc[r * RC + j] = madd(v[r], c, acc[r * RC + j]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < RR; ++r) acc[RR * RC + r] = madd(v[r], v[r], acc[RR * RC + r]);
  };
  index p = 0;
#pragma GCC unroll 1
  for (; p + w <= depth; p += w) {
    Vec<T> v[RR];
    const Vec<T> s = load(shift + p);
#pragma GCC unroll 8
    for (int r = 0; r < RR; ++r) {
      v[r] = load(x[r] + p) - s;
      __builtin_prefetch(x[r] + p + ahead);
    }
    step(v, p);
  }
  if (p < depth) {
    Vec<T> v[RR];
    for (int r = 0; r < RR; ++r) {
      T tail[w] = {};
      for (index q = p; q < depth; ++q) tail[q - p] = x[r][q] - shift[q];
      v[r] = load(tail);
    }
    step(v, p);
  }
#pragma GCC unroll 16
  for (int g = 0; g < kDotSums; g += w) {
    Vec<T> group[w];
#pragma GCC unroll 16
    for (int i = 0; i < w; ++i) group[i] = acc[g + i];
    store(dots + g, sum_lanes<T>(group));
  }
}

// Lowest and second lowest score of RR rows so far, by the same rule as the vector epilogue.
template <class T>
struct RowBest {
  T best = huge<T>, second = huge<T>;
  std::int32_t column = 0;
  void offer(T score, std::int32_t j) {
    const T worse = score > best ? score : best;
    second = worse < second ? worse : second;
    column = score < best ? j : column;
    best = score < best ? score : best;
  }
};

template <class T>
std::int64_t argmin_rows(const ArgminTask<T>& t) {
  constexpr int w = width<T>;
  const index stride = (t.depth + w - 1) / w * w;
  index listed = 0;
  for (index r0 = 0; r0 < t.rows; r0 += RR) {
    const index count = t.rows - r0 < RR ? t.rows - r0 : RR;
    const T* x[RR];
    for (int r = 0; r < RR; ++r) x[r] = t.x + (r0 + (r < count ? r : 0)) * t.ld;
    RowBest<T> b[RR];
    T dots[(kDotSums + w - 1) / w * w] = {};
    for (index j = 0; j < t.n_columns; j += RC) {
      dot_block<T>(x, t.shift, t.columns + j * stride, stride, t.depth, RR * t.ld, dots);
      for (int r = 0; r < RR; ++r)
        for (int q = 0; q < RC; ++q)
          b[r].offer(t.bias[j + q] + dots[r * RC + q], std::int32_t(j + q));
    }
    for (index r = 0; r < count; ++r) {
      t.labels[r0 + r] = b[r].column;
      const T band = (dots[RR * RC + r] * T(10) + b[r].best * T(8)) * t.band + t.floor;
      if (!(b[r].second - b[r].best > band)) t.near[listed++] = std::int32_t(r0 + r);
    }
  }
  return listed;
}

}  // namespace coterie::COTERIE_ISA
