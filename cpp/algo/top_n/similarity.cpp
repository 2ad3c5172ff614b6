#include <algorithm>
#include <cmath>

#include "../../base/threads.hpp"
#include "../../engine/drive.hpp"
#include "items.hpp"

namespace coterie::top_n {
namespace {

constexpr index kColumns = 512,
                kRows = 128;  // rows of b that are packed at a time, rows of a a task

// Rows as doubles, of unit length if wanted: turned to columns x rows (packing) or as they are.
template <class T>
void doubles(const View<T>& x, index first, index rows, bool unit, const double* zeros,
             double* out) {
  for (index r = 0; r < rows; ++r) {
    const T* row = x.row(first + r);
    const double length = unit ? norm(row, x.cols, zeros) : 1;
    for (index p = 0; p < x.cols; ++p)
      out[r * x.cols + p] = length > 0 ? double(row[p]) / length : 0;
  }
}

// Rows this close in direction: arccos makes much of a last bit, so the product is taken as a
// search takes it.
constexpr double kAlike = 1 - 1e-9;

double finished(Metric metric, double score) {
  if (metric == Metric::dot) return score;
  score = std::clamp(score, -1.0, 1.0);
  return metric == Metric::angular ? std::acos(score) / 3.14159265358979323846 : score;
}

// The same bits as a search's, where lengths are in range.
template <class T>
double alike(const View<T>& a, index i, const View<T>& b, index j, const double* zeros,
             double score) {
  const double left = norm(a.row(i), a.cols, zeros), right = norm(b.row(j), a.cols, zeros);
  if (left < kTiny || left > kVast || right < kTiny || right > kVast) return score;
  std::vector<double> row(static_cast<std::size_t>(round_up(a.cols, 8)), 0.0);
  std::copy_n(a.row(i), a.cols, row.data());
  return leaves<T>().dot(b.row(j), a.cols, row.data()) / (left * right);
}

template <class T>
void distances(const View<T>& a, const View<T>& b, T* out, int n_threads) {
  const index stride = round_up(a.cols, 8);
  Buffer<double> rows(checked_product(b.rows, stride), 0.0);
  for (index j = 0; j < b.rows; ++j) std::copy_n(b.row(j), b.cols, rows.data() + j * stride);
  threads::parallel_blocks(a.rows, n_threads, [&](index i, int) {
    Buffer<double> line(b.rows);
    isa::kernels<T>().distances(a.row(i), a.cols, rows.data(), stride, b.rows, line.data());
    for (index j = 0; j < b.rows; ++j) out[i * b.rows + j] = static_cast<T>(std::sqrt(line[j]));
  });
}

}  // namespace

template <class T>
void similarity(const View<T>& a, const View<T>& b, Metric metric, T* out, int n_threads) {
  const index depth = a.cols;
  const double work = double(a.rows) * double(b.rows) * double(depth) / 8;
  n_threads = threads::worth(work, n_threads);
  if (metric == Metric::euclidean) return distances(a, b, out, n_threads);
  const bool unit = metric != Metric::dot;
  const Buffer<double> zeros(round_up(depth, 8), 0.0);
  Buffer<double> columns(checked_product(depth, kColumns)), rows(checked_product(depth, kColumns));
  PackedMatrix<double> packed(Side::lanes, depth, kColumns);
  for (index j0 = 0; j0 < b.rows; j0 += kColumns) {
    const index count = std::min(kColumns, b.rows - j0);
    doubles(b, j0, count, unit, zeros.data(), rows.data());
    columns.fill(0);
    for (index j = 0; j < count; ++j)
      for (index p = 0; p < depth; ++p) columns[p * kColumns + j] = rows[j * depth + p];
    packed.pack({columns.data(), depth, kColumns, kColumns}, n_threads);
    threads::parallel_blocks((a.rows + kRows - 1) / kRows, n_threads, [&](index block, int) {
      const index i0 = block * kRows, m = std::min(kRows, a.rows - i0);
      Buffer<double> left(m * depth), products(m * kColumns);
      doubles(a, i0, m, unit, zeros.data(), left.data());
      store<double>({left.data(), m, depth, depth}, packed, products.data(), kColumns, 1);
      for (index i = 0; i < m; ++i)
        for (index j = 0; j < count; ++j) {
          double score = products[i * kColumns + j];
          if (unit && std::abs(score) > kAlike)
            score = alike(a, i0 + i, b, j0 + j, zeros.data(), score);
          out[(i0 + i) * b.rows + j0 + j] = static_cast<T>(finished(metric, score));
        }
    });
  }
}

template void similarity(const View<float>&, const View<float>&, Metric, float*, int);
template void similarity(const View<double>&, const View<double>&, Metric, double*, int);

}  // namespace coterie::top_n
