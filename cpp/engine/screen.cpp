#include "screen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "isa.hpp"
#include "rounding.hpp"

namespace coterie {

template <class T>
Screen<T>::Screen(index depth, const double* shift)
    : kernels_(isa::kernels<T>()),
      depth_(depth),
      band_(band_of<T>(static_cast<double>(depth) + 8)),
      floor_(floor_of<T>(depth)),
      shift_(depth),
      columns_(checked_product(kScreened, depth)),
      bias_(kScreened) {
  std::copy(shift, shift + depth, shift_.data());
  for (index f = 0; f < depth; ++f) shift_norm_ += shift[f] * shift[f];
  shift_norm_ = std::sqrt(shift_norm_);
}

template <class T>
void Screen<T>::set(const T* candidates, index count) {
  count_ = count;
  columns_.fill(T(0));
  bias_.fill(kHuge<T>);
  const index w = kernels_.width;
  for (index j = 0; j < count; ++j) {
    double bias = 0;
    for (index f = 0; f < depth_; ++f) {
      const T c = static_cast<T>(static_cast<double>(candidates[j * depth_ + f]) - shift_[f]);
      columns_[(j / w * depth_ + f) * w + j % w] = -c;
      bias += static_cast<double>(c) * (static_cast<double>(c) / 2 + shift_[f]);
    }
    bias_[j] = static_cast<T>(std::clamp(bias, -double(kHuge<T>), double(kHuge<T>)));
  }
}

template <class T>
T Screen<T>::threshold(double sq_norm, double closest) const {
  // A candidate that is closer has |c'| <= |x'| + sqrt(closest).
  const double near = std::sqrt(sq_norm), reach = near + std::sqrt(closest);
  const double size = (near + 2 * shift_norm_) * reach + reach * reach / 2;
  // Where a score could overflow, no number is safe: a NaN lets every candidate through.
  if (!(size < double(kHuge<T>) / 4)) return std::numeric_limits<T>::quiet_NaN();
  const double error = band_ * size + floor_;
  const double bound = (closest - sq_norm) / 2 + error;
  return static_cast<T>(bound + std::abs(bound) * 2 * std::numeric_limits<T>::epsilon());
}

template <class T>
void Screen<T>::block(const View<T>& x, index first, index rows, const T* thresholds,
                      std::uint16_t* masks) const {
  kernels_.screen({x.row(first), x.stride, rows, depth_, columns_.data(), bias_.data(), count_,
                   thresholds, masks});
}

template class Screen<float>;
template class Screen<double>;

}  // namespace coterie
