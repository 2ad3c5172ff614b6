// The two plain loop nests of the engine: `store` and `split_depth`.
#pragma once
#include "../base/view.hpp"

namespace coterie {

// out(n, m) = x(n, d) y(d, m), all C-ordered. The columns of y are packed once, rows of x are cut into
// blocks for the threads.
template <class T>
void product(const View<T>& x, const View<T>& y, T* out, index out_stride, int n_threads);

// out(p, m) = x(n, p)^T y(n, m) for long n and small p x m: rows are cut into fixed blocks, each block's
// product is a partial of its own, and partials are added in float64 in block order.
template <class T>
void gram(const View<T>& x, const View<T>& y, T* out, index out_stride, int n_threads);

}  // namespace coterie
