#include "queries.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "../../base/threads.hpp"
#include "../../engine/rounding.hpp"

namespace coterie::top_n {

template <class T>
Queries<T>::Queries(const View<T>& queries, const Items<T>& items, const Selector<T>& selector,
                    Filter filter, std::vector<index> ids, int n_threads)
    : ids_(std::move(ids)),
      line_(filter == Filter::rows || filter == Filter::halves ? round_up(items.rows().cols, 16)
                                                               : items.rows().cols),
      words_(items.words()),
      seen_(ids_.size()) {
  const index count = this->count();
  const index padded = round_up(count, isa::kernels<float>().nr);
  zeros_ = Buffer<float>(padded, 0.0f);
  if (filter == Filter::bytes) {
    bytes_ = Buffer<std::int32_t>(checked_product(padded, words_), 0);
    starts_ = Buffer<std::int32_t>(padded, 0);
    scales_ = Buffer<float>(padded + panel_rows(), 0.0f);
    reaches_ = Buffer<float>(padded + panel_rows(), 0.0f);
  } else {
    floats_ = Buffer<float>(checked_product(padded, line_), 0.0f);
  }
  constexpr index kBlock = 64;
  threads::parallel_blocks((count + kBlock - 1) / kBlock, n_threads, [&](index b, int) {
    Buffer<float> row(round_up(items.rows().cols, 16), 0.0f);
    for (index j = b * kBlock; j < std::min(count, (b + 1) * kBlock); ++j) {
      seen_[static_cast<std::size_t>(j)] = selector.see(id(j));
      as_floats(queries, items, j, row.data());
      if (filter == Filter::bytes)
        to_bytes(selector, j, row.data());
      else
        place(filter, j, items.rows().cols, row.data());
    }
  });
}

template <class T>
void Queries<T>::place(Filter filter, index j, index depth, const float* row) {
  if (filter == Filter::panels) {
    const index nr = isa::kernels<float>().nr;
    float* panel = floats_.data() + j / nr * nr * line_ + j % nr;
    for (index p = 0; p < depth; ++p) panel[p * nr] = row[p];
    return;
  }
  if (filter == Filter::halves) seen_[static_cast<std::size_t>(j)].reach = 1 + 1e-6;
  std::copy_n(row, depth, floats_.data() + j * line_);
}

template <class T>
void Queries<T>::as_floats(const View<T>& queries, const Items<T>& items, index j,
                           float* out) const {
  const double scale = seen_[static_cast<std::size_t>(j)].scale;
  if (scale == 0) {
    std::fill_n(out, queries.cols, 0.0f);
    return;
  }
  leaves<T>().scaled(
      {queries.row(id(j)), queries.stride, 1, queries.cols, items.shift(), &scale, out});
}

template <class T>
void Queries<T>::to_bytes(const Selector<T>& selector, index j, const float* row) {
  const index nr = isa::kernels<float>().nr, depth = static_cast<index>(words_) * 4;
  Seen& seen = seen_[static_cast<std::size_t>(j)];
  std::int32_t* panel = bytes_.data() + j / nr * nr * words_ + j % nr;
  float squares;
  // The row is zero beyond its depth, and so are its bytes.
  isa::table().top_n->quantise(row, depth, nr * 4, 0, reinterpret_cast<std::uint8_t*>(panel),
                               &scales_[j], &squares);
  std::int32_t sum = 0;
  for (index w = 0; w < words_; ++w)
    for (int b = 0; b < 4; ++b) sum += reinterpret_cast<const std::int8_t*>(panel + w * nr)[b];
  starts_[j] = -128 * sum;
  reaches_[j] = selector.widen(seen, radius_of(squares, depth));
}

template class Queries<float>;
template class Queries<double>;

}  // namespace coterie::top_n
