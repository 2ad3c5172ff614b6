// Bounds on the rounding of a score, bias + <x, y>, for the filters in front of exact arithmetic.
#pragma once
#include <limits>

#include "../base/view.hpp"

namespace coterie {

inline index round_up(index n, index to) { return (n + to - 1) / to * to; }

// Worse than any score, yet no infinity: minus itself it must not become NaN.
template <class T>
constexpr T kHuge = sizeof(T) == 4 ? T(3e38) : T(1e308);

// `roundings` half-ulps: the factor of |x||c| + |c|^2/2 that bounds the error of a score.
template <class T>
double band_of(double roundings) {
  return roundings * (std::numeric_limits<T>::epsilon() / 2) * 1.01;
}

// What underflow can take away, the one error that is not relative.
template <class T>
double floor_of(index depth) {
  return 4 * (static_cast<double>(depth) + 4) * static_cast<double>(std::numeric_limits<T>::min());
}

}  // namespace coterie
