// The packed side of a tile product, made once and kept by the caller for as long as it multiplies:
// centres over an iteration, a layer's weights over a step.
#pragma once
#include "../base/buffer.hpp"
#include "../base/threads.hpp"
#include "../base/view.hpp"
#include "isa.hpp"
#include "rounding.hpp"

namespace coterie {

enum class Side {
  lanes,      // panels of MR columns, as `store` wants them
  broadcast,  // panels of NR columns, as `reduce_rows` wants them
};

template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(Side side, index depth, index columns)
      : kernels_(&isa::kernels<T>()),
        depth_(depth),
        columns_(columns),
        panel_(side == Side::lanes ? kernels_->mr : kernels_->nr),
        values_(checked_product(round_up(columns, panel_), depth)) {}

  index depth() const { return depth_; }
  index columns() const { return columns_; }
  index padded() const { return round_up(columns_, panel_); }
  const T* data() const { return values_.data(); }

  // From a C-ordered depth x columns matrix; side lanes.
  void pack(const View<T>& y, int n_threads) {
    threads::parallel_blocks(padded() / panel_, n_threads, [&](index p, int) {
      const index j = p * panel_;
      kernels_->pack_lanes_t(y.data + j, y.stride, depth_, std::min(panel_, columns_ - j),
                             values_.data() + j * depth_);
    });
  }
  // From the columns as rows, C-ordered columns x depth; side broadcast.
  void pack_rows(const T* y) {
    for (index j = 0; j < columns_; j += panel_)
      kernels_->pack_columns(y + j * depth_, depth_, columns_ - j, depth_,
                             values_.data() + j * depth_);
  }

 private:
  const Kernels<T>* kernels_ = nullptr;
  index depth_ = 0, columns_ = 0, panel_ = 1;
  Buffer<T> values_;
};

}  // namespace coterie
