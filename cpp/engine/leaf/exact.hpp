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

// |x - c|^2 as one vector whose lanes are still to be added. safe: a whole last eight may be read from x.
template <class T>
COTERIE_INLINE Vec<double> distance_lanes(const T* __restrict x, index depth, bool safe,
                                          const double* __restrict c, const VecInt<double>* keep) {
  const index whole = depth / kLanes * kLanes, rest = depth - whole;
  Eight sum = {};
  for (index p = 0; p < whole; p += kLanes) {
    const Eight row = load8(x + p), center = load8(c + p);
#pragma GCC unroll 8
    for (int i = 0; i < kParts; ++i) {
      const Vec<double> d = row.v[i] - center.v[i];
      sum.v[i] += d * d;
    }
  }
  if (rest > 0) {
    const Eight row = safe ? load8(x + whole) : load_tail(x + whole, rest), center = load8(c + whole);
#pragma GCC unroll 8
    for (int i = 0; i < kParts; ++i) {
      const Vec<double> d = (Vec<double>)((VecInt<double>)(row.v[i] - center.v[i]) & keep[i]);
      sum.v[i] += d * d;
    }
  }
  return halve(sum);
}

// |x - c|^2 of one pair, the same bits as exact_distances.
template <class T>
double exact_distance(const T* x, index depth, const double* center) {
  // A copied tail is zero beyond depth, and so is the centre: nothing is left to mask.
  const VecInt<double> all = ~VecInt<double>{};
  VecInt<double> keep[kParts];
  for (auto& part : keep) part = all;
  double lane[width<double>];
  store(lane, distance_lanes(x, depth, false, center, keep));
  for (int h = width<double> / 2; h > 0; h /= 2)
    for (int i = 0; i < h; ++i) lane[i] += lane[i + h];
  return lane[0];
}

// out[r] = |x_r - c_label(r)|^2, the same bits as exact_distances; width<double> rows are folded together.
template <class T>
void exact_labelled(const LabelledTask<T>& t) {
  constexpr int w = width<double>;
  const index depth = t.depth, rows = t.rows, ld = t.ld, stride = t.stride;
  const index safe = t.readable - (depth + kLanes - 1) / kLanes * kLanes;
  VecInt<double> keep[kParts];
  for (int q = 0; q < kParts; ++q)
    for (int i = 0; i < w; ++i) keep[q][i] = q * w + i < depth % kLanes ? -1 : 0;
  for (index r = 0; r < rows; r += w) {
    Vec<double> lanes[w];
    for (int i = 0; i < w; ++i) {
      const index row = r + i < rows ? r + i : r;
      lanes[i] = distance_lanes(t.x + row * ld, depth, row * ld <= safe,
                                t.centers + t.labels[row] * stride, keep);
    }
    const Vec<double> sums = sum_lanes<double>(lanes);
    if (r + w <= rows) store(t.out + r, sums);
    else
      for (index i = r; i < rows; ++i) t.out[i] = sums[i - r];
  }
}

// The last eight of a row's sums: `rest` features, then the weight's own slot, then nothing.
struct TailMask {
  Vec<double> shift[kParts], one[kParts];
  VecInt<double> keep[kParts];
  TailMask(const double* shift_tail, index rest) {
    for (int q = 0; q < kParts; ++q)
      for (int i = 0; i < width<double>; ++i) {
        const index f = q * width<double> + i;
        shift[q][i] = f < rest ? shift_tail[f] : 0;
        one[q][i] = f == rest ? 1 : 0;
        keep[q][i] = f < rest ? -1 : 0;
      }
  }
  COTERIE_INLINE Vec<double> of(Vec<double> row, int q) const {
    return (Vec<double>)(((VecInt<double>)(row - shift[q]) & keep[q]) | (VecInt<double>)one[q]);
  }
};

// sums[label * stride + f] += w (x_f - shift_f) for f < depth, and += w at f = depth.
template <class T, bool weighted>
COTERIE_INLINE void accumulate_rows(const SumTask<T>& t) {
  // Copies: a store through `sums` could otherwise have changed the task.
  const index ld = t.ld, rows = t.rows, stride = t.stride, safe = t.readable - kLanes;
  const index whole = t.depth / kLanes * kLanes, rest = t.depth - whole;
  const T* const data = t.x;
  const double *const shift = t.shift, *const weights = t.weights;
  const std::int32_t* const labels = t.labels;
  const index* const order = t.order;
  double* const sums = t.sums;
  const TailMask tail(rest ? shift + whole : shift, rest);
  for (index r = 0; r < rows; ++r) {
    const index i = order ? order[r] : r;
    const T* x = data + i * ld;
    double* s = sums + (labels ? labels[i] * stride : 0);
    const double w = weighted ? weights[i] : 1.0;
    const Vec<double> weight = splat(w);
    for (index p = 0; p < whole; p += width<double>) {
      Vec<double> v = as_double(x + p) - load(shift + p);
      if (weighted) v *= weight;
      store(s + p, load(s + p) + v);
    }
    if (rest == 0) {
      s[whole] += w;
      continue;
    }
    const Eight row = i * ld + whole <= safe ? load8(x + whole) : load_tail(x + whole, rest);
#pragma GCC unroll 8
    for (int q = 0; q < kParts; ++q) {
      Vec<double> v = tail.of(row.v[q], q);
      if (weighted) v *= weight;
      double* at = s + whole + q * width<double>;
      store(at, load(at) + v);
    }
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
