// Counter-based random numbers: the value depends on (seed, stream, counter) alone, so any thread may draw
// any number in any order. SplitMix64's finaliser (Steele, Lea & Flood, OOPSLA 2014) over a mixed key.
#pragma once
#include <cstdint>

namespace coterie {

inline std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Uniform in [0, 1), 53 bits.
inline double uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
  const std::uint64_t key = mix(seed + golden * (stream + 1));
  return static_cast<double>(mix(key + golden * (counter + 1)) >> 11) * 0x1p-53;
}

}  // namespace coterie
