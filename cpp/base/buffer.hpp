// Owned memory, aligned to a cache line, sizes checked against overflow; contents uninitialised.
#pragma once
#include <cstddef>
#ifdef __linux__
#include <sys/mman.h>
#endif

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

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size) : size_(size) {
    const auto bytes = static_cast<std::size_t>(checked_product(size, sizeof(T)));
    data_.get_deleter().alignment = bytes < kLarge ? 64 : std::size_t{2} << 20;
    data_.reset(
        static_cast<T*>(::operator new(bytes, std::align_val_t{data_.get_deleter().alignment})));
#ifdef __linux__
    // A fault for every small page takes longer than filling it (bench: linkage, complete, 10,000).
    if (bytes >= kLarge) madvise(data_.get(), bytes, MADV_HUGEPAGE);
#endif
  }
  Buffer(std::int64_t size, T value) : Buffer(size) { fill(value); }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](std::int64_t i) { return data_.get()[i]; }
  const T& operator[](std::int64_t i) const { return data_.get()[i]; }
  std::int64_t size() const { return size_; }
  void fill(T value) {
    for (std::int64_t i = 0; i < size_; ++i) data_.get()[i] = value;
  }

 private:
  static constexpr std::size_t kLarge = std::size_t{64} << 20;
  struct Free {
    std::size_t alignment = 64;
    void operator()(T* p) const { ::operator delete(p, std::align_val_t{alignment}); }
  };
  std::unique_ptr<T, Free> data_;
  std::int64_t size_ = 0;
};

}  // namespace coterie
