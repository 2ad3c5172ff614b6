// Top-N of dense rows: every filter, both dtypes, against all scores; inputs end at forbidden
// pages.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "../../cpp/algo/top_n/items.hpp"
#include "../../cpp/engine/rounding.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;
using top_n::Metric;

namespace {

constexpr top_n::Keep kKeeps[] = {top_n::Keep::nothing, top_n::Keep::halves, top_n::Keep::bytes};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Integers: scores are exact whatever the order of additions, ties are many.
template <class T>
double score(const Rows<T>& q, index i, const Rows<T>& x, index j, Metric metric) {
  double dot = 0, apart = 0;
  for (index p = 0; p < x.depth; ++p) {
    const double a = q.get(i, p), b = x.get(j, p);
    dot += a * b;
    apart += (a - b) * (a - b);
  }
  return metric == Metric::dot ? dot : -apart;
}

template <class T>
struct Found {
  Found(index rows, index n) : items(rows * n, Edge::end), scores(rows * n, Edge::end) {}
  Guarded<std::int64_t> items;
  Guarded<T> scores;
};

template <class T>
void check_search(index m, index rows, index depth, index n, Metric metric, top_n::Keep keep,
                  Edge edge) {
  About about(type_name<T>(), " queries ", m, " items ", rows, " depth ", depth, " n ", n,
              " metric ", int(metric), " keep ", int(keep));
  const Rows<T> q(m, depth, depth, edge, 1, 5), x(rows, depth, depth, edge, 2, 5);
  const View<T> queries{q.memory.data(), m, depth, depth},
      view{x.memory.data(), rows, depth, depth};
  Found<T> found(m, n);
  const top_n::Items<T> items(view, metric, keep, 2);
  top_n::Options options;
  options.n = n;
  options.threshold = top_n::is_distance(metric) ? kInfinity : -kInfinity;
  options.n_threads = 2;
  top_n::search(queries, items, options, {found.items.data(), found.scores.data()});
  for (index i = 0; i < m; ++i) {
    std::vector<std::pair<double, index>> all;
    for (index j = 0; j < rows; ++j) all.push_back({-score(q, i, x, j, metric), j});
    std::sort(all.begin(), all.end());
    for (index k = 0; k < n; ++k) {
      const auto at = static_cast<std::size_t>(k);
      CHECK_EQUAL(found.items[i * n + k], k < rows ? all[at].second : -1);
      const double s = k < rows ? -all[at].first : -kInfinity;
      const double wanted = metric == Metric::euclidean ? std::sqrt(-s) : s;
      CHECK_EQUAL(found.scores[i * n + k], static_cast<T>(wanted));
    }
  }
}

template <class T>
void check_searches() {
  const index mr = isa::kernels<float>().mr;
  for (const Edge edge : kEdges)
    for (const auto keep : kKeeps)
      for (const Metric metric : {Metric::dot, Metric::euclidean})
        for (const index m : {index(1), index(5), index(61)})
          for (const index rows : {index(1), mr - 1, mr, 5 * mr + 1})
            for (const index depth : {index(1), index(7), index(21)})
              check_search<T>(m, rows, depth, 3, metric, keep, edge);
}

TEST(top_n, search_float32) { check_searches<float>(); }
TEST(top_n, search_float64) { check_searches<double>(); }

// A threshold is guessed from a draw only where there are many panels.
TEST(top_n, guessed) {
  const index mr = isa::kernels<float>().mr;
  for (const auto keep : kKeeps)
    check_search<float>(60, 200 * mr, 3, 5, Metric::dot, keep, Edge::end);
}

template <class T>
void check_join(index rows, index depth, index n, Metric metric, top_n::Keep keep, bool limited) {
  About about(type_name<T>(), " rows ", rows, " metric ", int(metric), " keep ", int(keep),
              limited ? " self and some denied" : "");
  const Rows<T> x(rows, depth, depth, Edge::end, 3, 9);
  const std::vector<T> copy(x.memory.data(), x.memory.data() + rows * depth);
  const View<T> view{x.memory.data(), rows, depth, depth}, other{copy.data(), rows, depth, depth};
  const top_n::Items<T> items(view, metric, keep, 2);
  std::vector<std::uint8_t> deny(static_cast<std::size_t>(rows), 0);
  for (std::size_t i = 0; i < deny.size(); i += 3) deny[i] = 1;
  top_n::Options options;
  options.n = n;
  options.threshold = top_n::is_distance(metric) ? kInfinity : -kInfinity;
  options.n_threads = 2;
  options.exclude_self = limited;
  if (limited) options.deny = deny.data();
  Found<T> joined(rows, n), searched(rows, n);
  top_n::search(view, items, options, {joined.items.data(), joined.scores.data()});
  options.exclude_self = false;
  std::vector<std::int64_t> start, self;
  for (index i = 0; i <= rows; ++i) start.push_back(i), self.push_back(i);
  if (limited) options.exclude = {start.data(), self.data()};
  top_n::search(other, items, options, {searched.items.data(), searched.scores.data()});
  for (index e = 0; e < rows * n; ++e) {
    CHECK_EQUAL(joined.items[e], searched.items[e]);
    CHECK_EQUAL(joined.scores[e], searched.scores[e]);
  }
}

TEST(top_n, self_join_is_a_search) {
  for (const auto keep : {top_n::Keep::nothing, top_n::Keep::bytes})
    for (const Metric metric : {Metric::cosine, Metric::dot, Metric::euclidean, Metric::angular})
      for (const bool limited : {false, true}) {
        check_join<float>(1500, 9, 4, metric, keep, limited);
        check_join<double>(700, 5, 3, metric, keep, limited);
      }
}

TEST(top_n, nth_largest) {
  const auto& table = *isa::table().top_n;
  for (index count : {1, 2, 7, 15, 16, 17, 48, 333}) {
    const index room = round_up(count, 16);
    const Rows<float> some(1, count, count, Edge::end, 5, 20);
    std::vector<float> sorted;
    for (index i = 0; i < count; ++i)
      sorted.push_back(i % 9 == 4 ? -3e38f : static_cast<float>(some.get(0, i) * 0.37));
    const std::vector<float> as_drawn = sorted;
    std::sort(sorted.begin(), sorted.end(), std::greater<float>());
    for (index n = 1; n <= count; n += 1 + n / 3) {
      About about("the ", n, "-th of ", count);
      Guarded<float> values(room, Edge::end);
      std::copy(as_drawn.begin(), as_drawn.end(), values.data());
      CHECK_EQUAL(table.nth_largest(values.data(), count, n),
                  sorted[static_cast<std::size_t>(n - 1)]);
    }
  }
}

TEST(top_n, rows_to_bytes) {
  for (const Edge edge : kEdges)
    for (const index depth : {1, 3, 4, 15, 16, 17, 100}) {
      About about("depth ", depth);
      const Rows<float> x(1, depth, depth, edge, 4, 50);
      const index words = (depth + 3) / 4;
      Guarded<std::uint8_t> bytes(words * 4, edge);
      float t, squares;
      isa::table().top_n->quantise(x.memory.data(), depth, 4, 0, bytes.data(), &t, &squares);
      double left = 0, top = 0;
      for (index p = 0; p < depth; ++p) {
        const double a = static_cast<std::int8_t>(bytes[p]);
        CHECK(std::abs(a) <= 127);
        left += (x.get(0, p) - t * a) * (x.get(0, p) - t * a);
        top = std::max(top, std::abs(x.get(0, p)));
      }
      CHECK(std::abs(t * 127 - top) <= 1e-6 * top);
      CHECK(std::sqrt(left) <= double(top_n::radius_of(squares, depth)) + 1e-6 * top);
    }
}

}  // namespace
}  // namespace tests
