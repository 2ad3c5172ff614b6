// Points in panels of sixteen, as the pair kernels read them, that can be written, moved and
// dropped.
#pragma once
#include <algorithm>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"
#include "../../engine/isa.hpp"

namespace coterie::linkage {

constexpr index kPanel = 16;
constexpr index kChunkBytes =
    24576;  // of points that several queries share: they stay in the L1 cache

inline index whole_panels(index n) { return (n + kPanel - 1) / kPanel * kPanel; }

class Points {
 public:
  explicit Points(const View<double>& x)
      : count(x.rows), depth(x.cols), panels_(checked_product(whole_panels(x.rows), x.cols), 0.0) {
    for (index i = 0; i < count; ++i) write(i, x.row(i));
  }
  void write(index i, const double* point) {
    double* to = at(i);
    for (index f = 0; f < depth; ++f) to[f * kPanel] = point[f];
  }
  void fill(index i, double value) {
    double* to = at(i);
    for (index f = 0; f < depth; ++f) to[f * kPanel] = value;
  }
  void read(index i, double* point) const {
    const double* from = const_cast<Points*>(this)->at(i);
    for (index f = 0; f < depth; ++f) point[f] = from[f * kPanel];
  }
  void move(index from, index to) {
    if (from == to) return;
    const double* a = at(from);
    double* b = at(to);
    for (index f = 0; f < depth; ++f) b[f * kPanel] = a[f * kPanel];
  }
  // `point` against points [first, first + size), first the start of a panel.
  PairTask task(const double* point, index first, index size) const {
    return {point, panels_.data() + first * depth, depth, size};
  }

  index count;  // of points that are left; the first ones
  const index depth;

 private:
  double* at(index i) { return panels_.data() + i / kPanel * kPanel * depth + i % kPanel; }
  Buffer<double> panels_;
};

}  // namespace coterie::linkage
