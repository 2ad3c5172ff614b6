// Distances of all pairs of points: condensed, or as a square matrix.
#include "square.hpp"

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
  return threads::worth(static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(depth + 2) / 4,
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

// distances: may be the row itself.
template <class T>
void Square<T>::finish(index i, const double* distances, bool angular, bool squared) {
  constexpr double pi = 3.14159265358979323846;
  T* to = row(i);
  const bool as_they_are = std::is_same_v<T, double> && !angular && !squared;
  for (index j = 0; j < n && !as_they_are; ++j) {
    double d = distances[j];
    if (angular) d = std::acos(std::max(-1.0, 1 - d)) / pi;
    if (squared) d *= d;
    to[j] = static_cast<T>(d);
  }
  for (index j = n; j < stride; ++j) to[j] = std::numeric_limits<T>::infinity();
  to[i] = std::numeric_limits<T>::infinity();
}

template <class T>
Square<T>::Square(const View<double>& x, PairMetric metric, bool angular, bool squared, int n_threads)
    : n(x.rows), stride(whole_panels(n)), values_(checked_product(n, stride)) {
  const Points points(x);
  if (squared && metric == PairMetric::euclidean) metric = PairMetric::sqeuclidean, squared = false;
  const auto distances = isa::table().pairs.distances[static_cast<int>(metric)];
  threads::parallel_blocks(n, team_for(n, x.cols, n_threads), [&](index i, int) {
    thread_local std::vector<double> spare;
    double* line;
    if constexpr (std::is_same_v<T, double>) {
      line = row(i);
    } else {
      spare.resize(static_cast<std::size_t>(stride));
      line = spare.data();
    }
    distances(points.task(x.row(i), 0, n), line);
    finish(i, line, angular, squared);
  });
}

template <class T>
Square<T>::Square(const double* condensed, index n, bool squared, int n_threads)
    : n(n), stride(whole_panels(n)), values_(checked_product(n, stride)) {
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

template class Square<float>;
template class Square<double>;

}  // namespace coterie::linkage
