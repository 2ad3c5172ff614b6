// Owned memory, aligned to a cache line, sizes checked against overflow; contents uninitialised.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace coterie {

// a * b, or std::bad_alloc where the product does not fit.
inline std::int64_t checked_product(std::int64_t a, std::int64_t b) {
  std::int64_t product;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) throw std::bad_alloc();
  return product;
}

// Memory as Buffer wants it. What is given back is kept for a while, up to a few megabytes: the
// system takes longer to hand out new pages than a small fit to fill them.
namespace memory {
struct Block {
  void* data = nullptr;
  std::size_t bytes = 0;
  bool zero = false;  // all of it, as new pages are
};
Block take(std::size_t bytes);  // or larger
void give(Block block) noexcept;
}  // namespace memory

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size) { take(size); }
  Buffer(std::int64_t size, T value) {
    // Pages that are zero are left to who needs them first, often several threads.
    if (!take(size) || value != T{}) fill(value);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](std::int64_t i) { return data_.get()[i]; }
  const T& operator[](std::int64_t i) const { return data_.get()[i]; }
  std::int64_t size() const { return size_; }
  void fill(T value) {
    for (std::int64_t i = 0; i < size_; ++i) data_.get()[i] = value;
  }

 private:
  bool take(std::int64_t size) {  // is it zero?
    const memory::Block block =
        memory::take(static_cast<std::size_t>(checked_product(size, sizeof(T))));
    data_.get_deleter().bytes = block.bytes;
    data_.reset(static_cast<T*>(block.data));
    size_ = size;
    return block.zero;
  }
  struct Free {
    std::size_t bytes = 0;
    void operator()(T* p) const { memory::give({p, bytes}); }
  };
  std::unique_ptr<T, Free> data_;
  std::int64_t size_ = 0;
};

}  // namespace coterie
