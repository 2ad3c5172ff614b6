// exp and log of vectors, for log-sum-exp: arguments are in the ranges named, results within 2 ulp.
//
// exp by x = n ln 2 + r, |r| <= ln 2 / 2, and the Taylor polynomial of e^r; log by s = 2^e m and
// the series of atanh((m - 1) / (m + 1)). Cody & Waite, Software Manual for the Elementary
// Functions, 1980.
#pragma once
#include "simd.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
struct ExpLog;
template <>
struct ExpLog<double> {
  static constexpr int mantissa = 52, exp_terms = 13, log_terms = 11;
  static constexpr std::int64_t bias = 1023;
  static constexpr double magic = 0x1.8p52;
  static constexpr double ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;
};
template <>
struct ExpLog<float> {
  static constexpr int mantissa = 23, exp_terms = 7, log_terms = 5;
  static constexpr std::int32_t bias = 127;
  static constexpr float magic = 0x1.8p23f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};

// e^x for -708 <= x <= 0 (float: -87), where the result is a normal number. Several vectors side by
// side: each is one long chain of operations.
template <class T, int N>
COTERIE_INLINE void exps_of(Vec<T> (&x)[N]) {
  using E = ExpLog<T>;
  T reciprocal[E::exp_terms + 1] = {T(1)};
  for (int i = 1; i <= E::exp_terms; ++i) reciprocal[i] = reciprocal[i - 1] / T(i);
  Vec<T> shifted[N], p[N];
#pragma GCC unroll 8
  for (int v = 0; v < N; ++v) {
    // Added to a number this large, x / ln 2 is rounded to an integer, which then stands in the
    // low bits.
    shifted[v] = madd(x[v], splat(T(1.44269504088896340736)), splat(E::magic));
    const Vec<T> n = shifted[v] - splat(E::magic);
    x[v] = madd(n, splat(-E::ln2_low), madd(n, splat(-E::ln2_high), x[v]));
    p[v] = splat(reciprocal[E::exp_terms]);
  }
#pragma GCC unroll 16
  for (int i = E::exp_terms - 1; i >= 0; --i)
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) p[v] = madd(p[v], x[v], splat(reciprocal[i]));
#pragma GCC unroll 8
  for (int v = 0; v < N; ++v)
    x[v] = (Vec<T>)((VecInt<T>)p[v] + ((VecInt<T>)shifted[v] << E::mantissa));
}

// ln s for s >= 1, finite.
template <class T>
COTERIE_INLINE Vec<T> log_of(Vec<T> s) {
  using E = ExpLog<T>;
  const VecInt<T> one = splat(Int<T>(E::bias << E::mantissa)), bits = (VecInt<T>)s;
  const VecInt<T> low = splat(Int<T>((Int<T>(1) << E::mantissa) - 1));
  VecInt<T> m = (bits & low) | one;
  const VecInt<T> upper = (VecInt<T>)((Vec<T>)m > splat(T(1.41421356237309504880)));  // -1 or 0
  m += upper << E::mantissa;
  const VecInt<T> exponent = (bits >> E::mantissa) - splat(Int<T>(E::bias)) - upper;
  const Vec<T> f = ((Vec<T>)m - splat(T(1))) / ((Vec<T>)m + splat(T(1))), f2 = f * f;
  Vec<T> p = splat(T(1) / T(2 * E::log_terms + 1));
#pragma GCC unroll 16
  for (int i = E::log_terms - 1; i >= 0; --i) p = madd(p, f2, splat(T(1) / T(2 * i + 1)));
  const Vec<T> e = __builtin_convertvector(exponent, Vec<T>);
  return madd(e, splat(E::ln2_high), madd(e, splat(E::ln2_low), (f + f) * p));
}

}  // namespace coterie::COTERIE_ISA
