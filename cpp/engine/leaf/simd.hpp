// The vector vocabulary of the leaves: one type, about twenty operations, width from the ISA.
//
// A leaf is compiled once per ISA, in that ISA's own namespace (COTERIE_ISA), so nothing here may be
// shared between translation units. Arithmetic (+ - *) is GNU vector arithmetic and is never contracted
// (-ffp-contract=off): where a fused multiply-add is wanted, `madd` says so. Intrinsics stand only
// where the compiler would otherwise need several instructions.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef COTERIE_ISA
#error "compile a leaf with -include engine/isa/<name>.hpp, as CMakeLists.txt does"
#endif

namespace coterie::COTERIE_ISA {

using index = std::int64_t;

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  using Int = std::int32_t;
};
template <>
struct Lanes<double> {
  using Int = std::int64_t;
};
template <class T>
using Int = typename Lanes<T>::Int;

// Number of lanes: COTERIE_VECTOR_BYTES, or one lane where that is 0 (the test-only ISA `odd`).
template <class T>
constexpr int width = COTERIE_VECTOR_BYTES == 0 ? 1 : COTERIE_VECTOR_BYTES / int(sizeof(T));

template <class T>
struct VectorOf {
  typedef T Type __attribute__((vector_size(width<T> * sizeof(T))));
  typedef T Unaligned __attribute__((vector_size(width<T> * sizeof(T)), aligned(alignof(T)), may_alias));
};
template <class T>
using Vec = typename VectorOf<T>::Type;
template <class T>
using VecInt = Vec<Int<T>>;

#define COTERIE_INLINE [[gnu::always_inline]] inline

template <class T>
COTERIE_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::Unaligned*>(p);
}
template <class T>
COTERIE_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VectorOf<T>::Unaligned*>(p) = v;
}

// Every lane = *p. Straight from memory: written as `Vec{} + *p` it costs an addition a broadcast.
template <class T>
COTERIE_INLINE Vec<T> broadcast(const T* p);
template <class T>
COTERIE_INLINE Vec<T> splat(T value) {
  return broadcast(&value);
}

#if COTERIE_VECTOR_BYTES == 64
template <>
COTERIE_INLINE Vec<float> broadcast(const float* p) {
  return (Vec<float>)_mm512_set1_ps(*p);
}
template <>
COTERIE_INLINE Vec<double> broadcast(const double* p) {
  return (Vec<double>)_mm512_set1_pd(*p);
}
template <>
COTERIE_INLINE Vec<std::int32_t> broadcast(const std::int32_t* p) {
  return (Vec<std::int32_t>)_mm512_set1_epi32(*p);
}
template <>
COTERIE_INLINE Vec<std::int64_t> broadcast(const std::int64_t* p) {
  return (Vec<std::int64_t>)_mm512_set1_epi64(*p);
}
COTERIE_INLINE Vec<float> madd(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
COTERIE_INLINE Vec<double> madd(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
COTERIE_INLINE Vec<float> lower(Vec<float> a, Vec<float> b) {
  return (Vec<float>)_mm512_min_ps((__m512)a, (__m512)b);
}
COTERIE_INLINE Vec<double> lower(Vec<double> a, Vec<double> b) {
  return (Vec<double>)_mm512_min_pd((__m512d)a, (__m512d)b);
}
COTERIE_INLINE Vec<float> higher(Vec<float> a, Vec<float> b) {
  return (Vec<float>)_mm512_max_ps((__m512)a, (__m512)b);
}
COTERIE_INLINE Vec<double> higher(Vec<double> a, Vec<double> b) {
  return (Vec<double>)_mm512_max_pd((__m512d)a, (__m512d)b);
}
// where a < b: x, elsewhere y
COTERIE_INLINE Vec<std::int32_t> select_less(Vec<float> a, Vec<float> b, Vec<std::int32_t> x,
                                             Vec<std::int32_t> y) {
  return (Vec<std::int32_t>)_mm512_mask_mov_epi32(
      (__m512i)y, _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512i)x);
}
COTERIE_INLINE Vec<std::int64_t> select_less(Vec<double> a, Vec<double> b, Vec<std::int64_t> x,
                                             Vec<std::int64_t> y) {
  return (Vec<std::int64_t>)_mm512_mask_mov_epi64(
      (__m512i)y, _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ), (__m512i)x);
}
// The bits of a with the low ones (clear = ~low) replaced by those of tag, in one operation.
COTERIE_INLINE Vec<float> tagged(Vec<float> a, Vec<std::int32_t> clear, Vec<std::int32_t> tag) {
  return (Vec<float>)_mm512_ternarylogic_epi32((__m512i)a, (__m512i)clear, (__m512i)tag, 0xea);
}
COTERIE_INLINE Vec<double> tagged(Vec<double> a, Vec<std::int64_t> clear, Vec<std::int64_t> tag) {
  return (Vec<double>)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)clear, (__m512i)tag, 0xea);
}
// Is there a lane without a > b? (A NaN counts.)
COTERIE_INLINE bool any_not_greater(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ) != 0xffff;
}
COTERIE_INLINE bool any_not_greater(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ) != 0xff;
}
// One bit a lane: is it not true that a >= b?
COTERIE_INLINE unsigned not_at_least(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_NGE_UQ);
}
COTERIE_INLINE unsigned not_at_least(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_NGE_UQ);
}
#elif COTERIE_VECTOR_BYTES == 32
template <>
COTERIE_INLINE Vec<float> broadcast(const float* p) {
  return (Vec<float>)_mm256_broadcast_ss(p);
}
template <>
COTERIE_INLINE Vec<double> broadcast(const double* p) {
  return (Vec<double>)_mm256_broadcast_sd(p);
}
template <>
COTERIE_INLINE Vec<std::int32_t> broadcast(const std::int32_t* p) {
  return (Vec<std::int32_t>)_mm256_set1_epi32(*p);
}
template <>
COTERIE_INLINE Vec<std::int64_t> broadcast(const std::int64_t* p) {
  return (Vec<std::int64_t>)_mm256_set1_epi64x(*p);
}
COTERIE_INLINE Vec<float> madd(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
COTERIE_INLINE Vec<double> madd(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
COTERIE_INLINE Vec<float> lower(Vec<float> a, Vec<float> b) {
  return (Vec<float>)_mm256_min_ps((__m256)a, (__m256)b);
}
COTERIE_INLINE Vec<double> lower(Vec<double> a, Vec<double> b) {
  return (Vec<double>)_mm256_min_pd((__m256d)a, (__m256d)b);
}
COTERIE_INLINE Vec<float> higher(Vec<float> a, Vec<float> b) {
  return (Vec<float>)_mm256_max_ps((__m256)a, (__m256)b);
}
COTERIE_INLINE Vec<double> higher(Vec<double> a, Vec<double> b) {
  return (Vec<double>)_mm256_max_pd((__m256d)a, (__m256d)b);
}
COTERIE_INLINE Vec<std::int32_t> select_less(Vec<float> a, Vec<float> b, Vec<std::int32_t> x,
                                             Vec<std::int32_t> y) {
  return (Vec<std::int32_t>)_mm256_blendv_ps((__m256)y, (__m256)x,
                                             _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LT_OQ));
}
COTERIE_INLINE Vec<std::int64_t> select_less(Vec<double> a, Vec<double> b, Vec<std::int64_t> x,
                                             Vec<std::int64_t> y) {
  return (Vec<std::int64_t>)_mm256_blendv_pd((__m256d)y, (__m256d)x,
                                             _mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_LT_OQ));
}
COTERIE_INLINE bool any_not_greater(Vec<float> a, Vec<float> b) {
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ)) != 0xff;
}
COTERIE_INLINE bool any_not_greater(Vec<double> a, Vec<double> b) {
  return _mm256_movemask_pd(_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_GT_OQ)) != 0xf;
}
COTERIE_INLINE unsigned not_at_least(Vec<float> a, Vec<float> b) {
  return unsigned(_mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_NGE_UQ)));
}
COTERIE_INLINE unsigned not_at_least(Vec<double> a, Vec<double> b) {
  return unsigned(_mm256_movemask_pd(_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_NGE_UQ)));
}
#else  // baseline, NEON, odd: what the compiler makes of the generic form is good
template <class T>
COTERIE_INLINE Vec<T> broadcast(const T* p) {
  Vec<T> v;
  for (int i = 0; i < width<T>; ++i) v[i] = *p;
  return v;
}
#if defined(__aarch64__) && COTERIE_VECTOR_BYTES == 16
COTERIE_INLINE Vec<float> madd(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
COTERIE_INLINE Vec<double> madd(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#else
template <class V>
COTERIE_INLINE V madd(V a, V b, V c) {
  return a * b + c;
}
#endif
template <class V>
COTERIE_INLINE V lower(V a, V b) {
  return a < b ? a : b;
}
template <class V>
COTERIE_INLINE V higher(V a, V b) {
  return a > b ? a : b;
}
template <class V, class I>
COTERIE_INLINE I select_less(V a, V b, I x, I y) {
  return a < b ? x : y;
}
template <class V>
COTERIE_INLINE bool any_not_greater(V a, V b) {
  const auto greater = a > b;
  auto all = greater[0];
  for (unsigned i = 1; i < sizeof(V) / sizeof(a[0]); ++i) all &= greater[i];
  return all == 0;
}
template <class V>
COTERIE_INLINE unsigned not_at_least(V a, V b) {
  const auto at_least = a >= b;
  unsigned bits = 0;
  // Not as a shifted select: under UBSan GCC 12 miscompiles that.
  for (unsigned i = 0; i < sizeof(V) / sizeof(a[0]); ++i)
    if (at_least[i] == 0) bits |= 1u << i;
  return bits;
}
#endif

#if COTERIE_VECTOR_BYTES != 64
template <class V, class I>
COTERIE_INLINE V tagged(V a, I clear, I tag) {
  return (V)(((I)a & clear) | tag);
}
#endif

COTERIE_INLINE float square_root(float v) { return __builtin_sqrtf(v); }
COTERIE_INLINE double square_root(double v) { return __builtin_sqrt(v); }
COTERIE_INLINE Vec<double> square_roots(Vec<double> v) {
#if COTERIE_VECTOR_BYTES == 64
  return (Vec<double>)_mm512_sqrt_pd((__m512d)v);
#elif COTERIE_VECTOR_BYTES == 32
  return (Vec<double>)_mm256_sqrt_pd((__m256d)v);
#else
  for (int i = 0; i < width<double>; ++i) v[i] = __builtin_sqrt(v[i]);
  return v;
#endif
}
#if COTERIE_VECTOR_BYTES == 64
#define COTERIE_NEAR_ROOTS 1
// 1 / sqrt(v) within a part in 2^14, v normal.
COTERIE_INLINE Vec<float> reciprocal_roots(Vec<float> v) {
  return (Vec<float>)_mm512_rsqrt14_ps((__m512)v);
}
#endif
// Of as many floats as there are lanes of double.
typedef float FloatPart __attribute__((vector_size(width<double> * 4)));
// Rounded to floats.
COTERIE_INLINE void store_float(float* p, Vec<float> v) { store(p, v); }
COTERIE_INLINE void store_float(float* p, Vec<double> v) {
  const FloatPart part = __builtin_convertvector(v, FloatPart);
  std::memcpy(p, &part, sizeof part);
}
COTERIE_INLINE void store_double(double* p, Vec<double> v) { store(p, v); }
COTERIE_INLINE void store_double(double* p, Vec<float> v) {
  typedef double Doubles __attribute__((vector_size(width<float> * 8)));
  const Doubles wide = __builtin_convertvector(v, Doubles);
  std::memcpy(p, &wide, sizeof wide);
}
COTERIE_INLINE FloatPart square_roots(FloatPart v) {
#if COTERIE_VECTOR_BYTES == 64
  return (FloatPart)_mm256_sqrt_ps((__m256)v);
#elif COTERIE_VECTOR_BYTES == 32
  return (FloatPart)_mm_sqrt_ps((__m128)v);
#else
  for (int i = 0; i < width<double>; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

#if COTERIE_VECTOR_BYTES == 64
COTERIE_INLINE Vec<float> square_roots(Vec<float> v) { return (Vec<float>)_mm512_sqrt_ps((__m512)v); }
#elif COTERIE_VECTOR_BYTES == 32
COTERIE_INLINE Vec<float> square_roots(Vec<float> v) { return (Vec<float>)_mm256_sqrt_ps((__m256)v); }
#elif COTERIE_VECTOR_BYTES != 0  // of one lane it is the above
COTERIE_INLINE Vec<float> square_roots(Vec<float> v) {
  for (int i = 0; i < width<float>; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
}
#endif

// sum + the four products of unsigned (a) and signed (b) bytes of each 32-bit lane, exact. Any CPU.
struct ByteDot {
  COTERIE_INLINE static Vec<std::int32_t> add(Vec<std::int32_t> sum, Vec<std::int32_t> a,
                                              Vec<std::int32_t> b) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sum += (a >> (8 * i) & 255) * (b << (24 - 8 * i) >> 24);
    return sum;
  }
};
// By the instruction made for it, which the flags of this ISA do not name: the caller asks the CPU.
#if defined(__x86_64__) && (COTERIE_VECTOR_BYTES == 64 || COTERIE_VECTOR_BYTES == 32)
#define COTERIE_BYTE_DOT 1
struct FastByteDot {
  COTERIE_INLINE static Vec<std::int32_t> add(Vec<std::int32_t> sum, Vec<std::int32_t> a,
                                              Vec<std::int32_t> b) {
#if COTERIE_VECTOR_BYTES == 64
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
#else
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#endif
    return sum;
  }
};
#endif

// Lanes as 32-bit integers.
template <class I>
COTERIE_INLINE void store_int32(std::int32_t* p, I v) {
  constexpr int w = sizeof(I) / sizeof(v[0]);
  typedef std::int32_t Narrow __attribute__((vector_size(w * 4), aligned(4), may_alias));
  *reinterpret_cast<Narrow*>(p) = __builtin_convertvector(v, Narrow);
}

// a0 b0 a1 b1 ... : the lower (half 0) or upper (half 1) halves of two vectors, dealt like cards.
template <int half, class V>
COTERIE_INLINE V deal(V a, V b) {
  constexpr int w = sizeof(V) / sizeof(a[0]), h = half * (w / 2);
  if constexpr (w == 2) return __builtin_shufflevector(a, b, h, w + h);
  if constexpr (w == 4) return __builtin_shufflevector(a, b, h, w + h, h + 1, w + h + 1);
  if constexpr (w == 8)
    return __builtin_shufflevector(a, b, h, w + h, h + 1, w + h + 1, h + 2, w + h + 2, h + 3,
                                   w + h + 3);
  if constexpr (w == 16)
    return __builtin_shufflevector(a, b, h, w + h, h + 1, w + h + 1, h + 2, w + h + 2, h + 3,
                                   w + h + 3, h + 4, w + h + 4, h + 5, w + h + 5, h + 6, w + h + 6,
                                   h + 7, w + h + 7);
  return a;
}

// Lane i of the result = v[i]'s lanes folded, for `width` vectors at once. The order is a halving tree,
// (l0 + l4) + (l2 + l6) + ..., the same for every width.
template <class T, class Fold>
COTERIE_INLINE Vec<T> fold_lanes(Vec<T> (&v)[width<T>], const Fold& fold) {
#pragma GCC unroll 4
  for (int half = width<T> / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i)
      v[i] = fold(deal<0>(v[i], v[i + half]), deal<1>(v[i], v[i + half]));
  return v[0];
}
template <class T>
COTERIE_INLINE Vec<T> sum_lanes(Vec<T> (&v)[width<T>]) {
  return fold_lanes<T>(v, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return a + b; });
}
template <class T>
COTERIE_INLINE Vec<T> lowest_lanes(Vec<T> (&v)[width<T>]) {
  return fold_lanes<T>(
      v, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return lower(a, b); });
}

}  // namespace coterie::COTERIE_ISA
