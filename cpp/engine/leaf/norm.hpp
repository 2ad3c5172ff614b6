// Batch normalisation and penalties of activity: sums over a line of a tile, and what they do to
// it.
//
//   moments  {sum x / n, sum (x - mu)^2 / n} · normalize  out = (x - center) factor + shift
//   norm_sums  {sum g, sum g (x - center)} · norm_gradient  g = factor (g - mean - (x - center)
//   slope) sizes  {sum x, sum |x|, sum x^2} · penalize  g += all + l1 sign(x) + l2 x
//
// n = rows; what stands in the lanes beyond does not count, and what is written there is 0. Sums run
// in float64, in as many lanes as a vector of them has.
#pragma once
#include "../nn_table.hpp"
#include "vmath.hpp"

namespace coterie::COTERIE_ISA {

using Wide = Vec<double>;

COTERIE_INLINE Wide widened(const double* p) { return load(p); }
COTERIE_INLINE Wide widened(const float* p) {
  typedef float Part __attribute__((vector_size(width<double> * 4), aligned(4), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Part*>(p), Wide);
}

// out[k] = the sum over the rows of terms[k], which f(r, terms) sets for the rows of one vector.
template <int count, class F>
COTERIE_INLINE void sum_rows(index rows, double* out, const F& f) {
  constexpr int w = width<double>, unroll = 4;  // additions in flight
  Wide sums[count][unroll] = {}, terms[count], lane;
  for (int i = 0; i < w; ++i) lane[i] = i;
  index r = 0;
  for (; r + unroll * w <= rows; r += unroll * w)
#pragma GCC unroll 4
    for (int u = 0; u < unroll; ++u) {
      f(r + u * w, terms);
      for (int k = 0; k < count; ++k) sums[k][u] += terms[k];
    }
  for (; r < rows; r += w) {
    f(r, terms);
    const VecInt<double> counts = (VecInt<double>)(lane < splat(double(rows - r)));
    for (int k = 0; k < count; ++k) sums[k][0] += select<double>(counts, terms[k], Wide{});
  }
  for (int k = 0; k < count; ++k) {
    const Wide all = (sums[k][0] + sums[k][1]) + (sums[k][2] + sums[k][3]);
    out[k] = 0;
    for (int i = 0; i < w; ++i) out[k] += all[i];
  }
}

template <class T>
COTERIE_INLINE void clear_beyond(const nn::LineTask<T>& t, T* line) {
  for (index r = t.rows; r < t.lanes; ++r) line[r] = T(0);
}

template <class T>
void moments(const nn::LineTask<T>& t, double* out) {
  const double n = double(t.rows);
  sum_rows<1>(t.rows, out, [&](index r, Wide* terms) { terms[0] = widened(t.x + r); });
  out[0] /= n;
  const Wide mu = splat(out[0]);
  sum_rows<1>(t.rows, out + 1, [&](index r, Wide* terms) {
    const Wide e = widened(t.x + r) - mu;
    terms[0] = e * e;
  });
  out[1] /= n;
}

template <class T>
void normalize(const nn::LineTask<T>& t) {
  const Vec<T> center = splat(t.center), factor = splat(t.factor), shift = splat(t.shift);
  for (index r = 0; r < t.lanes; r += width<T>)
    store(t.out + r, madd(load(t.x + r) - center, factor, shift));
  clear_beyond(t, t.out);
}

template <class T>
void norm_sums(const nn::LineTask<T>& t, double* out) {
  const Wide center = splat(double(t.center));
  sum_rows<2>(t.rows, out, [&](index r, Wide* terms) {
    terms[0] = widened(t.out + r);
    terms[1] = terms[0] * (widened(t.x + r) - center);
  });
}

template <class T>
void norm_gradient(const nn::LineTask<T>& t) {
  const Vec<T> center = splat(t.center), factor = splat(t.factor), mean = splat(t.shift);
  const Vec<T> slope = splat(-t.slope);
  for (index r = 0; r < t.lanes; r += width<T>)
    store(t.out + r, factor * madd(load(t.x + r) - center, slope, load(t.out + r) - mean));
  clear_beyond(t, t.out);
}

template <class T>
void sizes(const nn::LineTask<T>& t, double* out) {
  sum_rows<3>(t.rows, out, [&](index r, Wide* terms) {
    const Wide x = widened(t.x + r);
    terms[0] = x;
    terms[1] = magnitude<double>(x);
    terms[2] = x * x;
  });
}

template <class T>
void penalize(const nn::LineTask<T>& t) {
  const Vec<T> all = splat(t.shift), l1 = splat(t.slope), l2 = splat(t.factor), zero{};
  for (index r = 0; r < t.lanes; r += width<T>) {
    const Vec<T> x = load(t.x + r);
    const Vec<T> sign = select<T>((VecInt<T>)(x == zero), zero, with_sign<T>(l1, x));
    store(t.out + r, load(t.out + r) + madd(l2, x, all + sign));
  }
  clear_beyond(t, t.out);
}

}  // namespace coterie::COTERIE_ISA
