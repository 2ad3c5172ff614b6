// Greedy k-means++ against a plain implementation on the same draws; k-means|| against its
// definition.
#include <limits>

#include "../../cpp/algo/kmeans/kmeans.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

using Doubles = std::vector<double>;

// closest[i] where row `to` joins the centres.
template <class T>
Doubles joined(const Rows<T>& x, const Doubles& closest, index to) {
  Doubles out = closest;
  std::vector<T> center;
  for (index f = 0; f < x.depth; ++f) center.push_back(static_cast<T>(x.get(to, f)));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = std::min(out[i], sq_distance(x, static_cast<index>(i), center.data()));
  return out;
}

double potential(const Doubles& closest, const Doubles& w) {
  double sum = 0;
  for (std::size_t i = 0; i < closest.size(); ++i) sum += w[i] * closest[i];
  return sum;
}

template <class T>
std::vector<index> naive_plus_plus(const Rows<T>& x, const Doubles& w, index first,
                                   const Doubles& uniforms, index k, index trials) {
  std::vector<index> chosen = {first};
  Doubles closest = joined(x, Doubles(w.size(), std::numeric_limits<double>::infinity()), first);
  for (index t = 1; t < k; ++t) {
    const double total = potential(closest, w);
    if (!(total > 0)) {
      chosen.push_back(first);
      continue;
    }
    index best = -1;
    Doubles best_closest;
    for (index c = 0; c < trials; ++c) {
      const double target = uniforms[static_cast<std::size_t>((t - 1) * trials + c)] * total;
      double sum = 0;
      index row = -1;
      for (std::size_t i = 0; i < w.size() && (row < 0 || sum < target); ++i) {
        if (!(w[i] * closest[i] > 0)) continue;
        row = static_cast<index>(i);
        sum += w[i] * closest[i];
      }
      Doubles with = joined(x, closest, row);
      if (best < 0 || potential(with, w) < potential(best_closest, w))
        best = row, best_closest = std::move(with);
    }
    chosen.push_back(best);
    closest = std::move(best_closest);
  }
  return chosen;
}

template <class T>
void check_plus_plus(index n, index d, index k, index trials, double scale, double offset,
                     bool weighted) {
  About about(type_name<T>(), " n ", n, " d ", d, " k ", k, " trials ", trials, " at ", scale,
              " + ", offset);
  Rows<T> x(n, d, d + 1, Edge::end, 71, d == 1 ? 3 : 9);
  x.affine(scale, offset);
  Doubles w(static_cast<std::size_t>(n), 1.0), uniforms;
  if (weighted)
    for (index i = 0; i < n; ++i) w[static_cast<std::size_t>(i)] = small_integer(72, i, 2) + 2;
  for (index i = 0; i < (k - 1) * trials; ++i)
    uniforms.push_back(uniform(5, 0, static_cast<std::uint64_t>(i)));
  const index first = n / 3;
  const auto wanted = naive_plus_plus(x, w, first, uniforms, k, trials);
  const SparseRows<T> sparse(x);
  for (const int n_threads : {1, 2, 8}) {
    std::vector<index> chosen(static_cast<std::size_t>(k), -1);
    const double* weights = weighted ? w.data() : nullptr;
    kmeans::plus_plus(x.view(), weights, first, uniforms.data(), k, trials, chosen.data(),
                      n_threads);
    CHECK(chosen == wanted);
    kmeans::plus_plus(sparse.csr(), weights, first, uniforms.data(), k, trials, chosen.data(),
                      n_threads);
    if (offset == 0) CHECK(chosen == wanted);  // elsewhere a sparse distance is not exact
  }
}

template <class T>
void check_all_plus_plus() {
  for (const index trials : {1, 5, 16, 20}) {
    check_plus_plus<T>(200, 5, 12, trials, 1, 0, false);
    check_plus_plus<T>(200, 5, 12, trials, 1, sizeof(T) == 4 ? 1e4 : 1e7, true);
  }
  check_plus_plus<T>(9000, 3, 6, 3, 1, 0, true);        // several blocks of rows
  check_plus_plus<T>(50, 1, 12, 2, 1, 0, false);        // seven distinct rows: no mass is left
  check_plus_plus<T>(150, 20, 9, 4, 0x1p-60, 0, true);  // products underflow in float
  check_plus_plus<T>(150, 20, 9, 4, 0x1p60, 0, true);
}

template <class T>
void check_parallel_seeding() {
  constexpr index n = 5000, d = 6;
  const Rows<T> x(n, d, d, Edge::end, 73, 30);
  const SparseRows<T> sparse(x);
  Doubles w;
  for (index i = 0; i < n; ++i) w.push_back(small_integer(74, i, 2) + 2);
  const auto run = [&](const auto& matrix, int n_threads) {
    return kmeans::parallel_seeding(matrix, w.data(), 17, 99, 12.0, 4, n_threads);
  };
  const kmeans::Candidates found = run(x.view(), 1);
  CHECK_EQUAL(found.rows[0], 17);
  // 4 rounds of 12 expected candidates: far outside of these bounds only by a mistake.
  CHECK(found.rows.size() > 20 && found.rows.size() < 90);
  CHECK_EQUAL(found.rows.size(), found.weights.size());
  CHECK_EQUAL(std::set<index>(found.rows.begin(), found.rows.end()).size(), found.rows.size());
  std::vector<T> centers;
  for (const index row : found.rows)
    for (index f = 0; f < d; ++f) centers.push_back(static_cast<T>(x.get(row, f)));
  Doubles owned(found.rows.size(), 0.0);
  for (index i = 0; i < n; ++i)
    owned[static_cast<std::size_t>(
        naive_label(x, i, centers.data(), static_cast<index>(found.rows.size())))] +=
        w[static_cast<std::size_t>(i)];
  CHECK(owned == found.weights);
  for (const int n_threads : {2, 8}) {
    const auto other = run(x.view(), n_threads);
    CHECK(other.rows == found.rows && other.weights == found.weights);
    CHECK(run(sparse.csr(), n_threads).rows == found.rows);
  }
  const Rows<T> same(100, d, d, Edge::end, 75, 0);
  const auto only = kmeans::parallel_seeding(same.view(), nullptr, 3, 1, 5.0, 5, 2);
  CHECK(only.rows == std::vector<index>{3} && only.weights == Doubles{100});
}

}  // namespace

TEST(seed, plus_plus_float) { check_all_plus_plus<float>(); }
TEST(seed, plus_plus_double) { check_all_plus_plus<double>(); }
TEST(seed, parallel_float) { check_parallel_seeding<float>(); }
TEST(seed, parallel_double) { check_parallel_seeding<double>(); }

}  // namespace tests
