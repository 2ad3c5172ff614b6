// Distances of all pairs of points: condensed, or as a square matrix.
#include "square.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "linkage.hpp"
#include "points.hpp"

namespace coterie::linkage {
namespace {

int team_for(index n, index depth, int n_threads) {
  return threads::worth(
      static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(depth + 2) / 4,
      n_threads);
}

}  // namespace

void pairwise(const View<double>& x, PairMetric metric, double* out, int n_threads) {
  const index n = x.rows;
  const Points points(x);
  const auto distances = isa::table().pairs.distances[static_cast<int>(metric)];
  threads::parallel_blocks(n, team_for(n, x.cols, n_threads), [&](index i, int) {
    if (i + 1 == n) return;
    const index first = (i + 1) / kPanel * kPanel;
    thread_local std::vector<double> line;
    line.resize(static_cast<std::size_t>(whole_panels(n)));
    distances(points.task(x.row(i), first, n - first), line.data());
    std::copy(line.data() + (i + 1 - first), line.data() + (n - first),
              out + n * i - i * (i + 1) / 2);
  });
}

void cross(const View<double>& x, const View<double>& y, PairMetric metric, double* out,
           int n_threads) {
  const Points points(y);
  const auto distances = isa::table().pairs.distances[static_cast<int>(metric)];
  const double work = static_cast<double>(x.rows) * static_cast<double>(y.rows);
  const int team = threads::worth(work * static_cast<double>(x.cols + 2) / 4, n_threads);
  threads::parallel_blocks(x.rows, team, [&](index i, int) {
    thread_local std::vector<double> line;
    line.resize(static_cast<std::size_t>(whole_panels(y.rows)));
    distances(points.task(x.row(i), 0, y.rows), line.data());
    std::copy_n(line.data(), y.rows, out + i * y.rows);
  });
}

template <class T>
Lines<T>::Lines(const View<double>& x, PairMetric metric, bool angular, bool squared)
    : n(x.rows),
      stride(whole_panels(x.rows)),
      x_(x),
      points_(x),
      angular_(angular),
      squared_(squared && metric != PairMetric::euclidean),
      distances_(isa::table().pairs.distances[static_cast<int>(
          squared && metric == PairMetric::euclidean ? PairMetric::sqeuclidean : metric)]) {}

template <class T>
void Lines<T>::fill(index i, T* line) const {
  constexpr double pi = 3.14159265358979323846;
  if constexpr (std::is_same_v<T, double>) {
    distances_(points_.task(x_.row(i), 0, n), line);
  } else {
    thread_local std::vector<double> wide;
    wide.resize(static_cast<std::size_t>(stride));
    distances_(points_.task(x_.row(i), 0, n), wide.data());
    for (index j = 0; j < n && !angular_ && !squared_; ++j) line[j] = static_cast<T>(wide[j]);
    for (index j = 0; j < n && angular_; ++j)
      line[j] = static_cast<T>(std::acos(std::max(-1.0, 1 - wide[j])) / pi);
    for (index j = 0; j < n && squared_; ++j) line[j] = static_cast<T>(wide[j] * wide[j]);
  }
  if constexpr (std::is_same_v<T, double>) {
    for (index j = 0; j < n && angular_; ++j) line[j] = std::acos(std::max(-1.0, 1 - line[j])) / pi;
    for (index j = 0; j < n && squared_; ++j) line[j] *= line[j];
  }
  for (index j = n; j < stride; ++j) line[j] = std::numeric_limits<T>::infinity();
  line[i] = std::numeric_limits<T>::infinity();
}

template <class T>
Square<T>::Square(const Lines<T>& lines, int n_threads) : Square(lines.n) {
  threads::parallel_blocks(n, team_for(n, 8, n_threads),
                           [&](index i, int) { lines.fill(i, row(i)); });
}

template <class T>
Square<T>::Square(const double* condensed, index n, bool squared, int n_threads) : Square(n) {
  constexpr index block = 64;  // squares of the matrix, so that both halves are read in cache
  const index blocks = (n + block - 1) / block;
  threads::parallel_blocks(blocks, team_for(n, 1, n_threads), [&](index b, int) {
    const index first = b * block, last = std::min(n, first + block);
    for (index i = first; i < last; ++i)
      for (index j = n; j < stride; ++j) row(i)[j] = std::numeric_limits<T>::infinity();
    for (index c = 0; c < blocks; ++c)
      for (index i = first; i < last; ++i)
        for (index j = c * block; j < std::min(n, c * block + block); ++j) {
          const index low = std::min(i, j), high = std::max(i, j);
          const double d = i == j ? std::numeric_limits<double>::infinity()
                                  : condensed[n * low - low * (low + 1) / 2 + high - low - 1];
          row(i)[j] = static_cast<T>(squared ? d * d : d);
        }
  });
}

template <class T>
void Square<T>::mirror(const std::vector<index>& order, int n_threads) {
  constexpr index block = 16;  // lines of a column that stay in the L1 cache
  const index blocks = (n + block - 1) / block;
  threads::parallel_blocks(blocks, team_for(n, 1, n_threads), [&](index b, int) {
    for (index i = b * block; i < std::min(n, (b + 1) * block); ++i)
      std::fill(row(i) + n, row(i) + stride, std::numeric_limits<T>::infinity());
    for (index c = 0; c <= b; ++c)
      for (index i = b * block; i < std::min(n, (b + 1) * block); ++i)
        for (index j = c * block; j < std::min(i, (c + 1) * block); ++j) {
          T &low = row(i)[j], &high = row(j)[i];
          low = high = order[i] < order[j] ? low : high;
        }
  });
}

// The matrix, points in panels, and some hundred numbers a point that rounds remember of it.
template <class T>
index members_bytes(index n, index depth) {
  return Square<T>::bytes(std::min(n, members_left(n))) +
         checked_product(whole_panels(n), (depth + 110) * index{sizeof(double)});
}

template index members_bytes<float>(index, index);
template index members_bytes<double>(index, index);
template class Lines<float>;
template class Lines<double>;
template class Square<float>;
template class Square<double>;

}  // namespace coterie::linkage
