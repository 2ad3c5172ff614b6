// How far K is from the union of I and J by any method.
#pragma once
#include <algorithm>

#include "../../engine/lance_williams.hpp"
#include "linkage.hpp"

namespace coterie::linkage {

// Sizes and distance of the two that merge, in the order of their ids; ward, centroid and median
// on squares.
struct Pair {
  double apart, n_low, n_high;
};

// Of a reducible method on a matrix.
constexpr Update update_of(Method method) {
  return method == Method::complete  ? Update::complete
         : method == Method::average ? Update::average
         : method == Method::ward    ? Update::ward
                                     : Update::weighted;
}

template <Method method>
double update(double low, double high, const Pair& p, double n_other) {
  const double n = p.n_low + p.n_high;
  if constexpr (method == Method::centroid)
    return std::max(0.0, (p.n_low * low + p.n_high * high - p.n_low * p.n_high / n * p.apart) / n);
  else if constexpr (method == Method::median)
    return std::max(0.0, 0.5 * (low + high) - 0.25 * p.apart);
  else
    return from_union<update_of(method)>(low, high, p.apart, p.n_low, p.n_high, n_other);
}

}  // namespace coterie::linkage
