// Single passes over X: moments, assignment, one E-step with sums, distances.
#include "pass.hpp"

namespace coterie::kmeans {
namespace {

constexpr index kMomentShards = 64;

// A point amid the data: the mean of up to 64 rows spread over it. Moments about it do not cancel.
template <class T>
void probe(const View<T>& x, double* shift) {
  const index count = std::min<index>(64, x.rows);
  for (index r = 0; r < count; ++r)
    for (index f = 0; f < x.cols; ++f) shift[f] += static_cast<double>(x.row(r * x.rows / count)[f]);
  for (index f = 0; f < x.cols; ++f) shift[f] /= static_cast<double>(count);
}
template <class T>
void probe(const Csr<T>&, double*) {}  // zeros stay zeros

}  // namespace

template <class X>
Moments moments(const X& matrix, const double* weights, int n_threads) {
  const auto x = source(matrix);
  const index depth = x.depth(), stride = (depth + 7) / 8 * 8;
  // About n * d / 32 work for the partials at most.
  const index shards = std::clamp<index>(x.rows() / 1024, 1, kMomentShards);
  const index shard_rows = (x.rows() + shards - 1) / shards;
  Buffer<double> shift(stride, 0.0), partial(checked_product(2 * shards, stride), 0.0);
  probe(matrix, shift.data());
  n_threads = threads::worth(static_cast<double>(x.rows()) * x.work_per_column() / 4, n_threads);
  threads::parallel_blocks(shards, n_threads, [&](index s, int) {
    const index end = std::min(x.rows(), (s + 1) * shard_rows);
    double* at = partial.data() + 2 * s * stride;
    constexpr index block = 64;  // rows that stay in the L1 cache over all columns
    for (index i = s * shard_rows; i < end; i += block)
      x.moments(i, std::min(block, end - i), weights, shift.data(), at, at + stride);
  });
  const double total = total_weight(weights, x.rows());
  Moments m{std::vector<double>(depth), std::vector<double>(depth)};
  for (index f = 0; f < depth; ++f) {
    double s1 = 0, s2 = 0;
    for (index s = 0; s < shards; ++s) {
      s1 += partial[2 * s * stride + f];
      s2 += partial[(2 * s + 1) * stride + f];
    }
    if (!std::isfinite(s1) || !std::isfinite(s2)) {
      if (weights == nullptr) refuse_values(matrix, -1);
      coterie::kmeans::moments(matrix, nullptr, n_threads);  // throws where it is X's doing
      refuse("sample_weight", "weights whose products with squared values fit float64", "an overflow");
    }
    const double off = s1 / total;
    m.mean[f] = shift[f] + off;
    m.variance[f] = std::max(0.0, s2 / total - off * off);
  }
  return m;
}

namespace {

// Where kernels centre X for a single pass: amid the centres, which costs nothing.
template <class T>
Buffer<double> middle(const T* centers, index k, index depth) {
  Buffer<double> shift((depth + 7) / 8 * 8, 0.0), squares(depth, 0.0);
  const double share = 1 / static_cast<double>(k);
  for (index j = 0; j < k; ++j)
    for (index f = 0; f < depth; ++f) shift[f] += share * static_cast<double>(centers[j * depth + f]);
  for (index j = 0; j < k; ++j)
    for (index f = 0; f < depth; ++f) {
      const double off = static_cast<double>(centers[j * depth + f]) - shift[f];
      squares[f] += share * off * off;
    }
  for (index f = 0; f < depth; ++f) shift[f] = gentle_shift(shift[f], std::sqrt(squares[f]));
  return shift;
}

constexpr index kDirectRows = 4;  // packing the centres would cost more than it gives

template <class X, class Rows, class T>
void assign_direct(const X& matrix, const Rows& x, const T* centers, index k, std::int32_t* labels,
                   double* sq_distances) {
  ExactCenters exact(k, x.depth());
  exact.set(centers);
  Buffer<double> d(k);
  for (index i = 0; i < x.rows(); ++i) {
    x.distances(i, exact, d.data());
    if (!nearest_of(d.data(), k, labels[i])) refuse_values(matrix, i);
    if (sq_distances) sq_distances[i] = d[labels[i]];
  }
}

}  // namespace

template <class X, class T>
void assign(const X& matrix, const T* centers, index k, std::int32_t* labels, double* sq_distances,
            int n_threads) {
  const auto x = source(matrix);
  if (x.rows() <= kDirectRows) return assign_direct(matrix, x, centers, k, labels, sq_distances);
  const Buffer<double> shift = middle(centers, k, x.depth());
  auto nearest = x.nearest(k, shift.data());
  nearest.set(centers);
  auto scratch = team_scratch(nearest, pass_threads(x, k, n_threads));
  assign_pass(x, nearest, SumsPlan(x.rows(), 1, x.depth()), labels, scratch,
              [&](index, index first, index count) {
                if (sq_distances)
                  x.labelled(first, count, nearest.exact(), labels + first, sq_distances + first);
              });
}

template <class X, class T>
double step(const X& matrix, const double* weights, const T* centers, index k, std::int32_t* labels,
            double* sums, double* totals, int n_threads) {
  const auto x = source(matrix);
  const index depth = x.depth(), stride = sums_stride(depth);
  Buffer<double> shift = middle(centers, k, depth);
  auto nearest = x.nearest(k, shift.data());
  nearest.set(centers);
  n_threads = pass_threads(x, k, n_threads);
  auto scratch = team_scratch(nearest, n_threads);
  assign_pass(x, nearest, SumsPlan(x.rows(), k, depth), labels, scratch, [](index, index, index) {});
  Buffer<double> lines(checked_product(k, stride));
  sorted_sums(x, weights, shift.data(), labels, k, lines, n_threads);
  for (index j = 0; j < k; ++j) {
    totals[j] = lines[j * stride + depth];
    for (index f = 0; f < depth; ++f)
      sums[j * depth + f] =
          lines[j * stride + f] + (decltype(x)::centred ? totals[j] * shift[f] : 0.0);
  }
  return exact_inertia(x, weights, nearest.exact(), labels, nullptr, n_threads);
}

template <class X, class T>
void distances(const X& matrix, const T* centers, index k, T* out, int n_threads) {
  const auto x = source(matrix);
  ExactCenters exact(k, x.depth());
  exact.set(centers);
  constexpr index block = 64;
  const index blocks = (x.rows() + block - 1) / block;
  n_threads = pass_threads(x, k, n_threads);
  std::vector<Buffer<double>> row;
  for (int t = 0; t < n_threads; ++t) row.emplace_back(k);
  threads::parallel_blocks(blocks, n_threads, [&](index b, int thread) {
    double* d = row[thread].data();
    for (index i = b * block; i < std::min(x.rows(), (b + 1) * block); ++i) {
      x.distances(i, exact, d);
      for (index j = 0; j < k; ++j) {
        const T root = static_cast<T>(std::sqrt(d[j]));
        if (!std::isfinite(d[j])) refuse_values(matrix, i);
        if (!std::isfinite(root)) refuse("X", "distances that fit its dtype", "an overflow at row ", i);
        out[i * k + j] = root;
      }
    }
  });
}

#define COTERIE_INSTANTIATE(X, T)                                                             \
  template Moments moments<X>(const X&, const double*, int);                                  \
  template void assign<X, T>(const X&, const T*, index, std::int32_t*, double*, int);         \
  template double step<X, T>(const X&, const double*, const T*, index, std::int32_t*, double*, \
                             double*, int);                                                   \
  template void distances<X, T>(const X&, const T*, index, T*, int);
COTERIE_FOR_ALL_ROWS(COTERIE_INSTANTIATE)

}  // namespace coterie::kmeans
