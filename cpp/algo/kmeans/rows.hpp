// What k-means asks of its rows, said once for dense and once for CSR.
#pragma once
#include <algorithm>
#include <cmath>

#include "../../base/check.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/nearest.hpp"
#include "../../engine/screen.hpp"

namespace coterie::kmeans {

// Sums of rows by label: k lines of `stride` doubles, depth sums of w (x - shift), then the weight.
inline index sums_stride(index depth) { return (depth + 8) / 8 * 8; }

// What to subtract from a column of this mean and standard deviation against cancellation: a value near
// the mean, or zero where the column is not far from zero. Both leave x - shift exact for the x that
// matter (Sterbenz, or trivially), so integers stay integers and ties stay ties.
inline double gentle_shift(double mean, double deviation) {
  if (std::abs(mean) <= 2 * deviation) return 0;
  // To a tenth of the deviation or better: a short number, so that small integers survive the shift.
  const double grid = deviation > 0 ? std::ldexp(1.0, std::ilogb(deviation) - 3) : 0;
  const double rounded = grid > 0 ? std::round(mean / grid) * grid : mean;
  return std::isfinite(rounded) ? rounded : mean;
}

template <class T>
struct Dense {
  using Value = T;
  static constexpr bool centred = true;  // kernels subtract the mean

  explicit Dense(const View<T>& view) : x(view), kernels(isa::kernels<T>()) {}
  index rows() const { return x.rows; }
  index depth() const { return x.cols; }
  double work_per_column() const { return static_cast<double>(x.cols); }

  Nearest<T> nearest(index k, const double* shift) const { return Nearest<T>(k, x.cols, shift); }

  Screen<T> screen(const double* shift) const { return Screen<T>(x.cols, shift); }

  // sums += rows [first, first + count) by label; labels of the block, or null for one line.
  void accumulate(index first, index count, const double* weights, const double* shift,
                  const std::int32_t* labels, double* sums, index stride) const {
    sum(x.row(first), x.readable(first), count, weights ? weights + first : nullptr, shift, labels,
        nullptr, sums, stride);
  }
  // One line += the rows listed.
  void accumulate_listed(const index* order, index count, const double* weights, const double* shift,
                         double* sums) const {
    sum(x.data, x.readable(0), count, weights, shift, nullptr, order, sums, 0);
  }
  // out[r] = |x_r - c_label(r)|^2 for a block.
  void labelled(index first, index count, const ExactCenters& c, const std::int32_t* labels,
                double* out) const {
    kernels.labelled({x.row(first), x.stride, count, x.cols, x.readable(first), c.row(0), c.stride,
                      labels, out});
  }
  void distances(index i, const ExactCenters& c, double* out) const {
    kernels.distances(x.row(i), x.cols, c.row(0), c.stride, c.k, out);
  }
  double distance(index i, const ExactCenters& c, index j) const {
    return kernels.distance(x.row(i), x.cols, c.row(j));
  }
  void copy(index i, T* out) const { std::copy(x.row(i), x.row(i) + x.cols, out); }
  void moments(index first, index count, const double* weights, const double* shift, double* s1,
               double* s2) const {
    SumTask<T> t{x.row(first), x.stride, count,   x.cols,  x.readable(first), shift,
                 weights ? weights + first : nullptr, nullptr, nullptr, nullptr, 0};
    kernels.moments(t, s1, s2);
  }

  const View<T>& x;
  const Kernels<T>& kernels;

 private:
  void sum(const T* row, index readable, index count, const double* weights, const double* shift,
           const std::int32_t* labels, const index* order, double* sums, index stride) const {
    kernels.accumulate(
        {row, x.stride, count, x.cols, readable, shift, weights, labels, order, sums, stride});
  }
};

// CSR rows are not screened: a candidate costs a few stored values.
template <class T>
struct NoScreen {
  void set(const T*, index) {}
  T threshold(double, double) const { return 0; }
  void block(const Csr<T>&, index, index rows, const T*, std::uint16_t* masks) const {
    std::fill(masks, masks + rows, std::uint16_t(0xffff));
  }
};

template <class T>
struct Sparse {
  using Value = T;
  static constexpr bool centred = false;  // subtracting a mean would densify

  explicit Sparse(const Csr<T>& csr) : x(csr) {}
  index rows() const { return x.rows; }
  index depth() const { return x.cols; }
  double work_per_column() const {
    return static_cast<double>(x.start[x.rows] - x.start[0]) / static_cast<double>(std::max<index>(1, x.rows));
  }

  SparseNearest<T> nearest(index k, const double*) const {
    index longest = 0;
    for (index i = 0; i < x.rows; ++i) longest = std::max(longest, x.start[i + 1] - x.start[i]);
    return SparseNearest<T>(k, x.cols, longest);
  }
  NoScreen<T> screen(const double*) const { return {}; }
  void accumulate(index first, index count, const double* weights, const double*,
                  const std::int32_t* labels, double* sums, index stride) const {
    for (index r = 0; r < count; ++r)
      add(first + r, weights, sums + (labels ? labels[r] * stride : 0));
  }
  void accumulate_listed(const index* order, index count, const double* weights, const double*,
                         double* sums) const {
    for (index r = 0; r < count; ++r) add(order[r], weights, sums);
  }
  void labelled(index first, index count, const ExactCenters& c, const std::int32_t* labels,
                double* out) const {
    for (index r = 0; r < count; ++r) out[r] = sparse_distance(x, first + r, c, labels[r]);
  }
  void distances(index i, const ExactCenters& c, double* out) const {
    for (index j = 0; j < c.k; ++j) out[j] = sparse_distance(x, i, c, j);
  }
  double distance(index i, const ExactCenters& c, index j) const { return sparse_distance(x, i, c, j); }
  void copy(index i, T* out) const {
    std::fill(out, out + x.cols, T(0));
    for (index e = x.start[i]; e < x.start[i + 1]; ++e) out[x.column[e]] = x.value[e];
  }
  void moments(index first, index count, const double* weights, const double*, double* s1,
               double* s2) const {
    for (index i = first; i < first + count; ++i) {
      const double w = weights ? weights[i] : 1;
      for (index e = x.start[i]; e < x.start[i + 1]; ++e) {
        const double v = x.value[e];
        s1[x.column[e]] += w * v;
        s2[x.column[e]] += w * v * v;
      }
    }
  }

  const Csr<T>& x;

 private:
  void add(index i, const double* weights, double* line) const {
    const double w = weights ? weights[i] : 1;
    for (index e = x.start[i]; e < x.start[i + 1]; ++e) line[x.column[e]] += w * double(x.value[e]);
    line[x.cols] += w;
  }
};

template <class T>
Dense<T> source(const View<T>& x) {
  return Dense<T>(x);
}
template <class T>
Sparse<T> source(const Csr<T>& x) {
  return Sparse<T>(x);
}

// Explicit instantiation for the four kinds of X.
#define COTERIE_FOR_ALL_ROWS(F) F(View<float>, float) F(View<double>, double) F(Csr<float>, float) F(Csr<double>, double)

}  // namespace coterie::kmeans
