#include "nearest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace coterie {
namespace {

constexpr double kTagged = 128;  // argmin.hpp spends 6 bits of a score on the column: 128 half-ulps
constexpr index kLowDepth = 12;   // argmin_low.hpp (bench: low): above it the tile is as fast
constexpr index kRowsDepth = 128, kRowsColumns = 20;  // argmin_rows.hpp (bench: rows)

// A centre this far out (half its squared norm) may overflow a score in either direction: with an infinite
// floor every row is then listed.
template <class T>
T floor_for(T floor, double farthest) {
  return farthest < double(kHuge<T>) / 4 ? floor : std::numeric_limits<T>::infinity();
}

}  // namespace

bool nearest_of(const double* distances, index k, std::int32_t& label) {
  index best = 0;
  for (index j = 1; j < k; ++j)
    if (distances[j] < distances[best]) best = j;
  label = static_cast<std::int32_t>(best);
  return std::isfinite(distances[best]);
}

template <class T>
Nearest<T>::Nearest(index k, index depth, const double* shift)
    : kernels_(isa::kernels<T>()),
      k_(k),
      depth_(depth),
      kernel_(depth <= kLowDepth                               ? Kernel::low
              : depth >= kRowsDepth && k <= kRowsColumns ? Kernel::rows
                                                               : Kernel::tile),
      padded_(round_up(k, kernel_ == Kernel::low    ? 4
                          : kernel_ == Kernel::rows ? kernels_.rows_columns
                                                    : kernels_.nr)),
      line_(kernel_ == Kernel::rows ? round_up(depth, kernels_.width) : depth),
      band_(T(band_of<T>(kernel_ == Kernel::rows ? double(depth) / double(kernels_.width) + 12
                                                 : double(depth) + 4 + kTagged))),
      floor_(T(floor_of<T>(depth))),
      floor_now_(floor_),
      shift_(round_up(depth, 16), T(0)),
      centered_(checked_product(k, depth)),
      lines_(kernel_ == Kernel::tile ? 0 : checked_product(padded_, line_), T(0)),
      bias_(padded_, kHuge<T>),
      panels_(Side::broadcast, depth, kernel_ == Kernel::tile ? k : 0),
      exact_(k, depth) {
  for (index f = 0; f < depth; ++f) shift_[f] = static_cast<T>(shift[f]);
}

template <class T>
void Nearest<T>::set(const T* centers) {
  exact_.set(centers);
  double farthest = 0;
  Buffer<double> line(depth_);
  for (index j = 0; j < k_; ++j) {
    for (index f = 0; f < depth_; ++f) {
      const T y = shift_[f] - centers[j * depth_ + f];
      centered_[j * depth_ + f] = y;
      line[f] = double(y);
    }
    const double half = sum_squares(line.data(), depth_) / 2;
    bias_[j] = static_cast<T>(std::min(half, double(kHuge<T>)));
    farthest = std::max(farthest, half);
  }
  floor_now_ = floor_for(floor_, farthest);
  const T* from = centered_.data();
  if (kernel_ == Kernel::tile) {
    panels_.pack_rows(from);
  } else {
    for (index j = 0; j < k_; ++j)
      std::copy(from + j * depth_, from + (j + 1) * depth_, lines_.data() + j * line_);
  }
}

template <class T>
NearestScratch<T> Nearest<T>::scratch() const {
  const index panel = kernel_ == Kernel::low    ? depth_ * round_up(kBlockRows, kernels_.width)
                      : kernel_ == Kernel::tile ? kernels_.tile_scratch(depth_)
                                                : 0;
  return NearestScratch<T>(panel, k_);
}

template <class T>
index Nearest<T>::block(const View<T>& x, index first, index rows, std::int32_t* labels,
                        NearestScratch<T>& scratch) const {
  ArgminTask<T> task;
  task.x = x.row(first);
  task.ld = x.stride;
  task.rows = rows;
  task.depth = depth_;
  task.readable = x.readable(first);
  task.shift = shift_.data();
  task.columns = kernel_ == Kernel::tile ? panels_.data() : lines_.data();
  task.bias = bias_.data();
  task.n_columns = k_;
  task.band = band_;
  task.floor = floor_now_;
  task.scratch = scratch.panel.data();
  task.labels = labels;
  task.near = scratch.near.data();
  const index listed = kernel_ == Kernel::low    ? kernels_.argmin_low[depth_ - 1](task)
                       : kernel_ == Kernel::rows ? kernels_.argmin_rows(task)
                                                 : kernels_.argmin_tile(task);
  for (index i = 0; i < listed && !threads::stopped(); ++i) {
    const index r = scratch.near[i];
    kernels_.distances(x.row(first + r), depth_, exact_.row(0), exact_.stride, k_,
                       scratch.distances.data());
    if (!nearest_of(scratch.distances.data(), k_, labels[r])) return first + r;
  }
  return -1;
}

template <class T>
SparseNearest<T>::SparseNearest(index k, index depth, index max_row)
    : kernels_(isa::kernels<T>()),
      k_(k),
      depth_(depth),
      stride_(round_up(k, kernels_.sparse_columns)),
      band_(T(band_of<T>(static_cast<double>(max_row) + 4))),
      floor_(T(floor_of<T>(max_row))),
      floor_now_(floor_),
      columns_(checked_product(depth, stride_), T(0)),
      bias_(stride_, kHuge<T>),
      exact_(k, depth) {}

template <class T>
void SparseNearest<T>::set(const T* centers) {
  exact_.set(centers);
  double farthest = 0;
  for (index j = 0; j < k_; ++j) {
    for (index f = 0; f < depth_; ++f) columns_[f * stride_ + j] = -centers[j * depth_ + f];
    bias_[j] = static_cast<T>(std::min(exact_.sq_norm(j) / 2, double(kHuge<T>)));
    farthest = std::max(farthest, exact_.sq_norm(j) / 2);
  }
  floor_now_ = floor_for(floor_, farthest);
}

template <class T>
NearestScratch<T> SparseNearest<T>::scratch() const {
  return NearestScratch<T>(0, k_);
}

template <class T>
index SparseNearest<T>::block(const Csr<T>& x, index first, index rows, std::int32_t* labels,
                              NearestScratch<T>& scratch) const {
  SparseArgminTask<T> task;
  task.value = x.value;
  task.column = x.column;
  task.start = x.start + first;
  task.rows = rows;
  task.columns = columns_.data();
  task.stride = stride_;
  task.bias = bias_.data();
  task.n_columns = k_;
  task.band = band_;
  task.floor = floor_now_;
  task.labels = labels;
  task.near = scratch.near.data();
  const index listed = kernels_.argmin_sparse(task);
  for (index i = 0; i < listed; ++i) {
    const index r = scratch.near[i];
    for (index j = 0; j < k_; ++j) scratch.distances[j] = sparse_distance(x, first + r, exact_, j);
    if (!nearest_of(scratch.distances.data(), k_, labels[r])) return first + r;
  }
  return -1;
}

template class Nearest<float>;
template class Nearest<double>;
template class SparseNearest<float>;
template class SparseNearest<double>;

}  // namespace coterie
