// Float64 arithmetic that decides and reports: distances from differences, sums, moments.
//
// Eight running sums whatever the ISA, folded in one fixed order, and no contraction: the same bits
// on every CPU. The kernels of argmin*.hpp are only filters in front of this file, so what a user sees
// (labels, centroids, inertia) does not depend on the ISA either.
#pragma once
#include "../table.hpp"
#include "pack.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kLanes = 8;
constexpr int kParts = kLanes / width<double>;

struct Eight {
  Vec<double> v[kParts];
};

typedef float FloatPart __attribute__((vector_size(width<double> * 4)));
typedef float FloatPartUnaligned __attribute__((vector_size(width<double> * 4), aligned(4), may_alias));

COTERIE_INLINE Vec<double> as_double(const double* p) { return load(p); }
COTERIE_INLINE Vec<double> as_double(const float* p) {
  return __builtin_convertvector(*reinterpret_cast<const FloatPartUnaligned*>(p), Vec<double>);
}

template <class T>
COTERIE_INLINE Eight load8(const T* p) {
  Eight e;
#pragma GCC unroll 8
  for (int i = 0; i < kParts; ++i) e.v[i] = as_double(p + i * width<double>);
  return e;
}
COTERIE_INLINE void store8(double* p, const Eight& e) {
#pragma GCC unroll 8
  for (int i = 0; i < kParts; ++i) store(p + i * width<double>, e.v[i]);
}

// The last, partial eight of a row: present values, then zeros.
template <class T>
COTERIE_INLINE Eight load_tail(const T* p, index count) {
  T tail[kLanes] = {};
  for (index i = 0; i < count; ++i) tail[i] = p[i];
  return load8(tail);
}

// Eight lanes to one vector of width<double>, halving: lane i + lane i + 4, then i + 2, then i + 1.
COTERIE_INLINE Vec<double> halve(Eight& e) {
#pragma GCC unroll 4
  for (int h = kParts / 2; h > 0; h /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < h; ++i) e.v[i] += e.v[i + h];
  return e.v[0];
}

constexpr int kCenters = width<double> < 4 ? 4 : width<double>;  // distances computed side by side

// out[j] = |x - c_j|^2 for j < k. c: k rows of `stride` doubles, zero beyond depth, stride a multiple of 8.
template <class T>
void exact_distances(const T* __restrict x, index depth, const double* __restrict c, index stride,
                     index k, double* __restrict out) {
  constexpr int w = width<double>;
  const index whole = depth / kLanes * kLanes;
  for (index j = 0; j < k; j += kCenters) {
    Eight sum[kCenters] = {};
    const double* at[kCenters];
    for (int q = 0; q < kCenters; ++q) at[q] = c + (j + q < k ? j + q : j) * stride;
    const auto add = [&](const Eight& row, index p) __attribute__((always_inline)) {
#pragma GCC unroll 8
      for (int q = 0; q < kCenters; ++q) {
        const Eight center = load8(at[q] + p);
#pragma GCC unroll 8
        for (int i = 0; i < kParts; ++i) {
          const Vec<double> d = row.v[i] - center.v[i];
          sum[q].v[i] += d * d;
        }
      }
    };
    for (index p = 0; p < whole; p += kLanes) add(load8(x + p), p);
    if (whole < depth) add(load_tail(x + whole, depth - whole), whole);
    double folded[kCenters];
#pragma GCC unroll 8
    for (int q = 0; q < kCenters; q += w) {
      Vec<double> group[w];
#pragma GCC unroll 8
      for (int i = 0; i < w; ++i) group[i] = halve(sum[q + i]);
      store(folded + q, sum_lanes<double>(group));
    }
    for (index q = 0; q < kCenters && j + q < k; ++q) out[j + q] = folded[q];
  }
}

// out[r] = |x_r - c_label(r)|^2.
template <class T>
void exact_labelled(const T* __restrict x, index ld, index rows, index depth, const double* __restrict c,
                    index stride, const std::int32_t* __restrict labels, double* __restrict out) {
  for (index r = 0; r < rows; ++r, x += ld) {
    const double* center = c + labels[r] * stride;
    Eight sum = {};
    for (index p = 0; p < depth; p += kLanes) {
      const Eight row = p + kLanes <= depth ? load8(x + p) : load_tail(x + p, depth - p);
      const Eight at = load8(center + p);
#pragma GCC unroll 8
      for (int i = 0; i < kParts; ++i) {
        const Vec<double> d = row.v[i] - at.v[i];
        sum.v[i] += d * d;
      }
    }
    double lane[width<double>];
    store(lane, halve(sum));
    for (int h = width<double> / 2; h > 0; h /= 2)
      for (int i = 0; i < h; ++i) lane[i] += lane[i + h];
    out[r] = lane[0];
  }
}

// sums[label * stride + f] += w (x_f - shift_f) for f < depth, and += w at f = depth.
template <class T, bool weighted>
COTERIE_INLINE void accumulate_rows(const SumTask<T>& t) {
  const index whole = t.depth / kLanes * kLanes, rest = t.depth - whole;
  std::int64_t keep[kLanes];
  double one[kLanes];
  for (int i = 0; i < kLanes; ++i) keep[i] = i < rest ? -1 : 0, one[i] = i == rest ? 1 : 0;
  for (index r = 0; r < t.rows; ++r) {
    const index i = t.order ? t.order[r] : r;
    const T* x = t.x + i * t.ld;
    double* s = t.sums + (t.labels ? t.labels[i] * t.stride : 0);
    const double w_row = weighted ? t.weights[i] : 1.0;
    const Vec<double> weight = splat(w_row);
    const auto add = [&](const Eight& row, index p, bool tail) __attribute__((always_inline)) {
#pragma GCC unroll 8
      for (int q = 0; q < kParts; ++q) {
        const int at = q * width<double>;
        Vec<double> v = row.v[q] - load(t.shift + p + at);
        if (tail)
          v = (Vec<double>)(((VecInt<double>)v & load(keep + at)) | (VecInt<double>)load(one + at));
        if (weighted) v *= weight;
        store(s + p + at, load(s + p + at) + v);
      }
    };
    for (index p = 0; p < whole; p += kLanes) add(load8(x + p), p, false);
    if (rest == 0) s[whole] += w_row;
    else if (i * t.ld + whole + kLanes <= t.readable) add(load8(x + whole), whole, true);
    else add(load_tail(x + whole, rest), whole, true);
  }
}

template <class T>
void accumulate(const SumTask<T>& t) {
  if (t.weights) accumulate_rows<T, true>(t);
  else accumulate_rows<T, false>(t);
}

// s1[f] += sum w (x_f - shift_f), s2[f] += sum w (x_f - shift_f)^2, over the rows in order.
template <class T>
void moments(const SumTask<T>& t, double* __restrict s1, double* __restrict s2) {
  for (index p = 0; p < t.depth; p += kLanes) {
    Eight a = load8(s1 + p), b = load8(s2 + p);
    const Eight shift = load8(t.shift + p);
    const T* x = t.x + p;
    for (index r = 0; r < t.rows; ++r, x += t.ld) {
      const Vec<double> weight = splat(t.weights ? t.weights[r] : 1.0);
      const bool whole = p + kLanes <= t.depth || r * t.ld + p + kLanes <= t.readable;
      const Eight row = whole ? load8(x) : load_tail(x, t.depth - p);
#pragma GCC unroll 8
      for (int i = 0; i < kParts; ++i) {
        const Vec<double> d = row.v[i] - shift.v[i], wd = d * weight;
        a.v[i] += wd;
        b.v[i] += wd * d;
      }
    }
    store8(s1 + p, a);
    store8(s2 + p, b);
  }
}

}  // namespace coterie::COTERIE_ISA
