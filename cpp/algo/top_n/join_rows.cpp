#include "join_rows.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "../../base/threads.hpp"

namespace coterie::top_n {
namespace {

constexpr double kShortBytes = 0x1p-10, kShort = 0x1p-20;
constexpr index kBlock = 256;  // rows a task

}  // namespace

template <class T>
JoinRows<T>::JoinRows(const Items<T>& items, const Options& options, const Selector<T>& selector)
    : items_(items),
      x_(items.rows()),
      selector_(selector),
      zeros_(kChunk, 0.0f),
      lengths_(x_.rows),
      biases_(round_up(x_.rows, mr_) + 2 * mr_, 0.0f) {
  std::copy_n(items.biases(), x_.rows, biases_.data());
  if (items.has_bytes()) {
    const index size = round_up(x_.rows, mr_) + 2 * mr_;
    scales_ = Buffer<float>(size, 0.0f);
    reaches_ = Buffer<float>(size, 0.0f);
    radii_ = Buffer<float>(size, 0.0f);
    starts_ = Buffer<std::int32_t>(size, 0);
    std::copy_n(items.byte_scales(), x_.rows, scales_.data());
    std::copy_n(items.radii(), x_.rows, radii_.data());
  }
  threads::parallel_blocks((x_.rows + kBlock - 1) / kBlock, options.n_threads, [&](index b, int) {
    for (index i = b * kBlock; i < std::min(x_.rows, (b + 1) * kBlock); ++i) measure(i);
  });
  for (index i = 0; i < x_.rows && options.deny != nullptr; ++i)
    if (options.deny[i]) biases_[i] = -FLT_MAX;
}

template <class T>
void JoinRows<T>::measure(index i) {
  lengths_[i] = items_.unit() ? float(items_.lengths()[i] > 0)
                : items_.biased()
                    ? std::sqrt(-2 * items_.biases()[i])
                    : float(norm(x_.row(i), x_.cols, items_.zeros()) * items_.scale());
  if (!items_.has_bytes()) return;
  Seen seen = this->seen(i);
  reaches_[i] = selector_.widen(seen, items_.radii()[i]);
  std::int32_t sum = 0;
  over_words(i, [&](index, std::int32_t word) {
    for (int p = 0; p < 4; ++p) sum += static_cast<std::int8_t>(word >> (8 * p) & 255);
  });
  starts_[i] = -128 * sum;
}

template <class T>
bool JoinRows<T>::too_short(index i) const {
  if (items_.unit() || items_.biased() || lengths_[i] == 0) return false;
  return lengths_[i] < (items_.has_bytes() ? kShortBytes : kShort);
}

// Row i as a query: an item's bytes are a query's and 128. What lies beyond the depth is 0.
template <class T>
template <class F>
void JoinRows<T>::over_words(index i, const F& f) const {
  const index words = items_.words(), rest = 4 * words - x_.cols;
  const std::int32_t* row = items_.bytes(i / mr_) + i % mr_;
  for (index w = 0; w < words; ++w) {
    std::uint32_t word = static_cast<std::uint32_t>(row[w * mr_]) ^ 0x80808080u;
    if (w == words - 1) word &= 0xffffffffu >> 8 * rest;
    f(w, static_cast<std::int32_t>(word));
  }
}

template <class T>
typename JoinRows<T>::Packed JoinRows<T>::room(index queries) const {
  Packed to;
  if (items_.has_bytes()) {
    to.bytes = Buffer<std::int32_t>(checked_product(queries, items_.words()), 0);
    return to;
  }
  to.rows = Buffer<float>(checked_product(mr_, x_.cols + 1));
  to.panel = Buffer<float>(checked_product(mr_, x_.cols));
  to.queries = Buffer<float>(checked_product(queries, x_.cols), 0.0f);
  to.partial = Buffer<float>(isa::kernels<float>().tile_scratch(x_.cols));
  return to;
}

template <class T>
void JoinRows<T>::pack_queries(index first, index last, Packed& packed) const {
  const index words = items_.words(), depth = x_.cols;
  packed.first = first;
  for (index j = first; j < last; ++j) {
    const index tile = (j - first) / nr_ * nr_, lane = (j - first) % nr_;
    if (items_.has_bytes()) {
      std::int32_t* to = packed.bytes.data() + tile * words + lane;
      over_words(j, [&](index p, std::int32_t word) { to[p * nr_] = word; });
      continue;
    }
    items_.scaled(j, 1, packed.rows.data());
    float* to = packed.queries.data() + tile * depth + lane;
    for (index p = 0; p < depth; ++p) to[p * nr_] = packed.rows[p];
  }
}

template <class T>
void JoinRows<T>::pack_items(index i, Packed& to) const {
  if (!items_.has_bytes()) items_.pack(i / mr_, to.rows.data(), to.panel.data());
}

template <class T>
TopNTask JoinRows<T>::floats(Packed& packed, index i, index j, index count) const {
  return {packed.panel.data(),
          packed.queries.data() + (j - packed.first) * x_.cols,
          zeros_.data(),
          x_.cols,
          count,
          static_cast<std::uint32_t>(i),
          std::min(mr_, x_.rows - i),
          biases_.data() + i,
          {},
          packed.partial.data(),
          {},
          static_cast<std::uint32_t>(j),
          biases_.data() + j};
}

template <class T>
TopNInt8Task JoinRows<T>::bytes(Packed& packed, index i, index j, index count) const {
  return {items_.bytes(i / mr_),
          packed.bytes.data() + (j - packed.first) * items_.words(),
          items_.words(),
          count,
          static_cast<std::uint32_t>(i),
          std::min(mr_, x_.rows - i),
          {},
          starts_.data() + j,
          scales_.data() + j,
          reaches_.data() + j,
          items_.byte_scales() + i,
          items_.radii() + i,
          biases_.data() + i,
          !items_.biased(),
          {},
          static_cast<std::uint32_t>(j),
          biases_.data() + j,
          radii_.data() + j,
          reaches_.data() + i};
}

template <class T>
void JoinRows<T>::raise_peaks(Packed& packed, index i, index j, index count, float* peaks) const {
  if (items_.has_bytes())
    byte_kernels().top_n(bytes(packed, i, j, count), peaks);
  else
    isa::table().top_n->top_n_peaks(floats(packed, i, j, count), peaks);
}

template <class T>
void JoinRows<T>::find(Packed& packed, index i, index j, index count,
                       CandidateLists of_queries) const {
  if (items_.has_bytes()) {
    TopNInt8Task task = bytes(packed, i, j, count);
    task.of_queries = of_queries;
    return byte_kernels().top_n(task, nullptr);
  }
  TopNTask task = floats(packed, i, j, count);
  task.of_queries = of_queries;
  isa::table().top_n->top_n(task);
}

template <class T>
void JoinRows<T>::find_both(Packed& packed, index i, index j, index count,
                            CandidateLists of_queries, CandidateLists of_items) const {
  if (items_.has_bytes()) {
    TopNInt8Task task = bytes(packed, i, j, count);
    task.of_queries = of_queries, task.of_items = of_items;
    return byte_kernels().top_n_both(task);
  }
  TopNTask task = floats(packed, i, j, count);
  task.of_queries = of_queries, task.of_items = of_items;
  isa::table().top_n->top_n_both(task);
}

template class JoinRows<float>;
template class JoinRows<double>;

}  // namespace coterie::top_n
