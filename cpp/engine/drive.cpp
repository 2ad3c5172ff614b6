#include "drive.hpp"

#include <algorithm>
#include <vector>

namespace coterie {
namespace {

index ceil_div(index a, index b) { return (a + b - 1) / b; }

constexpr index kStoreRows =
    60;  // rows of x a task: a multiple of every NR that stays in the L2 cache
constexpr index kLastTasks = 3;  // that many of them in smaller ones, so that threads end together
constexpr index kLastRows = 24;
constexpr index kFewRows = 4;        // up to here y is not packed (bench: few)
constexpr index kFewColumns = 1024;  // columns of y a task there: out stays in the L1 cache
constexpr index kSplitRows = 2048;   // depth of one partial product
constexpr index kSplitShards = 64;   // partials at most

double operations(index n, index d, index m, index lanes) {
  return double(n) * double(d) * double(m) / double(lanes);
}

}  // namespace

template <class T>
void store(const View<T>& x, const PackedMatrix<T>& y, T* out, index out_stride, int n_threads) {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index d = x.cols, m = y.columns();
  n_threads = threads::worth(operations(x.rows, d, m, kernels.width), n_threads);
  const index large = n_threads > 1 ? std::max<index>(0, x.rows / kStoreRows - kLastTasks)
                                    : ceil_div(x.rows, kStoreRows);
  const index small = std::max<index>(0, ceil_div(x.rows - large * kStoreRows, kLastRows));
  threads::parallel_blocks(large + small, n_threads, [&](index b, int) {
    const index first = b < large ? b * kStoreRows : large * kStoreRows + (b - large) * kLastRows;
    kernels.store({x.row(first), x.stride,
                   std::min(b < large ? kStoreRows : kLastRows, x.rows - first), d, m, y.data(),
                   out + first * out_stride, out_stride});
  });
}

template <class T>
void product(const View<T>& x, const View<T>& y, T* out, index out_stride, int n_threads) {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index d = x.cols, m = y.cols;
  if (x.rows == 0 || m == 0) return;
  if (d == 0) {
    for (index i = 0; i < x.rows; ++i)
      std::fill(out + i * out_stride, out + i * out_stride + m, T(0));
    return;
  }
  n_threads = threads::worth(operations(x.rows, d, m, kernels.width), n_threads);
  if (x.rows <= kFewRows) {
    threads::parallel_blocks(ceil_div(m, kFewColumns), n_threads, [&](index b, int) {
      const index c = b * kFewColumns;
      kernels.store_few({x.data, x.stride, x.rows, d, std::min(kFewColumns, m - c), y.data + c,
                         y.stride, out + c, out_stride});
    });
    return;
  }
  PackedMatrix<T> packed(Side::lanes, d, m);
  packed.pack(y, n_threads);
  store(x, packed, out, out_stride, n_threads);
}

template <class T>
void split_depth(const View<T>& x, const View<T>& y, T* out, index out_stride, int n_threads) {
  const index n = x.rows, p = x.cols, m = y.cols;
  const index shards = std::clamp<index>(n / kSplitRows, 1, kSplitShards);
  const index shard_rows = std::max<index>(1, ceil_div(n, shards));
  const Kernels<T>& kernels = isa::kernels<T>();
  n_threads = threads::worth(operations(n, p, m, kernels.width), n_threads);
  Buffer<double> partial(checked_product(shards, p * m), 0.0);
  const index mr = kernels.mr, panels = ceil_div(m, mr);
  threads::parallel_blocks(shards, n_threads, [&](index s, int) {
    // A block's depth is its rows: y's columns pack by copying, x is transposed so that its columns
    // are rows the store kernel can broadcast from.
    constexpr index block = 256;
    Buffer<T> packed(checked_product(panels * mr, block)), turned(checked_product(p, block));
    Buffer<T> sum(checked_product(p, m));
    double* to = partial.data() + s * p * m;
    for (index i = s * shard_rows; i < std::min(n, (s + 1) * shard_rows); i += block) {
      const index rows = std::min({block, n - i, (s + 1) * shard_rows - i});
      for (index q = 0; q < panels; ++q)
        kernels.pack_lanes_t(y.row(i) + q * mr, y.stride, rows, std::min(mr, m - q * mr),
                             packed.data() + q * mr * rows);
      for (index r = 0; r < rows; ++r)
        for (index c = 0; c < p; ++c) turned[c * rows + r] = x.row(i + r)[c];
      kernels.store({turned.data(), rows, p, rows, m, packed.data(), sum.data(), m});
      for (index e = 0; e < p * m; ++e) to[e] += double(sum[e]);
    }
  });
  for (index a = 0; a < p; ++a)
    for (index b = 0; b < m; ++b) {
      double total = 0;
      for (index s = 0; s < shards; ++s) total += partial[s * p * m + a * m + b];
      out[a * out_stride + b] = static_cast<T>(total);
    }
}

template void store(const View<float>&, const PackedMatrix<float>&, float*, index, int);
template void store(const View<double>&, const PackedMatrix<double>&, double*, index, int);
template void product(const View<float>&, const View<float>&, float*, index, int);
template void product(const View<double>&, const View<double>&, double*, index, int);
template void split_depth(const View<float>&, const View<float>&, float*, index, int);
template void split_depth(const View<double>&, const View<double>&, double*, index, int);

}  // namespace coterie
