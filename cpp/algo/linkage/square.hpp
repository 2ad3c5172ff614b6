// Distances of all pairs of points, line by line or as a square matrix.
#pragma once
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"
#include "points.hpp"

namespace coterie::linkage {

// Rows of a matrix of distances of points, one at a time.
template <class T>
class Lines {
 public:
  // squared: squares of distances, for the methods that update those.
  Lines(const View<double>& x, PairMetric metric, bool angular, bool squared);

  // Row i: `stride` values, infinite on the diagonal and beyond n.
  void fill(index i, T* line) const;
  const index n, stride;

 private:
  const View<double> x_;
  const Points points_;
  const bool angular_, squared_;
  void (*const distances_)(const PairTask&, double*);
};

// A square matrix of distances, infinite on its diagonal, rows padded to whole panels.
template <class T>
class Square {
 public:
  Square() = default;
  explicit Square(index n) : n(n), stride(whole_panels(n)), values_(checked_product(n, stride)) {}
  static index bytes(index n) { return checked_product(n, whole_panels(n) * index{sizeof(T)}); }
  Square(const Lines<T>& lines, int n_threads);
  Square(const double* condensed, index n, bool squared, int n_threads);

  // Where only distances to those after a point in `order` are given: the others, and padding.
  void mirror(const std::vector<index>& order, int n_threads);

  T* row(index i) { return values_.data() + i * stride; }
  index n = 0, stride = 0;

 private:
  Buffer<T> values_;
};

}  // namespace coterie::linkage
