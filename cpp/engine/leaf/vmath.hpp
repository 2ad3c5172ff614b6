// exp, expm1, log, log1p, tanh, the logistic and the normal distribution functions of vectors, for
// every argument: within 2.7 ulp where the result is a normal number, NaN to NaN, infinities to
// limits; the normal distribution within 2 above its lower quartile and 4 below. Another half to
// one ulp would cost a fifth of the time, for the remainders of quotients.
//
// Arguments are reduced as by Cody & Waite, Software Manual for the Elementary Functions, 1980. The
// normal tail is e^(-x^2 / 2) times a polynomial in (x - 2) / (x + 2) after Schonfelder, Math.
// Comp. 32 (1978); its coefficients are a Chebyshev expansion of (1 + 2 x) e^(x^2) erfc(x).
#pragma once
#include "explog.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
struct Ranges;
template <>
struct Ranges<double> {
  static constexpr double least = -746, most = 710;  // beyond, exp is 0 or infinite
};
template <>
struct Ranges<float> {
  static constexpr float least = -104, most = 89;
};

template <class T>
COTERIE_INLINE Vec<T> select(VecInt<T> mask, Vec<T> yes, Vec<T> no) {
  return mask ? yes : no;
}
template <class T>
COTERIE_INLINE Vec<T> magnitude(Vec<T> x) {
  return (Vec<T>)((VecInt<T>)x & splat(Int<T>(~(Int<T>(1) << (8 * sizeof(T) - 1)))));
}
template <class T>
COTERIE_INLINE Vec<T> with_sign(Vec<T> x, Vec<T> sign) {
  const VecInt<T> bit = splat(Int<T>(Int<T>(1) << (8 * sizeof(T) - 1)));
  return (Vec<T>)((VecInt<T>)x | ((VecInt<T>)sign & bit));
}
// 2^n for normal results.
template <class T>
COTERIE_INLINE Vec<T> power_of_two(VecInt<T> n) {
  using E = ExpLog<T>;
  return (Vec<T>)((n + splat(Int<T>(E::bias))) << E::mantissa);
}

// Whether madd rounds once.
#if COTERIE_VECTOR_BYTES == 64 || COTERIE_VECTOR_BYTES == 32 || defined(__aarch64__)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif

// x = n ln 2 + r. x within Ranges.
template <class T>
struct Reduced {
  Vec<T> r;
  VecInt<T> n;
};
template <class T>
COTERIE_INLINE Reduced<T> reduce_exp(Vec<T> x) {
  using E = ExpLog<T>;
  const Vec<T> magic = splat(E::magic);
  const Vec<T> shifted = madd(x, splat(T(1.44269504088896340736)), magic), n = shifted - magic;
  return {madd(n, splat(-E::ln2_low), madd(n, splat(-E::ln2_high), x)),
          (VecInt<T>)shifted - (VecInt<T>)magic};
}
// e^r - 1
template <class T>
COTERIE_INLINE Vec<T> expm1_reduced(Vec<T> r) {
  using E = ExpLog<T>;
  T reciprocal[E::exp_terms + 1] = {T(1)};
  for (int i = 1; i <= E::exp_terms; ++i) reciprocal[i] = reciprocal[i - 1] / T(i);
  Vec<T> p = splat(reciprocal[E::exp_terms]);
#pragma GCC unroll 16
  for (int i = E::exp_terms - 1; i >= 2; --i) p = madd(p, r, splat(reciprocal[i]));
  return madd(p * r, r, r);
}

template <class T>
COTERIE_INLINE Vec<T> exp_any(Vec<T> x) {
  const Vec<T> inside = lower(splat(Ranges<T>::most), higher(splat(Ranges<T>::least), x));
  const Reduced<T> e = reduce_exp<T>(inside);
  const VecInt<T> half = e.n >> 1;  // 2^n in two steps: it may overflow, or the result be subnormal
  const Vec<T> one = splat(T(1)) + expm1_reduced<T>(e.r);
  return one * power_of_two<T>(half) * power_of_two<T>(e.n - half);
}
// e^(x + low) for x <= 0, low at most a rounding of it; what would be subnormal is 0.
template <class T>
constexpr T kLeastExp = sizeof(T) == 8 ? T(-708) : T(-87);
template <class T>
COTERIE_INLINE Vec<T> exp_of_sum(Vec<T> x, Vec<T> low) {
  const Reduced<T> e = reduce_exp<T>(higher(splat(kLeastExp<T>), x));
  const Vec<T> value = (splat(T(1)) + expm1_reduced<T>(e.r + low)) * power_of_two<T>(e.n);
  return select<T>((VecInt<T>)(x < splat(kLeastExp<T>)), Vec<T>{}, value);
}
template <class T>
COTERIE_INLINE Vec<T> exp_negative(Vec<T> x) {
  const Reduced<T> e = reduce_exp<T>(higher(splat(kLeastExp<T>), x));
  const Vec<T> value = (splat(T(1)) + expm1_reduced<T>(e.r)) * power_of_two<T>(e.n);
  return select<T>((VecInt<T>)(x < splat(kLeastExp<T>)), Vec<T>{}, value);
}
// e^x - 1 for x <= 0.
template <class T>
COTERIE_INLINE Vec<T> expm1_negative(Vec<T> x) {
  const Reduced<T> e = reduce_exp<T>(higher(splat(T(sizeof(T) == 8 ? -40 : -20)), x));
  const Vec<T> scale = power_of_two<T>(e.n);
  return madd(scale, expm1_reduced<T>(e.r), scale - splat(T(1)));
}

// ln(1 + x) for 0 <= x <= 1: 2 atanh(x / (2 + x)), or ln 2 + 2 atanh((x - 1) / (x + 3)).
template <class T>
COTERIE_INLINE Vec<T> log1p_of(Vec<T> x) {
  using E = ExpLog<T>;
  constexpr int terms = E::log_terms;
  const VecInt<T> upper = (VecInt<T>)(x > splat(T(0.41421356237309504880)));
  const Vec<T> f =
      select<T>(upper, x - splat(T(1)), x) / (x + select<T>(upper, splat(T(3)), splat(T(2))));
  const Vec<T> f2 = f * f;
  Vec<T> p = splat(T(1) / T(2 * terms + 1));
#pragma GCC unroll 16
  for (int i = terms - 1; i >= 1; --i) p = madd(p, f2, splat(T(1) / T(2 * i + 1)));
  const Vec<T> ln2 = select<T>(upper, splat(T(0.69314718055994530942)), Vec<T>{});
  const Vec<T> twice = f + f;
  return ln2 + madd(p * f2, twice, twice);
}

// ln x for x > 0, normal.
template <class T>
COTERIE_INLINE Vec<T> log_any(Vec<T> x) {
  using E = ExpLog<T>;
  const VecInt<T> one = splat(Int<T>(E::bias << E::mantissa)), bits = (VecInt<T>)x;
  VecInt<T> m = (bits & splat(Int<T>((Int<T>(1) << E::mantissa) - 1))) | one;
  const VecInt<T> upper = (VecInt<T>)((Vec<T>)m > splat(T(1.41421356237309504880)));  // -1 or 0
  m += upper << E::mantissa;
  const VecInt<T> exponent = (bits >> E::mantissa) - splat(Int<T>(E::bias)) - upper;
  const Vec<T> f = ((Vec<T>)m - splat(T(1))) / ((Vec<T>)m + splat(T(1))), f2 = f * f, twice = f + f;
  Vec<T> p = splat(T(1) / T(2 * E::log_terms + 1));
#pragma GCC unroll 16
  for (int i = E::log_terms - 1; i >= 1; --i) p = madd(p, f2, splat(T(1) / T(2 * i + 1)));
  const Vec<T> e = __builtin_convertvector(exponent, Vec<T>);
  const Vec<T> low = madd(p * f2, twice, e * splat(E::ln2_low));
  const Vec<T> value = madd(e, splat(E::ln2_high), twice + low);
  return select<T>((VecInt<T>)(x != x), x, value);
}

template <class T>
COTERIE_INLINE Vec<T> tanh_of(Vec<T> x) {
  const Vec<T> t = expm1_negative<T>(magnitude<T>(x) * splat(T(-2)));
  return with_sign<T>(-t / (splat(T(2)) + t), x);
}
// 1 / (1 + e^-x) from e = e^-|x|
template <class T>
COTERIE_INLINE Vec<T> logistic_of(Vec<T> x, Vec<T> e) {
  const Vec<T> one = splat(T(1));
  return select<T>((VecInt<T>)(x < Vec<T>{}), e, one) / (one + e);
}
template <class T>
COTERIE_INLINE Vec<T> logistic(Vec<T> x) {
  return logistic_of<T>(x, exp_negative<T>(-magnitude<T>(x)));
}
// ln(1 + e^x)
template <class T>
COTERIE_INLINE Vec<T> softplus_of(Vec<T> x) {
  return higher(Vec<T>{}, x) + log1p_of<T>(exp_negative<T>(-magnitude<T>(x)));
}

template <class T>
constexpr int kTailTerms = sizeof(T) == 8 ? 27 : 13;
constexpr double kTail64[27] = {
    1.276978381552528719,       -0.092763826585744880795,    -0.16603039761528919655,
    0.16405128003330449161,     -0.05422000099205116162,     -0.0080340150774425375701,
    0.0087226538760944034799,   0.0012713388821387984816,    -0.0014568139519919570177,
    -0.00045434003882603672072, 0.0002063672469126308832,    0.00015103451612088871476,
    -1.5100062824588763404e-6,  -0.000036405228872681645008, -0.000013492292288138393607,
    3.6625724746549061489e-6,   5.2217233331167783822e-6,    1.5928186638782265563e-6,
    -6.8894770129064486871e-7,  -9.4840666614412868594e-7,   -2.7622880901406080632e-7,
    2.3591442783351708127e-7,   1.794670194881301734e-7,     -2.6084543894592233444e-8,
    -4.5012236295144373015e-8,  2.3272188198063505834e-10,   4.7285174426334660728e-9};
constexpr double kTail32[13] = {
    1.2769783814270295737,      -0.092763762774869638208,  -0.16603038352631342782,
    0.16404945413943181382,     -0.054220266615193799135,  -0.0080189630786710594299,
    0.0087246076400396157136,   0.0012174105921552015074,  -0.001464070911117751276,
    -0.0003579204478471713015,  0.00022157155060332895701, 0.000063369458376149586602,
    -0.000020255989625846500551};

// x^2 - s, for s the rounded square.
template <class T>
COTERIE_INLINE Vec<T> square_error(Vec<T> x, Vec<T> s) {
  if constexpr (kFused) return madd(x, x, -s);
  // Dekker, Numer. Math. 18 (1971): x = high + low, whose products are exact
  const VecInt<T> upper = splat(Int<T>(~((Int<T>(1) << (ExpLog<T>::mantissa + 2) / 2) - 1)));
  const Vec<T> high = (Vec<T>)((VecInt<T>)x & upper), low = x - high, cross = high * low;
  return ((high * high - s) + (cross + cross)) + low * low;
}

// Beyond it the tail is 0.
template <class T>
constexpr T kFar = sizeof(T) == 8 ? T(40) : T(15);

// P(normal > |z|) = e^(-z^2 / 2) erfcx(|z| / sqrt 2) / 2; `density`: e^(-z^2 / 2), out.
template <class T>
COTERIE_INLINE Vec<T> normal_tail(Vec<T> z, Vec<T>& density) {
  const Vec<T> size = lower(splat(kFar<T>), magnitude<T>(z)), half = splat(T(-0.5));
  // The rounding of z^2 / 2 would show z^2 times as large in the result.
  const Vec<T> square = size * size, low = square_error<T>(size, square);
  density = exp_of_sum<T>(square * half, low * half);
  const Vec<T> far = splat(T(2.82842712474619009760));  // |z| and this are sqrt 2 times x and 2
  const Vec<T> t = (size - far) / (size + far);
  constexpr int terms = kTailTerms<T>;
  Vec<T> p = splat(T(sizeof(T) == 8 ? kTail64[terms - 1] : kTail32[12]));
#pragma GCC unroll 32
  for (int i = terms - 2; i >= 0; --i)
    p = madd(p, t, splat(T(sizeof(T) == 8 ? kTail64[i] : kTail32[i < 13 ? i : 12])));
  return density * p / madd(far, size, splat(T(2)));
}

// (P(normal <= z) - 1/2) / z in powers of z^2, a Chebyshev expansion for |z| <= 0.68.
constexpr double kNear64[9] = {
    0.39894228040143267719,    -0.066490380066905181596,  0.0099735570100205265971,
    -0.0011873282151402895291, 0.00011543468382279306425, -9.4446324721320460036e-6,
    6.6588156696023797999e-7,  -4.1037165012148900358e-8, 2.0508659953158633904e-9};
constexpr double kNear32[5] = {0.39894228004473996337, -0.066490341358161420327,
                               0.0099728836800934764909, -0.0011832140475454621115,
                               0.00010508157508323646749};

// P(normal <= z)
template <class T>
COTERIE_INLINE Vec<T> normal_cdf(Vec<T> z, Vec<T>& density) {
  const Vec<T> tail = normal_tail<T>(z, density), z2 = z * z;
  constexpr int terms = sizeof(T) == 8 ? 9 : 5;
  Vec<T> p = splat(T(sizeof(T) == 8 ? kNear64[terms - 1] : kNear32[4]));
#pragma GCC unroll 16
  for (int i = terms - 2; i >= 0; --i)
    p = madd(p, z2, splat(T(sizeof(T) == 8 ? kNear64[i] : kNear32[i < 5 ? i : 4])));
  const Vec<T> far = select<T>((VecInt<T>)(z > Vec<T>{}), splat(T(1)) - tail, tail);
  const VecInt<T> near = (VecInt<T>)(magnitude<T>(z) <= splat(T(0.68)));
  return select<T>(near, madd(z, p, splat(T(0.5))), far);
}

COTERIE_INLINE float root_of(float v) { return __builtin_sqrtf(v); }
COTERIE_INLINE double root_of(double v) { return __builtin_sqrt(v); }
template <class T>
COTERIE_INLINE Vec<T> root(Vec<T> v) {
#pragma GCC unroll 16
  for (int i = 0; i < width<T>; ++i) v[i] = root_of(v[i]);
  return v;
}

// What is smaller than every normal number becomes 0: arithmetic on it takes many times as long.
template <class T>
constexpr T kLeastNormal = sizeof(T) == 8 ? T(0x1p-1022) : T(0x1p-126);
template <class T>
constexpr T kMost = sizeof(T) == 8 ? T(0x1.fffffffffffffp+1023) : T(0x1.fffffep+127);
template <class T>
COTERIE_INLINE Vec<T> normal_or_zero(Vec<T> v) {
  return select<T>((VecInt<T>)(magnitude<T>(v) < splat(kLeastNormal<T>)), Vec<T>{}, v);
}

// Of finite normal numbers, within an ulp: a step of Newton's from an estimate, where one is to be
// had. The instruction would keep the divider busy, which the optimisers want for themselves.
template <class T>
COTERIE_INLINE Vec<T> near_root(Vec<T> v) {
#ifdef COTERIE_NEAR_ROOTS
  if constexpr (sizeof(T) == 4) {
    const Vec<T> y = reciprocal_roots(v), first = v * y;
    return madd(first * splat(T(0.5)), madd(-first, y, splat(T(1))), first);
  }
#endif
  return root<T>(v);
}

}  // namespace coterie::COTERIE_ISA
