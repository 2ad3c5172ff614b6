// Sparse top-N: the leaves against plain loops between guard pages, and the join against the
// panels, which must agree to the last bit, over more items than one range holds.
#include <limits>

#include "../../cpp/algo/top_n/sparse.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

// CSR rows of small integers; every `rare`-th row is empty, and a few columns stand in many rows.
template <class T>
struct SparseRows {
  std::vector<T> value;
  std::vector<std::int32_t> column;
  std::vector<std::int64_t> start{0};
  index cols;
  SparseRows(index rows, index columns, index per_row, std::uint64_t seed) : cols(columns) {
    for (index i = 0; i < rows; ++i) {
      const index entries = i % 7 == 3 ? 0 : 1 + (small_integer(seed, i, 9) + 9) % per_row;
      index c = -1;
      for (index e = 0; e < entries; ++e) {
        const index step = 1 + (small_integer(seed + 1, i * 64 + e, 999) + 999) % (cols / per_row);
        if ((c += e == 0 && i % 3 == 0 ? 1 : step) >= cols) break;
        value.push_back(static_cast<T>(small_integer(seed + 2, i * 64 + e, 4)));
        column.push_back(static_cast<std::int32_t>(c));
      }
      start.push_back(static_cast<std::int64_t>(value.size()));
    }
  }
  Csr<T> view() const {
    return {value.data(), column.data(), start.data(), static_cast<index>(start.size()) - 1, cols};
  }
};

template <class T>
void check_paths(index rows, index items, index cols, const top_n::Request& request) {
  About about(type_name<T>(), " rows ", rows, " items ", items, " n ", request.n);
  const SparseRows<T> q(rows, cols, 6, 31), y(items, cols, 5, 41);
  const auto size = static_cast<std::size_t>(rows * request.n);
  std::vector<std::int64_t> joined(size), scanned(size);
  std::vector<double> scores(size), wanted(size);
  top_n::join(q.view(), y.view(), request, {joined.data(), nullptr, scores.data()});
  top_n::scan(q.view(), y.view(), request, {scanned.data(), nullptr, wanted.data()});
  for (std::size_t i = 0; i < size; ++i) {
    CHECK_EQUAL(joined[i], scanned[i]);
    CHECK_EQUAL(scores[i], wanted[i]);
  }
}

template <class T>
void check_all() {
  using top_n::Metric;
  for (const Metric metric : {Metric::cosine, Metric::dot, Metric::angular})
    for (const int threads : {1, 3}) {
      top_n::Request request;
      request.metric = metric, request.n_threads = threads, request.exclude_self = true;
      const double none = std::numeric_limits<double>::infinity();
      request.threshold = top_n::is_distance(metric) ? none : -none;
      request.n = 12;
      check_paths<T>(40, 140000, 3000, request);
      check_paths<T>(70, 9000, 60, request);
      request.n = 2500;
      check_paths<T>(20, 9000, 2000, request);
      check_paths<T>(9, 1200, 90, request);
      request.n = 30, request.threshold = 0.25;
      check_paths<T>(40, 9000, 300, request);
    }
}

template <class T>
void check_panel(Edge edge) {
  const auto& kernels = top_n::sparse_kernels<T>();
  const index lanes = kernels.lanes, rows = 50, cols = 40;
  const SparseRows<T> x(rows, cols, 6, 51);
  Guarded<double> panel(cols * lanes, edge), factor(rows, edge), slope(lanes, edge),
      floor(lanes, edge);
  Guarded<double> level(rows, edge), more(rows, edge), sums(lanes, edge);
  for (index i = 0; i < cols * lanes; ++i) panel[i] = static_cast<double>(small_integer(61, i, 5));
  for (index w = 0; w < lanes; ++w) slope[w] = static_cast<double>(w % 3), floor[w] = 4;
  for (index r = 0; r < rows; ++r)
    factor[r] = 2, level[r] = static_cast<double>(r % 5), more[r] = 1;
  const PanelTask<T> task{x.value.data(), x.column.data(), x.start.data(), factor.data(),
                          nullptr,        panel.data(),    slope.data(),   floor.data(),
                          level.data(),   more.data()};
  for (index r = 0; r < rows; ++r) {
    std::uint32_t wanted = 0, hits = 0;
    std::vector<double> product(static_cast<std::size_t>(lanes), 0);
    for (index w = 0; w < lanes; ++w) {
      double& sum = product[static_cast<std::size_t>(w)];
      for (index e = x.start[static_cast<std::size_t>(r)];
           e < x.start[static_cast<std::size_t>(r) + 1]; ++e) {
        const auto at = static_cast<std::size_t>(e);
        sum += 2 * static_cast<double>(x.value[at]) * panel[x.column[at] * lanes + w];
      }
      if (sum > slope[w] * level[r] + 5) wanted |= 1u << w;
    }
    const index found = kernels.panel_hit(task, r, r + 1, sums.data(), &hits);
    CHECK_EQUAL(found, wanted == 0 ? r + 1 : r);
    if (wanted == 0) continue;
    CHECK_EQUAL(hits, wanted);
    for (index w = 0; w < lanes; ++w) CHECK_EQUAL(sums[w], product[static_cast<std::size_t>(w)]);
  }
}

template <class T>
void check_lines(Edge edge) {
  for (const index count : {0, 1, 2, 7, 8, 15, 16, 17, 31, 40}) {
    Guarded<double> sums(count, edge), level(count, edge);
    Guarded<T> line(count, edge);
    for (index i = 0; i < count; ++i) {
      sums[i] = static_cast<double>(small_integer(71, i, 9));
      line[i] = static_cast<T>(small_integer(72, i, 9));
      level[i] = static_cast<double>(i % 4);
    }
    top_n::sparse_kernels<T>().add_line(sums.data(), line.data(), 3, count);
    for (index i = 0; i < count; ++i)
      CHECK_EQUAL(sums[i],
                  static_cast<double>(small_integer(71, i, 9) + 3 * small_integer(72, i, 9)));
    for (index first = 0; first <= count; ++first) {
      index wanted = first;
      while (wanted < count && !(sums[wanted] > 4 * level[wanted] + 3)) ++wanted;
      CHECK_EQUAL(isa::table().sparse->first_above(sums.data(), level.data(), 4, 3, first, count),
                  wanted);
    }
  }
}

}  // namespace

TEST(top_n_sparse, leaves) {
  for (const Edge edge : kEdges) {
    check_panel<float>(edge), check_panel<double>(edge);
    check_lines<float>(edge), check_lines<double>(edge);
  }
}

TEST(top_n_sparse, join_and_panels_agree) { check_all<float>(), check_all<double>(); }

}  // namespace tests
