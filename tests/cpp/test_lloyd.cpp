// Lloyd's iteration against a plain double implementation, and what must not change its bits.
#include <algorithm>
#include <cmath>

#include "../../cpp/algo/kmeans/kmeans.hpp"
#include "../../cpp/algo/kmeans/sums.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

template <class T>
struct Fit {
  std::vector<T> centers;
  std::vector<std::int32_t> labels;
  kmeans::Result result;
  bool operator==(const Fit& o) const {
    const auto same = [](const kmeans::Iteration& a, const kmeans::Iteration& b) {
      return a.inertia == b.inertia && a.shift == b.shift;
    };
    return centers == o.centers && labels == o.labels && result.inertia == o.result.inertia &&
           std::equal(result.history.begin(), result.history.end(), o.result.history.begin(),
                      o.result.history.end(), same);
  }
};

template <class T, class X>
Fit<T> fit(const X& x, const std::vector<T>& start, const double* weights, std::int64_t max_iter,
           int n_threads = 1, kmeans::Empty empty = kmeans::Empty::relocate) {
  Fit<T> f{start, std::vector<std::int32_t>(static_cast<std::size_t>(x.rows), -1), {}};
  const auto k = static_cast<index>(start.size()) / x.cols;
  f.result = kmeans::lloyd(x, weights, kmeans::moments(x, weights, n_threads), f.centers.data(), k,
                           f.labels.data(), {max_iter, 0, empty, n_threads, nullptr});
  return f;
}

template <class T>
std::vector<T> first_rows(const Rows<T>& x, index k) {
  std::vector<T> centers;
  for (index j = 0; j < k; ++j)
    for (index f = 0; f < x.depth; ++f) centers.push_back(static_cast<T>(x.get(j, f)));
  return centers;
}

bool close(double a, double b, double relative) {
  return std::abs(a - b) <= relative * std::abs(b);
}

// Sizes of blobs that are powers of two make the means exact: every result is.
template <class T>
void check_blobs() {
  constexpr index k = 6, each = 64, n = k * each, d = 3;
  Rows<T> x(n, d, d + 1, Edge::end, 51, 3);
  for (index i = 0; i < n; ++i)
    for (index f = 0; f < d; ++f)
      x.at(i, f) += static_cast<T>((i % k) * 100 * (f % 2 == 0 ? 1 : -1));
  double inertia = 0;
  std::vector<T> means(static_cast<std::size_t>(k * d));
  for (index j = 0; j < k; ++j)
    for (index f = 0; f < d; ++f) {
      double sum = 0;
      for (index i = j; i < n; i += k) sum += x.get(i, f);
      means[static_cast<std::size_t>(j * d + f)] = static_cast<T>(sum / each);
      for (index i = j; i < n; i += k)
        inertia += (x.get(i, f) - sum / each) * (x.get(i, f) - sum / each);
    }
  const auto judge = [&](const Fit<T>& f) {
    for (index i = 0; i < n; ++i) CHECK_EQUAL(f.labels[static_cast<std::size_t>(i)], i % k);
    for (std::size_t e = 0; e < means.size(); ++e) CHECK_EQUAL(f.centers[e], means[e]);
    CHECK_EQUAL(f.result.inertia, inertia);
    CHECK_EQUAL(f.result.history.back().shift, 0.0);
  };
  judge(fit(x.view(), first_rows(x, k), nullptr, 100));
  const SparseRows<T> sparse(x);
  judge(fit(sparse.csr(), first_rows(x, k), nullptr, 100));
}

// One iteration judged from the centres it started with: labels are nearest, centres are means, the
// inertia is that of the labels. Roundings of the plain loops: a few, hence 1e-12; of float: 1e-6.
template <class T>
void judge_step(const Rows<T>& x, const double* w, const std::vector<T>& before,
                const Fit<T>& after) {
  const auto d = x.depth;
  const index k = static_cast<index>(before.size()) / d;
  std::vector<double> sums(before.size(), 0.0), totals(static_cast<std::size_t>(k), 0.0);
  double inertia = 0;
  for (index i = 0; i < x.rows; ++i) {
    const auto j = static_cast<std::size_t>(naive_label(x, i, before.data(), k));
    const double weight = w ? w[i] : 1;
    totals[j] += weight;
    for (index f = 0; f < d; ++f)
      sums[j * static_cast<std::size_t>(d) + static_cast<std::size_t>(f)] += weight * x.get(i, f);
    inertia += weight * sq_distance(x, i, before.data() + static_cast<index>(j) * d);
  }
  CHECK(close(after.result.history[0].inertia, inertia, 1e-8));
  for (std::size_t e = 0; e < before.size(); ++e) {
    const double total = totals[e / static_cast<std::size_t>(d)];
    if (total > 0)
      CHECK(std::abs(after.centers[e] - sums[e] / total) <= (sizeof(T) == 4 ? 1e-6 : 1e-12) * 10);
  }
  double final_inertia = 0;
  for (index i = 0; i < x.rows; ++i) {
    const auto got = after.labels[static_cast<std::size_t>(i)];
    const double nearest =
        sq_distance(x, i, after.centers.data() + naive_label(x, i, after.centers.data(), k) * d);
    CHECK(close(sq_distance(x, i, after.centers.data() + got * d), nearest, 1e-12));
    final_inertia += (w ? w[i] : 1) * nearest;
  }
  CHECK(close(after.result.inertia, final_inertia, 1e-12));
}

template <class T>
void check_steps() {
  constexpr auto keep = kmeans::Empty::keep;  // a moved row would be in no cluster's mean
  for (const index d : {2, 13, 130}) {
    const Rows<T> x(700, d, d + 2, Edge::end, 52, 9);
    std::vector<double> weights;
    for (index i = 0; i < x.rows; ++i) weights.push_back(small_integer(53, i, 2) + 2);
    for (const double* w :
         {static_cast<const double*>(nullptr), static_cast<const double*>(weights.data())}) {
      About about(type_name<T>(), " depth ", d, w ? " weighted" : "");
      const std::vector<T> start = first_rows(x, 7);
      std::vector<T> at = start;
      for (int i = 0; i < 5; ++i) {
        const Fit<T> one = fit(x.view(), at, w, 1, 1, keep);
        judge_step(x, w, at, one);
        at = one.centers;
      }
      CHECK(fit(x.view(), start, w, 5, 1, keep).centers == at);
      const SparseRows<T> sparse(x);
      judge_step(x, w, start, fit(sparse.csr(), start, w, 1, 1, keep));
    }
  }
}

// A weight of m is m copies. Integers about zero: sums are exact, so the bits agree.
template <class T>
void check_repetition() {
  const Rows<T> x(300, 4, 4, Edge::end, 54, 9);
  std::vector<double> weights;
  std::vector<index> copies;
  for (index i = 0; i < x.rows; ++i) {
    weights.push_back(small_integer(55, i, 2) + 2);
    for (int c = 0; c < static_cast<int>(weights.back()); ++c) copies.push_back(i);
  }
  Rows<T> repeated(static_cast<index>(copies.size()), 4, 4, Edge::end);
  for (index r = 0; r < repeated.rows; ++r)
    for (index f = 0; f < 4; ++f)
      repeated.at(r, f) = static_cast<T>(x.get(copies[static_cast<std::size_t>(r)], f));
  const std::vector<T> start = first_rows(x, 9);
  const Fit<T> a = fit(x.view(), start, weights.data(), 50),
               b = fit(repeated.view(), start, nullptr, 50);
  CHECK(a.centers == b.centers);
  CHECK(close(a.result.inertia, b.result.inertia, 1e-12));
  for (std::size_t r = 0; r < copies.size(); ++r)
    CHECK_EQUAL(b.labels[r], a.labels[static_cast<std::size_t>(copies[r])]);
}

// Both ways of summing, any number of threads: the same bits.
template <class T>
void check_threads() {
  struct Shape {
    index n, k, d;
    bool sorted;
  };
  for (const Shape& s :
       {Shape{20000, 24, 13, false}, Shape{9000, 100, 8, true}, Shape{5000, 20, 130, true}}) {
    About about(type_name<T>(), " n ", s.n, " k ", s.k, " d ", s.d);
    CHECK_EQUAL(kmeans::SumsPlan(s.n, s.k, s.d).sorted, s.sorted);
    Rows<T> x(s.n, s.d, s.d, Edge::end, 56, 1000);
    x.affine(0.1, 3);  // nothing is exact, so an order of additions shows
    const std::vector<T> start = first_rows(x, s.k);
    const Fit<T> one = fit(x.view(), start, nullptr, 3, 1);
    for (const int n_threads : {2, 3, 8}) CHECK(fit(x.view(), start, nullptr, 3, n_threads) == one);
    judge_step(x, nullptr, start, fit(x.view(), start, nullptr, 1, 2));
    const SparseRows<T> sparse(x);
    CHECK(fit(sparse.csr(), start, nullptr, 2, 3) == fit(sparse.csr(), start, nullptr, 2, 1));
  }
}

// Two centres start where no row will ever be nearest.
void check_empty() {
  Rows<double> x(40, 2, 2, Edge::end, 57, 5);
  for (index i = 0; i < x.rows; ++i) x.at(i, 0) += static_cast<double>(i % 2) * 50;
  x.at(7, 1) = 300, x.at(12, 1) = -200;  // the farthest rows
  const std::vector<double> start = {0, 0, 1e4, 1e4, 50, 0, -1e4, 1e4};
  const auto run = [&](kmeans::Empty empty) { return fit(x.view(), start, nullptr, 1, 1, empty); };
  CHECK_EQUAL(THROWN(std::invalid_argument, run(kmeans::Empty::error)),
              "empty_cluster: wanted no cluster to lose all its samples, got an empty cluster 1");
  const auto kept = run(kmeans::Empty::keep).centers;
  CHECK(kept[2] == 1e4 && kept[3] == 1e4 && kept[6] == -1e4 && kept[7] == 1e4);
  const auto moved = run(kmeans::Empty::relocate);
  CHECK(moved.centers[2] == x.get(7, 0) && moved.centers[3] == 300);
  CHECK(moved.centers[6] == x.get(12, 0) && moved.centers[7] == -200);
  CHECK(moved.labels[7] == 1 && moved.labels[12] == 3);

  // Fewer distinct rows than centres: nothing to give, and no endless loop.
  Rows<double> same(10, 2, 2, Edge::end);
  for (index i = 0; i < 10; ++i) same.at(i, 0) = 1, same.at(i, 1) = 2;
  const auto still = fit(same.view(), std::vector<double>{1, 2, 5, 5, 1, 2}, nullptr, 100);
  CHECK_EQUAL(still.result.inertia, 0.0);
  CHECK(still.centers == std::vector<double>({1, 2, 5, 5, 1, 2}));
  // Rows without weight are no gift.
  std::vector<double> weights(40, 1.0);
  weights[7] = 0;
  const auto weighed = fit(x.view(), start, weights.data(), 1);
  CHECK(weighed.centers[2] == x.get(12, 0) && weighed.centers[3] == -200);
}

// Every row in one shard, shards of whole kernel blocks, for any size.
void check_plans() {
  for (const index n : {1, 2, 511, 512, 513, 1024, 4096, 4097, 100000, 1000000, 100000000})
    for (const index k : {1, 8, 100, 10000})
      for (const index d : {1, 16, 1000}) {
        const kmeans::SumsPlan plan(n, k, d);
        About about("n ", n, " k ", k, " d ", d);
        CHECK(plan.shards >= 1 && plan.shards <= 64 && plan.shard_rows % kBlockRows == 0);
        CHECK(plan.shards * plan.shard_rows >= n && (plan.shards - 1) * plan.shard_rows < n);
      }
}

}  // namespace

TEST(lloyd, blobs_float) { check_blobs<float>(); }
TEST(lloyd, blobs_double) { check_blobs<double>(); }
TEST(lloyd, steps_float) { check_steps<float>(); }
TEST(lloyd, steps_double) { check_steps<double>(); }
TEST(lloyd, repetition_float) { check_repetition<float>(); }
TEST(lloyd, repetition_double) { check_repetition<double>(); }
TEST(lloyd, threads_float) { check_threads<float>(); }
TEST(lloyd, threads_double) { check_threads<double>(); }
TEST(lloyd, empty_clusters) { check_empty(); }
TEST(lloyd, plans) { check_plans(); }

}  // namespace tests
