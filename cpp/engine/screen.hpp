// Which of a few candidates may lie closer to a row than what it has? The filter of k-means++.
//
// Half squared distances about a shift s, x' = x - s and c' = c - s:
//   |x - c|^2 / 2 = |x'|^2 / 2 + (|c'|^2 / 2 + <s, c'>) - <x, c'>
// so x itself is read, and only the candidates are shifted. A row's threshold compares the last two
// terms with (closest - |x'|^2) / 2 and holds the rounding error, so `no` is certain.
#pragma once
#include "../base/buffer.hpp"
#include "../base/view.hpp"
#include "table.hpp"

namespace coterie {

constexpr index kScreened = 16;  // candidates at a time: one bit each

template <class T>
class Screen {
 public:
  Screen(index depth, const double* shift);
  void set(const T* candidates, index count);  // count x depth, count <= kScreened
  // For a row with |x - shift|^2 = sq_norm whose nearest centre so far is at `closest`.
  T threshold(double sq_norm, double closest) const;
  // masks[i]: the candidates that may be closer, for rows [first, first + rows).
  void block(const View<T>& x, index first, index rows, const T* thresholds, std::uint16_t* masks) const;

 private:
  const Kernels<T>& kernels_;
  const index depth_;
  index count_ = 0;
  const double band_, floor_;
  double shift_norm_ = 0;
  Buffer<double> shift_;
  Buffer<T> columns_, bias_;
};

}  // namespace coterie
