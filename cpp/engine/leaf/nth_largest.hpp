// The n-th largest of some values by bisection on their bits: no branch that depends on a value, so
// nothing to mispredict.
#pragma once
#include "simd.hpp"

namespace coterie::COTERIE_ISA {

using Keys = Vec<std::int32_t>;

// As integers in the order of the floats; its own inverse.
COTERIE_INLINE Keys ordered(Keys bits) { return bits ^ (bits >> 31 & splat(0x7fffffff)); }

COTERIE_INLINE std::int32_t sum_of_lanes(Keys v) {
  std::int32_t sum = 0;
  for (int i = 0; i < width<float>; ++i) sum += v[i];
  return sum;
}

// v: turned into keys, and readable and writable to whole vectors. 1 <= n <= count.
inline float nth_largest(float* v, index count, index n) {
  constexpr int w = width<float>;
  auto* keys = reinterpret_cast<std::int32_t*>(v);
  for (index i = count; i % w != 0; ++i) v[i] = v[0];
  Keys lowest = splat(INT32_MAX), highest = splat(INT32_MIN);
  for (index i = 0; i < count; i += w) {
    const Keys key = ordered((Keys)load(v + i));
    lowest = key < lowest ? key : lowest;
    highest = key > highest ? key : highest;
    store(v + i, (Vec<float>)key);
  }
  for (index i = count; i % w != 0; ++i) keys[i] = INT32_MIN;
  std::int64_t low = lowest[0], high = highest[0];  // the answer is in between
  for (int i = 1; i < w; ++i) {
    low = lowest[i] < low ? lowest[i] : low;
    high = highest[i] > high ? highest[i] : high;
  }
  while (low < high) {
    const std::int64_t middle = high - (high - low) / 2;
    const Keys least = splat(std::int32_t(middle));
    Keys reaching{};  // minus their number
    for (index i = 0; i < count; i += w) reaching += (Keys)(load<std::int32_t>(keys + i) >= least);
    const index found = -sum_of_lanes(reaching);
    if (found >= n)
      low = middle;
    else
      high = middle - 1;
    if (found != n) continue;
    Keys last = splat(INT32_MAX);
    for (index i = 0; i < count; i += w) {
      const Keys key = load<std::int32_t>(keys + i);
      const Keys mine = key >= least ? key : splat(INT32_MAX);
      last = mine < last ? mine : last;
    }
    low = high = last[0];
    for (int i = 1; i < w; ++i) low = high = last[i] < low ? last[i] : low;
  }
  const Keys answer = ordered(splat(std::int32_t(low)));
  return ((Vec<float>)answer)[0];
}

}  // namespace coterie::COTERIE_ISA
