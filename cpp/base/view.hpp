// Non-owning views. Sizes and strides are 64-bit and counted in elements.
#pragma once
#include <cstdint>

namespace coterie {

using index = std::int64_t;

// A C-ordered matrix: unit column stride, any row stride >= cols.
template <class T>
struct View {
  const T* data;
  index rows, cols, stride;
  const T* row(index i) const { return data + i * stride; }
  // Elements of memory that may be read from row i on, to the end of the last row.
  index readable(index i) const { return (rows - 1 - i) * stride + cols; }
};

// Compressed sparse rows. Entry j of row i, start[i] <= j < start[i + 1]: value[j] in column column[j].
template <class T>
struct Csr {
  const T* value;
  const std::int32_t* column;
  const std::int64_t* start;
  index rows, cols;
};

}  // namespace coterie
