// DIANA: two forms of distances, any number of threads, one tree; what is refused.
#include "../../cpp/algo/linkage/diana.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "../../cpp/base/random.hpp"
#include "check.hpp"

namespace {

using namespace coterie;

struct Tree {
  std::vector<double> merges;
  std::vector<index> order, cuts;
  bool operator==(const Tree& other) const {
    return merges == other.merges && order == other.order && cuts == other.cuts;
  }
};

template <class Distances>
Tree tree_of(const Distances& d, int n_threads) {
  const index n = d.rows();
  Tree tree{std::vector<double>(4 * (n - 1)), std::vector<index>(n), std::vector<index>(n - 1)};
  diana::divide(d, {tree.merges.data(), tree.order.data(), tree.cuts.data()}, n_threads);
  return tree;
}

// Small integers, which tie, or uniform values.
std::vector<double> matrix(index n, bool tied) {
  std::vector<double> m(n * n);
  for (index i = 0; i < n; ++i)
    for (index j = i + 1; j < n; ++j) {
      const double u = uniform(7, i, j);
      m[i * n + j] = m[j * n + i] = tied ? static_cast<double>(static_cast<index>(9 * u)) : u;
    }
  return m;
}

std::vector<double> above_diagonal(const std::vector<double>& m, index n) {
  std::vector<double> c;
  for (index i = 0; i < n; ++i)
    for (index j = i + 1; j < n; ++j) c.push_back(m[i * n + j]);
  return c;
}

}  // namespace

TEST(diana, one_tree) {
  for (const index n : {2, 3, 64, 65, 300, 2100})
    for (const bool tied : {false, true}) {
      tests::About about("n ", n, ", tied ", tied);
      const std::vector<double> m = matrix(n, tied), c = above_diagonal(m, n);
      const diana::Square square{{m.data(), n, n, n}};
      const Tree tree = tree_of(square, 1);
      for (const int n_threads : {1, 2, 5})
        CHECK(tree_of(diana::Condensed{c.data(), n}, n_threads) == tree);
      for (index t = 1; t < n - 1; ++t) CHECK(tree.merges[4 * t + 2] >= tree.merges[4 * t - 2]);
      CHECK_EQUAL(tree.merges[4 * (n - 2) + 2], *std::max_element(c.begin(), c.end()));
      std::vector<index> rows = tree.order;
      std::sort(rows.begin(), rows.end());
      for (index i = 0; i < n; ++i) CHECK_EQUAL(rows[i], i);
    }
}

TEST(diana, refused) {
  constexpr index n = 130;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {-1.0, nan, std::numeric_limits<double>::infinity(), 1e305}) {
    std::vector<double> m = matrix(n, false);
    m[3 * n + 100] = m[100 * n + 3] = bad;
    const diana::Square square{{m.data(), n, n, n}};
    const std::string said = THROWN(std::invalid_argument, tree_of(square, 2));
    CHECK(said.find(" between rows ") != std::string::npos);
  }
  for (const index at : {index{100 * n + 3}, index{70 * n + 70}})
    for (const double bad : {5.0, nan}) {
      std::vector<double> m = matrix(n, false);
      m[at] = bad;
      const diana::Square square{{m.data(), n, n, n}};
      const std::string said = THROWN(std::invalid_argument, tree_of(square, 2));
      CHECK(said.find("symmetric") != std::string::npos);
    }
}
