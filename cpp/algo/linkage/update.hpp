// Lance & Williams: how far K is from the union of I and J.
//
// For reducible methods the result is no less than the lesser of the two, rounding included: no
// cluster that stays ever finds its nearest among the new ones.
#pragma once
#include <algorithm>

#include "linkage.hpp"

namespace coterie::linkage {

// Sizes and distance of the two that merge, in the order of their ids; ward, centroid and median
// on squares.
struct Pair {
  double apart, n_low, n_high;
};

template <Method method>
double update(double low, double high, const Pair& p, double n_other) {
  const double n = p.n_low + p.n_high;
  switch (method) {
    case Method::single:  // Prim's algorithm needs no update
      break;
    case Method::complete:
      return std::max(low, high);
    case Method::average:
      return std::max(std::min(low, high), (p.n_low * low + p.n_high * high) / n);
    case Method::weighted:
      return 0.5 * (low + high);
    case Method::ward:
      return std::max(std::min(low, high), ((p.n_low + n_other) * low +
                                            (p.n_high + n_other) * high - n_other * p.apart) /
                                               (n + n_other));
    case Method::centroid:
      return std::max(0.0,
                      (p.n_low * low + p.n_high * high - p.n_low * p.n_high / n * p.apart) / n);
    case Method::median:
      return std::max(0.0, 0.5 * (low + high) - 0.25 * p.apart);
  }
  return 0;
}

}  // namespace coterie::linkage
