// Nearest of k centres for blocks of rows: the engine's `reduce_rows` with an argmin epilogue.
//
// Exact by construction. A float kernel, chosen by shape, scores every row against all centres on
// shifted data and lists the rows whose two best scores are closer than its rounding error; those are
// decided from float64 differences (engine/leaf/exact.hpp). So the label is always the argmin of
//
//   sum_f (double(x_f) - double(c_f))^2,   ties to the lowest index,
//
// whatever the ISA, the kernel, the block or the thread.
#pragma once
#include "packed.hpp"

namespace coterie {

constexpr index kBlockRows = 512;  // rows a kernel call; labels and X stay in cache for what follows

// Working memory of one thread.
template <class T>
struct NearestScratch {
  NearestScratch() = default;
  NearestScratch(index panel, index k) : panel(panel), distances(k), near(kBlockRows) {}
  Buffer<T> panel;
  Buffer<double> distances;
  Buffer<std::int32_t> near;
};

// sum of v_f^2 in eight chains: one would wait for itself.
inline double sum_squares(const double* v, index n) {
  double chain[8] = {};
  index f = 0;
  for (; f + 8 <= n; f += 8)
    for (index q = 0; q < 8; ++q) chain[q] += v[f + q] * v[f + q];
  for (; f < n; ++f) chain[f % 8] += v[f] * v[f];
  return ((chain[0] + chain[4]) + (chain[2] + chain[6])) + ((chain[1] + chain[5]) + (chain[3] + chain[7]));
}

// Centres as float64 rows, padded with zeros to a multiple of 8, and their squared norms.
class ExactCenters {
 public:
  ExactCenters(index k, index depth)
      : k(k),
        depth(depth),
        stride((depth + 7) / 8 * 8),
        values_(checked_product(k, stride), 0.0),
        sq_norms_(k) {}

  const double* row(index j) const { return values_.data() + j * stride; }
  double sq_norm(index j) const { return sq_norms_[j]; }
  template <class T>
  void set_row(index j, const T* center) {
    double* to = values_.data() + j * stride;
    for (index f = 0; f < depth; ++f) to[f] = static_cast<double>(center[f]);
    sq_norms_[j] = sum_squares(to, depth);
  }
  template <class T>
  void set(const T* centers) {
    for (index j = 0; j < k; ++j) set_row(j, centers + j * depth);
  }

  const index k, depth, stride;

 private:
  Buffer<double> values_, sq_norms_;
};

// |x_i - c_j|^2 in float64 from the stored values' differences.
template <class T>
double sparse_distance(const Csr<T>& x, index i, const ExactCenters& centers, index j) {
  const double* c = centers.row(j);
  double sum = centers.sq_norm(j);
  for (index e = x.start[i]; e < x.start[i + 1]; ++e) {
    const double at = c[x.column[e]], d = static_cast<double>(x.value[e]) - at;
    sum += d * d - at * at;
  }
  return sum < 0 ? 0 : sum;  // a NaN stays one: the caller looks for it
}

// The label that float64 distances give; false where the smallest is not finite.
bool nearest_of(const double* distances, index k, std::int32_t& label);

template <class T>
class Nearest {
 public:
  // shift: `depth` values near the middle of the data (its mean), against cancellation.
  Nearest(index k, index depth, const double* shift);
  void set(const T* centers);  // k x depth, C-ordered

  NearestScratch<T> scratch() const;
  // labels[i] for rows [first, first + rows) of x, rows <= kBlockRows.
  // Returns the first row without a finite distance (NaN, infinity or overflow), or -1.
  index block(const View<T>& x, index first, index rows, std::int32_t* labels,
              NearestScratch<T>& scratch) const;

  const ExactCenters& exact() const { return exact_; }
  const T* shift() const { return shift_.data(); }

 private:
  enum class Kernel { low, rows, tile };
  const Kernels<T>& kernels_;
  const index k_, depth_;
  const Kernel kernel_;
  const index padded_, line_;  // columns with padding; elements a packed column takes
  T band_, floor_, floor_now_;
  Buffer<T> shift_, centered_, lines_, bias_;
  PackedMatrix<T> panels_;  // Kernel::tile; the others read lines
  ExactCenters exact_;
};

// CSR rows: no shift. `max_row`: the largest number of stored values in a row.
template <class T>
class SparseNearest {
 public:
  SparseNearest(index k, index depth, index max_row);
  void set(const T* centers);
  NearestScratch<T> scratch() const;
  index block(const Csr<T>& x, index first, index rows, std::int32_t* labels,
              NearestScratch<T>& scratch) const;
  const ExactCenters& exact() const { return exact_; }

 private:
  const Kernels<T>& kernels_;
  const index k_, depth_, stride_;
  T band_, floor_, floor_now_;
  Buffer<T> columns_, bias_;
  ExactCenters exact_;
};

}  // namespace coterie
