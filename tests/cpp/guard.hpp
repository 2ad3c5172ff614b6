// Arrays between two pages that may not be touched, against one of them: a read or write beyond
// that end kills the test; a write beyond the other is found when the array is left. What nobody
// wrote is NaN, so that a value read from where none was put shows in the answer.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "check.hpp"

namespace tests {

enum class Edge { start, end };  // which end of the array lies at a forbidden page

template <class T>
class Guarded {
 public:
  Guarded(index size, Edge edge, std::size_t alignment = alignof(T)) : size_(size) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    inner_ = (bytes + page - 1) / page * page;
    mapped_ = inner_ + 2 * page;
    void* at = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) std::abort();
    base_ = static_cast<unsigned char*>(at);
    begin_ = base_ + page;
    if (inner_ > 0 && mprotect(begin_, inner_, PROT_READ | PROT_WRITE) != 0) std::abort();
    std::memset(begin_, 0xff, inner_);
    const std::size_t first = edge == Edge::start ? 0 : (inner_ - bytes) / alignment * alignment;
    data_ = reinterpret_cast<T*>(begin_ + first);
  }
  ~Guarded() {
    const auto* first = reinterpret_cast<const unsigned char*>(data_);
    const unsigned char* last = first + static_cast<std::size_t>(size_) * sizeof(T);
    bool clean = true;
    for (const unsigned char* p = begin_; p < first; ++p) clean = clean && *p == 0xff;
    for (const unsigned char* p = last; p < begin_ + inner_; ++p) clean = clean && *p == 0xff;
    CHECK(clean);
    munmap(base_, mapped_);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](index i) { return data_[i]; }
  const T& operator[](index i) const { return data_[i]; }
  index size() const { return size_; }
  void fill(T value) {
    for (index i = 0; i < size_; ++i) data_[i] = value;
  }

 private:
  index size_;
  std::size_t inner_, mapped_;
  unsigned char *base_, *begin_;
  T* data_;
};

}  // namespace tests
