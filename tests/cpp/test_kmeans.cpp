// Single passes: moments, assign, step, distances; and what they refuse.
#include <cmath>
#include <limits>

#include "../../cpp/algo/kmeans/kmeans.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

template <class T, class X>
void check_passes(const Rows<T>& x, const X& matrix, const double* w, int n_threads) {
  constexpr index k = 5;
  const index n = x.rows, d = x.depth;
  About about(type_name<T>(), " n ", n, " d ", d, " threads ", n_threads, w ? " weighted" : "");
  const Rows<T> centers(k, d, d, Edge::end, 61, 9);
  const T* c = centers.memory.data();
  Guarded<std::int32_t> labels(n, Edge::end), again(n, Edge::end);
  Guarded<double> squares(n, Edge::end), sums(k * d, Edge::end), totals(k, Edge::end);
  Guarded<T> out(n * k, Edge::end);
  kmeans::assign(matrix, c, k, labels.data(), squares.data(), n_threads);
  const double inertia =
      kmeans::step(matrix, w, c, k, again.data(), sums.data(), totals.data(), n_threads);
  kmeans::distances(matrix, c, k, out.data(), n_threads);
  double wanted_inertia = 0;
  std::vector<double> wanted(static_cast<std::size_t>(k * d + k), 0.0);
  for (index i = 0; i < n; ++i) {
    const std::int32_t label = naive_label(x, i, c, k);
    CHECK_EQUAL(labels[i], label);
    CHECK_EQUAL(again[i], label);
    CHECK_EQUAL(squares[i], sq_distance(x, i, c + label * d));
    for (index j = 0; j < k; ++j)
      CHECK_EQUAL(out[i * k + j], static_cast<T>(std::sqrt(sq_distance(x, i, c + j * d))));
    const double weight = w ? w[i] : 1;
    wanted_inertia += weight * squares[i];
    wanted[static_cast<std::size_t>(k * d + label)] += weight;
    for (index f = 0; f < d; ++f)
      wanted[static_cast<std::size_t>(label * d + f)] += weight * x.get(i, f);
  }
  CHECK_EQUAL(inertia, wanted_inertia);
  for (index e = 0; e < k * d; ++e) CHECK_EQUAL(sums[e], wanted[static_cast<std::size_t>(e)]);
  for (index j = 0; j < k; ++j) CHECK_EQUAL(totals[j], wanted[static_cast<std::size_t>(k * d + j)]);
}

template <class T>
void check_all_passes() {
  for (const index n : {1, 63, 513, 5000})
    for (const index d : {1, 7, 8, 20, 130}) {
      if (n > 1000 && d > 20) continue;
      const Rows<T> x(n, d, d + 3, Edge::end, 62, 9);
      std::vector<double> weights;
      for (index i = 0; i < n; ++i) weights.push_back(small_integer(63, i, 2) + 2);
      const SparseRows<T> sparse(x);
      for (const int n_threads : {1, 3}) {
        check_passes(x, x.view(), nullptr, n_threads);
        check_passes(x, x.view(), weights.data(), n_threads);
        check_passes(x, sparse.csr(), weights.data(), n_threads);
      }
    }
}

template <class T>
void check_moments() {
  for (const double offset : {0.0, sizeof(T) == 4 ? 1e4 : 1e9}) {
    Rows<T> x(5000, 9, 11, Edge::end, 64, 20);
    x.affine(1, offset);
    std::vector<double> weights;
    for (index i = 0; i < x.rows; ++i) weights.push_back(small_integer(65, i, 2) + 2);
    for (const double* w :
         {static_cast<const double*>(nullptr), static_cast<const double*>(weights.data())})
      for (const int n_threads : {1, 2, 8}) {
        const kmeans::Moments m = kmeans::moments(x.view(), w, n_threads);
        for (index f = 0; f < x.depth; ++f) {
          double total = 0, s1 = 0, s2 = 0;  // integers about the offset: exact
          for (index i = 0; i < x.rows; ++i) {
            const double weight = w ? w[i] : 1, v = x.get(i, f) - offset;
            total += weight, s1 += weight * v, s2 += weight * v * v;
          }
          const double mean = s1 / total, variance = s2 / total - mean * mean;
          const auto at = static_cast<std::size_t>(f);
          CHECK(std::abs(m.mean[at] - offset - mean) <= 1e-15 * (offset + 20) * 2);
          CHECK(std::abs(m.variance[at] - variance) <= 1e-12 * variance);
        }
      }
  }
}

template <class T>
void check_refusals() {
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  Rows<T> x(700, 3, 4, Edge::end, 66, 9);
  const Rows<T> centers(4, 3, 3, Edge::end, 67, 9);
  std::vector<std::int32_t> labels(700);
  std::vector<T> out(2800), start(centers.memory.data(), centers.memory.data() + 12);
  const kmeans::Moments m = kmeans::moments(x.view(), nullptr, 1);
  x.at(600, 1) = nan, x.at(3, 2) = -inf;
  const SparseRows<T> sparse(x);
  const std::string wanted = "X: wanted finite values, got inf at row 3, column 2 (2 in all)";
  const auto all = [&](const auto& matrix, int n_threads) {
    const T* c = centers.memory.data();
    CHECK_EQUAL(THROWN(std::invalid_argument, kmeans::moments(matrix, nullptr, n_threads)), wanted);
    CHECK_EQUAL(THROWN(std::invalid_argument,
                       kmeans::assign(matrix, c, 4, labels.data(), nullptr, n_threads)),
                wanted);
    CHECK_EQUAL(
        THROWN(std::invalid_argument, kmeans::distances(matrix, c, 4, out.data(), n_threads)),
        wanted);
    CHECK_EQUAL(THROWN(std::invalid_argument,
                       kmeans::lloyd(matrix, nullptr, m, start.data(), 4, labels.data(),
                                     {5, 0, kmeans::Empty::relocate, n_threads, nullptr})),
                wanted);
  };
  for (const int n_threads : {1, 3}) all(x.view(), n_threads), all(sparse.csr(), n_threads);
}

void check_overflow() {
  Rows<double> x(5, 2, 2, Edge::end, 68, 9);
  x.at(2, 0) = 1e200;
  const Rows<double> centers(2, 2, 2, Edge::end, 69, 9);
  std::vector<std::int32_t> labels(5);
  CHECK_EQUAL(THROWN(std::invalid_argument,
                     kmeans::assign(x.view(), centers.memory.data(), 2, labels.data(), nullptr, 1)),
              "X: wanted values whose squared distances fit float64, got an overflow at row 2");
  CHECK_EQUAL(THROWN(std::invalid_argument, kmeans::moments(x.view(), nullptr, 1)),
              "X: wanted values whose squares fit float64, got an overflow");
}

}  // namespace

TEST(kmeans, passes_float) { check_all_passes<float>(); }
TEST(kmeans, passes_double) { check_all_passes<double>(); }
TEST(kmeans, moments_float) { check_moments<float>(); }
TEST(kmeans, moments_double) { check_moments<double>(); }
TEST(kmeans, refusals_float) { check_refusals<float>(); }
TEST(kmeans, refusals_double) { check_refusals<double>(); }
TEST(kmeans, overflow) { check_overflow(); }

}  // namespace tests
