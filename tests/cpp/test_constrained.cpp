// Agglomeration along a graph against its definition: every step looks at every edge.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "../../cpp/algo/linkage/constrained.hpp"
#include "../../cpp/algo/linkage/edge_heap.hpp"
#include "../../cpp/algo/linkage/edges.hpp"
#include "../../cpp/base/random.hpp"
#include "check.hpp"

namespace tests {
using namespace coterie;
using namespace coterie::linkage;

namespace {

using Pair = std::pair<std::int32_t, std::int32_t>;
using Lengths = std::map<Pair, double>;

struct Draw {
  std::uint64_t seed, count = 0;
  std::int32_t operator()(index below) {
    return static_cast<std::int32_t>(uniform(seed, 0, count++) * static_cast<double>(below));
  }
};

Pair pair_of(std::int32_t a, std::int32_t b) { return std::minmax(a, b); }

struct Problem {
  std::vector<double> x;  // one feature, small integers: ties abound
  std::vector<std::int32_t> a, b;
  std::vector<double> length;
};

// A random tree and `more` edges, a third of them from one hub.
Problem problem(index n, index more, index values, std::uint64_t seed) {
  Draw draw{seed};
  std::set<Pair> edges;
  for (std::int32_t i = 1; i < n; ++i) edges.insert({draw(i), i});
  for (index e = 0; e < more; ++e) {
    const std::int32_t i = e % 3 == 0 ? 0 : draw(n), j = draw(n);
    if (i != j) edges.insert(pair_of(i, j));
  }
  Problem p;
  for (index i = 0; i < n; ++i) p.x.push_back(draw(values));
  for (const auto& [i, j] : edges) {
    p.a.push_back(i);
    p.b.push_back(j);
    p.length.push_back(std::abs(p.x[i] - p.x[j]));
  }
  return p;
}

double joint(Constrained method, double a, double b, double n_a, double n_b) {
  if (method == Constrained::complete) return std::max(a, b);
  return (n_a * a + n_b * b) / (n_a + n_b);
}

Merges by_definition(const Problem& p, Constrained method, index n_clusters) {
  const auto n = static_cast<std::int32_t>(p.x.size());
  std::vector<double> sum = p.x, size(n, 1);
  std::vector<std::int64_t> number(n);
  for (std::int32_t i = 0; i < n; ++i) number[i] = i;
  Lengths edges;
  for (std::size_t e = 0; e < p.a.size(); ++e) edges[{p.a[e], p.b[e]}] = p.length[e];
  Merges out;
  for (std::int64_t merge = n; merge < 2 * n - n_clusters; ++merge) {
    std::tuple<double, Pair> best{INFINITY, {0, 0}};
    for (auto& [pair, d] : edges) {
      const auto [a, b] = pair;
      const double apart = sum[a] / size[a] - sum[b] / size[b];
      if (method == Constrained::ward)
        d = 2 * (size[a] * size[b] / (size[a] + size[b])) * (apart * apart);
      best = std::min(best, {d, pair});
    }
    const auto [height, pair] = best;
    const auto [a, b] = pair;  // names: b, the larger, stays
    out.children.push_back(std::min(number[a], number[b]));
    out.children.push_back(std::max(number[a], number[b]));
    out.heights.push_back(method == Constrained::ward ? std::sqrt(height) : height);
    edges.erase(pair);
    Lengths next;
    for (const auto& [other, d] : edges) {
      const bool first = other.first == a, second = other.second == a;
      if (!first && !second) {
        next.insert({other, d});  // keeps what a's edge may have brought
        continue;
      }
      const Pair moved = pair_of(first ? other.second : other.first, b);
      const auto twin = edges.find(moved);
      next[moved] = twin == edges.end() ? d : joint(method, d, twin->second, size[a], size[b]);
    }
    edges = next;
    sum[b] += sum[a];
    size[b] += size[a];
    number[b] = merge;
  }
  return out;
}

}  // namespace

TEST(constrained, merges_are_those_of_the_definition) {
  for (const auto method : {Constrained::ward, Constrained::complete, Constrained::average})
    for (const auto& [n, more, values] :
         {std::tuple<index, index, index>{2, 0, 2}, {30, 0, 3}, {30, 40, 2}, {40, 1000, 50}})
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const About about("method ", static_cast<int>(method), ", n ", n, ", seed ", seed);
        const Problem p = problem(n, more, values, seed);
        const index n_clusters = seed % 2 == 0 ? 1 : n / 2;
        const Graph graph{p.a.data(), p.b.data(), static_cast<index>(p.a.size()), n};
        const Merges wanted = by_definition(p, method, n_clusters);
        const Merges found =
            constrained(graph, method, p.length.data(), {p.x.data(), n, 1, 1}, n_clusters);
        CHECK(found.children == wanted.children);
        CHECK(found.heights == wanted.heights);
      }
}

// The shortest edge first, of equal ones that of the lowest rows; edges within a cluster are idle.
// rows.
TEST(constrained, single_takes_edges_as_they_come) {
  const std::vector<std::int32_t> a{0, 1, 2, 3, 0, 0}, b{1, 2, 3, 4, 4, 3};
  const std::vector<double> lengths{1, 2, 1, 2, 2, 5};
  const View<double> none{nullptr, 0, 0, 0};
  const Merges found =
      constrained({a.data(), b.data(), 6, 5}, Constrained::single, lengths.data(), none, 1);
  CHECK(found.children == (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  CHECK(found.heights == (std::vector<double>{1, 1, 2, 2}));
}

TEST(constrained, a_table_of_pairs_survives_any_order_of_changes) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Problem p = problem(25, 200, 2, seed);
    const auto n_edges = static_cast<std::int32_t>(p.a.size());
    Edges edges(Graph{p.a.data(), p.b.data(), n_edges, 25});
    std::map<Pair, std::int32_t> wanted;
    for (std::int32_t e = 0; e < n_edges; ++e) wanted[{p.a[e], p.b[e]}] = e;
    Draw draw{seed + 100};
    while (!wanted.empty()) {
      const auto at = std::next(wanted.begin(), draw(static_cast<index>(wanted.size())));
      const auto [pair, e] = *at;
      const std::int32_t to = draw(25), end = 2 * e + draw(2), other = edges.node(end ^ 1);
      if (draw(2) == 0 || to == other || wanted.count(pair_of(to, other))) {
        edges.remove(e);
        wanted.erase(at);
      } else {
        edges.move(end, to);
        wanted.erase(at);
        wanted[pair_of(to, other)] = e;
      }
      index ends = 0;
      for (std::int32_t i = 0; i < 25; ++i) {
        index degree = 0;
        for (std::int32_t h = edges.first(i); h != Edges::none; h = edges.next(h), ++degree)
          CHECK_EQUAL(edges.node(h), i);
        CHECK_EQUAL(degree, edges.degree(i));
        ends += degree;
        for (std::int32_t j = i + 1; j < 25; ++j) {
          const auto found = wanted.find({i, j});
          CHECK_EQUAL(edges.find(j, i), found == wanted.end() ? Edges::none : found->second);
        }
      }
      CHECK_EQUAL(ends, 2 * static_cast<index>(wanted.size()));
    }
  }
}

TEST(constrained, a_heap_follows_every_change) {
  Draw draw{1};
  constexpr std::int32_t n = 200;
  EdgeHeap heap(n);
  std::map<std::int32_t, double> wanted;
  for (std::int32_t e = 0; e < n; ++e) {
    wanted[e] = draw(20);
    heap.start(e, {wanted[e], e, e});
  }
  heap.order();
  while (!wanted.empty()) {
    std::pair<double, std::int32_t> least{INFINITY, 0};
    for (const auto& [e, key] : wanted) least = std::min(least, {key, e});
    CHECK_EQUAL(heap.root(), least.second);
    const auto at = std::next(wanted.begin(), draw(static_cast<index>(wanted.size())));
    if (draw(2) == 0) {
      at->second = draw(20);
      heap.set(at->first, {at->second, at->first, at->first});
    } else {
      heap.remove(at->first);
      wanted.erase(at);
    }
  }
  CHECK(heap.empty());
}

}  // namespace tests
