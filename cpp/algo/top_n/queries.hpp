// A batch of queries as the filters want them.
#pragma once
#include "select.hpp"

namespace coterie::top_n {

enum class Filter {
  rows,    // float32 products with items as they lie: a few queries
  halves,  // the same with the upper halves of items
  panels,  // float32 products with packed items
  bytes,   // products of bytes
};

template <class T>
class Queries {
 public:
  Queries(const View<T>& queries, const Items<T>& items, const Selector<T>& selector, Filter filter,
          std::vector<index> ids, int n_threads);  // ids: which queries

  index count() const { return static_cast<index>(ids_.size()); }
  index id(index j) const { return ids_[static_cast<std::size_t>(j)]; }
  const Seen& seen(index j) const { return seen_[static_cast<std::size_t>(j)]; }

  const float* lines(index j) const {
    return floats_.data() + j * line_;
  }  // rows; panels: j whole tiles
  const float* zeros() const { return zeros_.data(); }
  index line() const { return line_; }

  const std::int32_t* bytes(index j) const { return bytes_.data() + j * words_; }
  index words() const { return words_; }
  const std::int32_t* starts() const { return starts_.data(); }
  const float* scales() const { return scales_.data(); }
  const float* reaches() const { return reaches_.data(); }

 private:
  void as_floats(const View<T>& queries, const Items<T>& items, index j, float* out) const;
  void place(Filter filter, index j, index depth, const float* row);
  void to_bytes(const Selector<T>& selector, index j, const float* row);

  std::vector<index> ids_;
  index line_, words_;
  std::vector<Seen> seen_;
  Buffer<float> floats_, zeros_, scales_, reaches_;
  Buffer<std::int32_t> bytes_, starts_;
};

}  // namespace coterie::top_n
