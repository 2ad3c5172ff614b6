// A binary heap of edges by (distance, smaller name, larger name), each edge's place in it known.
//
// A stored key may lie below the true one: it must never lie above. The root alone has to be true,
// so most changes upwards cost nothing until they matter.
#pragma once
#include <utility>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"

namespace coterie::linkage {

struct EdgeKey {
  double distance;
  std::int32_t low, high;
  bool operator<(const EdgeKey& o) const {
    if (distance != o.distance) return distance < o.distance;
    return low != o.low ? low < o.low : high < o.high;
  }
};

class EdgeHeap {
 public:
  explicit EdgeHeap(index edges) : key_(edges), heap_(edges), place_(edges) {}

  bool empty() const { return size_ == 0; }
  std::int32_t root() const { return heap_[0]; }
  const EdgeKey& key(std::int32_t e) const { return key_[e]; }

  // All edges at once: set every key with `start`, then call `order`.
  void start(std::int32_t e, const EdgeKey& key) {
    key_[e] = key;
    heap_[e] = place_[e] = e;
  }
  void order() {
    size_ = static_cast<std::int32_t>(heap_.size());
    for (std::int32_t at = size_ / 2; at-- > 0;) down(at);
  }
  void set(std::int32_t e, const EdgeKey& key) {
    const bool lower = key < key_[e];
    key_[e] = key;
    lower ? up(place_[e]) : down(place_[e]);
  }
  void remove(std::int32_t e) {
    const std::int32_t at = place_[e], last = heap_[--size_];
    if (last == e) return;
    put(at, last);
    key_[last] < key_[e] ? up(at) : down(at);
  }

 private:
  void put(std::int32_t at, std::int32_t e) {
    heap_[at] = e;
    place_[e] = at;
  }
  void up(std::int32_t at) {
    const std::int32_t e = heap_[at];
    for (; at > 0 && key_[e] < key_[heap_[(at - 1) / 2]]; at = (at - 1) / 2)
      put(at, heap_[(at - 1) / 2]);
    put(at, e);
  }
  void down(std::int32_t at) {
    const std::int32_t e = heap_[at];
    for (std::int32_t child; (child = 2 * at + 1) < size_; at = child) {
      if (child + 1 < size_ && key_[heap_[child + 1]] < key_[heap_[child]]) ++child;
      if (!(key_[heap_[child]] < key_[e])) break;
      put(at, heap_[child]);
    }
    put(at, e);
  }

  Buffer<EdgeKey> key_;
  Buffer<std::int32_t> heap_, place_;
  std::int32_t size_ = 0;
};

}  // namespace coterie::linkage
