// Rows of points: where they lie, and how far two are apart.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "../../base/view.hpp"
#include "../../engine/table.hpp"

namespace coterie::linkage {

// The median of each feature, of some rows: unlike a mean, it is where points are.
inline std::vector<double> middle_of(const View<double>& x) {
  const index some = std::min<index>(x.rows, 255);
  std::vector<double> middle, values(some);
  for (index f = 0; f < x.cols; ++f) {
    for (index i = 0; i < some; ++i) values[i] = x.row(i * x.rows / some)[f];
    std::nth_element(values.begin(), values.begin() + some / 2, values.end());
    middle.push_back(values[some / 2]);
  }
  return middle;
}

// What the pair kernels find of two rows, bit for bit; euclidean as sqeuclidean. Not of hamming
// and jaccard.
inline double row_distance(PairMetric metric, const double* a, const double* b, index depth) {
  double sum = 0;
  switch (metric) {
    case PairMetric::cosine:
      for (index f = 0; f < depth; ++f) sum += a[f] * b[f];
      return std::max(1 - sum, 0.0);
    case PairMetric::cityblock:
      for (index f = 0; f < depth; ++f) sum += std::abs(a[f] - b[f]);
      return sum;
    case PairMetric::chebyshev:
      for (index f = 0; f < depth; ++f) sum = std::max(sum, std::abs(a[f] - b[f]));
      return sum;
    default:
      for (index f = 0; f < depth; ++f) sum += (a[f] - b[f]) * (a[f] - b[f]);
      return sum;
  }
}

}  // namespace coterie::linkage
