// A square matrix of distances, infinite on its diagonal, rows padded to whole panels.
#pragma once
#include "../../base/buffer.hpp"
#include "../../base/view.hpp"
#include "../../engine/table.hpp"

namespace coterie::linkage {

template <class T>
class Square {
 public:
  // squared: keeps the squares of distances, for the methods that update those.
  Square(const View<double>& x, PairMetric metric, bool angular, bool squared, int n_threads);
  Square(const double* condensed, index n, bool squared, int n_threads);

  T* row(index i) { return values_.data() + i * stride; }
  const index n, stride;

 private:
  void finish(index i, const double* distances, bool angular, bool squared);
  Buffer<T> values_;
};

}  // namespace coterie::linkage
