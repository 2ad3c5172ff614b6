// A batch of queries as the filters want them.
#pragma once
#include "select.hpp"

namespace coterie::top_n {

enum class Filter {
  rows,    // float32 products with items as they lie: a few queries
  panels,  // float32 products with packed items
  bytes,   // products of bytes
};

template <class T>
class Queries {
 public:
  // Queries [first, first + count). lines: of a packed item (its depth, and a bias if there is one).
  Queries(const View<T>& queries, const Items<T>& items, const Selector<T>& selector, Filter filter,
          index first, index count, index lines);

  index first() const { return first_; }
  index count() const { return count_; }
  const Seen* seen() const { return seen_.data(); }

  const float* lines(index j) const { return floats_.data() + j * line_; }   // rows; panels: j whole tiles
  const float* zeros() const { return zeros_.data(); }
  index line() const { return line_; }

  const std::int32_t* bytes(index j) const { return bytes_.data() + j * words_; }
  index words() const { return words_; }
  const std::int32_t* starts() const { return starts_.data(); }
  const float* scales() const { return scales_.data(); }
  const float* reaches() const { return reaches_.data(); }

 private:
  void as_floats(const View<T>& queries, const Items<T>& items, index j, float* out) const;
  void to_bytes(const Selector<T>& selector, index j, const float* row);

  index first_, count_, line_, words_;
  std::vector<Seen> seen_;
  Buffer<float> floats_, zeros_, scales_, reaches_;
  Buffer<std::int32_t> bytes_, starts_;
};

}  // namespace coterie::top_n
