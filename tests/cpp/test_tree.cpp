// What is read off linkage matrices: the (min, +) leaf against loops, orders against all orders,
// cuts of a long chain, refusals.
#include "../../cpp/algo/linkage/tree.hpp"

#include <limits>
#include <stdexcept>

#include "../../cpp/engine/isa.hpp"
#include "../../cpp/engine/packed.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;
using tree::Tree;

namespace {

void check_min_plus(index rows, index depth, index columns, index gap, Edge edge) {
  const Table& table = isa::table();
  const index mr = table.f64.mr;
  About about(rows, " x ", depth, " x ", columns, " gap ", gap);
  const Rows<double> x(rows, depth, depth + gap, edge, 5, 40);
  const Rows<double> y(depth, columns, columns + gap, edge, 6, 40);
  Rows<double> out(rows, columns, columns + gap, edge, 7, 40);
  const Rows<double> before(rows, columns, columns + gap, edge, 7, 40);
  Guarded<double> panels(round_up(columns, mr) * depth, edge);
  for (index c = 0; c < columns; c += mr)
    table.f64.pack_lanes_t(y.memory.data() + c, y.stride, depth, std::min(mr, columns - c),
                           panels.data() + c * depth);
  table.min_plus({x.memory.data(), x.stride, rows, depth, columns, panels.data(), out.memory.data(),
                  out.stride});
  for (index i = 0; i < rows; ++i)
    for (index c = 0; c < out.stride && i * out.stride + c < out.memory.size(); ++c) {
      if (c >= columns) {
        CHECK(std::isnan(out.get(i, c)));
        continue;
      }
      double wanted = before.get(i, c);
      for (index p = 0; p < depth; ++p) wanted = std::min(wanted, x.get(i, p) + y.get(p, c));
      CHECK_EQUAL(out.get(i, c), wanted);
    }
}

// Z of n - 1 rows: two clusters at random, from those that are left, in each.
std::vector<double> random_links(index n, std::uint64_t seed) {
  std::vector<index> alive;
  for (index i = 0; i < n; ++i) alive.push_back(i);
  std::vector<double> Z;
  for (index t = 0; t < n - 1; ++t) {
    for (int side = 0; side < 2; ++side) {
      const auto at = mix(seed * 77777 + static_cast<std::uint64_t>(2 * t + side)) % alive.size();
      Z.push_back(static_cast<double>(alive[at]));
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(at));
    }
    alive.push_back(n + t);
    Z.push_back(static_cast<double>(small_integer(seed, t, 5) + 5));
    Z.push_back(0);
  }
  return Z;
}

View<double> view(const std::vector<double>& Z) {
  return {Z.data(), static_cast<index>(Z.size()) / 4, 4, 4};
}

double path(const Tree& t, const std::vector<double>& y) {
  double sum = 0;
  for (index p = 0; p + 1 < t.n; ++p) {
    const index i = std::min(t.leaf[p], t.leaf[p + 1]), j = std::max(t.leaf[p], t.leaf[p + 1]);
    sum += y[static_cast<std::size_t>(t.n * i - i * (i + 1) / 2 + j - i - 1)];
  }
  return sum;
}

void check_order(index n, std::uint64_t seed) {
  About about("n ", n, " seed ", seed);
  std::vector<double> Z = random_links(n, seed), y, columns(static_cast<std::size_t>(2 * (n - 1)));
  for (index p = 0; p < n * (n - 1) / 2; ++p) y.push_back(small_integer(seed + 1, p, 20) + 20);
  tree::optimal_order(Tree(view(Z)), y.data(), columns.data(), 2);
  double least = std::numeric_limits<double>::infinity();
  for (std::uint64_t swaps = 0; swaps < std::uint64_t{1} << (n - 1); ++swaps) {
    std::vector<double> other = Z;
    for (std::size_t t = 0; t + 1 < static_cast<std::size_t>(n); ++t)
      if (swaps >> t & 1) std::swap(other[4 * t], other[4 * t + 1]);
    least = std::min(least, path(Tree(view(other)), y));
  }
  for (std::size_t t = 0; t + 1 < static_cast<std::size_t>(n); ++t) {
    CHECK_EQUAL(Z[4 * t] + Z[4 * t + 1], columns[2 * t] + columns[2 * t + 1]);
    Z[4 * t] = columns[2 * t], Z[4 * t + 1] = columns[2 * t + 1];
  }
  CHECK_EQUAL(path(Tree(view(Z)), y), least);
}

}  // namespace

TEST(tree, min_plus) {
  const Kernels<double>& kernels = isa::kernels<double>();
  const index mr = kernels.mr, nr = kernels.nr;
  for (const Edge edge : kEdges) {
    for (const index rows : sizes({1, nr - 1, nr, nr + 1, 2 * nr + 1}))
      for (const index columns : sizes({1, mr - 1, mr, mr + 1, 2 * mr + 1}))
        for (const index depth : {1, 2, 11}) check_min_plus(rows, depth, columns, depth % 3, edge);
    for (const index depth : {127, 128, 129, 1025}) check_min_plus(nr + 1, depth, mr + 1, 1, edge);
  }
}

TEST(tree, no_order_is_better) {
  for (index n = 2; n <= 9; ++n)
    for (std::uint64_t seed = 0; seed < 6; ++seed) check_order(n, seed);
}

TEST(tree, a_long_chain) {
  const index n = 50000;
  std::vector<double> Z, values(static_cast<std::size_t>(n - 1)), R(4 * values.size());
  for (index t = 0; t < n - 1; ++t)
    for (const index entry : {t == 0 ? 0 : n + t - 1, t + 1, t, t + 2})
      Z.push_back(static_cast<double>(entry));
  const Tree chain(view(Z));
  CHECK_EQUAL(chain.size[2 * n - 2], n);
  tree::subtree_max(chain, chain.height.data(), values.data());
  CHECK_EQUAL(values.back(), static_cast<double>(n - 2));
  CHECK_EQUAL(tree::threshold_for(chain, values.data(), 10), static_cast<double>(n - 11));
  std::vector<std::int32_t> flat(static_cast<std::size_t>(n));
  tree::flat_clusters(chain, values.data(), static_cast<double>(n - 11), flat.data());
  CHECK_EQUAL(*std::max_element(flat.begin(), flat.end()), 10);
  CHECK_EQUAL(tree::leaders(chain, flat.data()).size(), std::size_t{10});
  tree::merge_ranks(chain, values.data());
  const double cuts[] = {0, static_cast<double>(n - 1)};
  std::vector<std::int64_t> labels(2 * flat.size());
  tree::cut(chain, values.data(), cuts, 2, labels.data(), 2);
  CHECK_EQUAL(labels[flat.size() - 1], n - 1);
  CHECK_EQUAL(labels.back(), 0);
  tree::inconsistency(chain, 3, R.data(), 2);
  CHECK_EQUAL(R[R.size() - 2], 3.0);
}

TEST(tree, refuses) {
  const std::vector<double> good = random_links(5, 1);
  for (const double bad : {-1.0, 0.5, 99.0, 6.0, std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    std::vector<double> Z = good;
    Z[0] = bad;
    CHECK(THROWN(std::invalid_argument, Tree{view(Z)}).find("row 0") != std::string::npos);
  }
  std::vector<double> Z = good;
  Z[1] = Z[0];
  CHECK(THROWN(std::invalid_argument, Tree{view(Z)}).find("joined once") != std::string::npos);
  CHECK(THROWN(std::invalid_argument, Tree{view({})}).find("one row or more") != std::string::npos);
}

}  // namespace tests
