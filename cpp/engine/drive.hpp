// The two plain loop nests of the engine: `store` and `split_depth`.
#pragma once
#include "packed.hpp"

namespace coterie {

// out(n, m) = x(n, d) y(d, m), x and out C-ordered, y packed in lanes. Rows of x are cut into blocks for
// the threads.
template <class T>
void store(const View<T>& x, const PackedMatrix<T>& y, T* out, index out_stride, int n_threads);

// The same from a C-ordered y, packed here; for a few rows of x, where packing would cost more than it
// gives, y is read where it lies.
template <class T>
void product(const View<T>& x, const View<T>& y, T* out, index out_stride, int n_threads);

// out(p, m) = x(n, p)^T y(n, m) for long n and small p x m: rows are cut into fixed blocks, each block's
// product is a partial of its own, and partials are added in float64 in block order.
template <class T>
void split_depth(const View<T>& x, const View<T>& y, T* out, index out_stride, int n_threads);

}  // namespace coterie
