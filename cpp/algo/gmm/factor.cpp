#include "factor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace coterie::gmm {
namespace {

// <a, b> in four chains: one would wait for itself.
double dot(const double* a, const double* b, index n) {
  double chain[4] = {};
  index p = 0;
  for (; p + 4 <= n; p += 4)
    for (index q = 0; q < 4; ++q) chain[q] += a[p + q] * b[p + q];
  for (; p < n; ++p) chain[0] += a[p] * b[p];
  return (chain[0] + chain[2]) + (chain[1] + chain[3]);
}

}  // namespace

bool inverse_cholesky(const double* s, index d, double* inverse) {
  double largest = 0;
  for (index i = 0; i < d; ++i) largest = std::max(largest, s[i * d + i]);
  const double least = static_cast<double>(d) * std::numeric_limits<double>::epsilon() * largest;
  std::vector<double> factor(static_cast<std::size_t>(d * d));
  for (index i = 0; i < d; ++i) {
    double* l = factor.data() + i * d;
    for (index j = 0; j < i; ++j) {
      const double* known = factor.data() + j * d;
      l[j] = (s[i * d + j] - dot(l, known, j)) / known[j];
    }
    const double pivot = s[i * d + i] - dot(l, l, i);
    if (!(pivot > least) || !std::isfinite(pivot)) return false;
    l[i] = std::sqrt(pivot);
  }
  // L T = I, a row at a time: T_i = (e_i - sum_j<i L_ij T_j) / L_ii.
  std::fill(inverse, inverse + d * d, 0.0);
  for (index i = 0; i < d; ++i) {
    const double* l = factor.data() + i * d;
    double* row = inverse + i * d;
    for (index j = 0; j < i; ++j) {
      const double* known = inverse + j * d;
      for (index p = 0; p <= j; ++p) row[p] -= l[j] * known[p];
    }
    for (index p = 0; p < i; ++p) row[p] /= l[i];
    row[i] = 1 / l[i];
  }
  return true;
}

}  // namespace coterie::gmm
