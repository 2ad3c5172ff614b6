// Dropout and Gaussian noise: numbers made of a row's key and the column's number, so that the
// backward pass makes the same ones again and nothing is stored.
//
// Bits by SplitMix64's finaliser (Steele, Lea & Flood, OOPSLA 2014), normal deviates by Box &
// Muller, Ann. Math. Stat. 29 (1958).
#pragma once
#include "turn.hpp"
#include "vmath.hpp"

namespace coterie::COTERIE_ISA {

COTERIE_INLINE std::uint64_t bits_of(std::uint64_t key, index column) {
  std::uint64_t z = key + 0x9e3779b97f4a7c15ULL * (std::uint64_t(column) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// x / (1 - rate), or 0 with probability `rate`.
template <class T>
void dropout(const nn::NoiseTask<T>& t) {
  const auto limit = std::uint64_t(double(t.rate) * 0x1p53);
  const T scale = T(1) / (T(1) - t.rate);
  for (index j = 0; j < t.columns; ++j) {
    const T* x = t.x + j * t.x_ld;
    T* out = t.out + j * t.out_ld;
    for (index r = 0; r < t.rows; ++r)
      out[r] = (bits_of(t.keys[r], j) >> 11) < limit ? T(0) : x[r] * scale;
  }
}

// Normal deviate: sqrt(-2 ln u) sin(2 pi v), 0 < u <= 1, -1/4 <= v <= 1/4.
template <class T>
COTERIE_INLINE Vec<T> deviate(Vec<T> u, Vec<T> v) {
  constexpr int terms = 11;
  T series[terms] = {T(6.28318530717958647693)};
  for (int i = 1; i < terms; ++i)
    series[i] = series[i - 1] * T(-39.4784176043574344753) / T(2 * i * (2 * i + 1));
  const Vec<T> v2 = v * v;
  Vec<T> sine = splat(series[terms - 1]);
#pragma GCC unroll 16
  for (int i = terms - 2; i >= 0; --i) sine = madd(sine, v2, splat(series[i]));
  return root<T>(splat(T(-2)) * log_any<T>(u)) * (sine * v);
}

// x + rate * N(0, 1)
template <class T>
void noise(const nn::NoiseTask<T>& t) {
  constexpr int w = width<T>;
  for (index j = 0; j < t.columns; ++j) {
    for (index r = 0; r < t.rows; r += w) {
      const index rows = t.rows - r < w ? t.rows - r : w;
      T u[w], v[w];
      for (index q = 0; q < w; ++q) {
        const std::uint64_t bits = bits_of(t.keys[r + (q < rows ? q : 0)], j);
        u[q] = T(std::int64_t(bits >> 32) + 1) * T(0x1p-32);
        v[q] = T(std::int64_t(bits & 0xffffffff) - 0x80000000LL) * T(0x1p-33);
      }
      const Vec<T> n = deviate<T>(load(u), load(v));
      store_first<T>(t.out + j * t.out_ld + r, rows,
                     madd(splat(t.rate), n, load_first(t.x + j * t.x_ld + r, rows)));
    }
  }
}

}  // namespace coterie::COTERIE_ISA
