#include "../algo/top_n/top_n.hpp"

#include <memory>
#include <variant>

#include "../algo/top_n/items.hpp"
#include "../engine/isa.hpp"
#include "bind.hpp"
#include "convert.hpp"
#include "top_n.hpp"

namespace coterie::bind {
namespace {

using top_n::Items;
using top_n::Metric;
using top_n::Options;

template <class T>
View<T> matrix(const py::object& a, const char* name) {
  const View<T> v = view2d(array_of<T>(a, name), name);
  if (v.rows > 0 && v.cols < 1) refuse(name, "at least one column", v.cols);
  return v;
}

// What is kept of the items (bench: top_n). Bytes on a CPU that multiplies them, if rows are long
// enough and the items stay (queries < 0) or the queries make up for the preparation; halves if the
// items stay.
template <class T>
top_n::Keep keep_for(const std::string& precision, index queries, const View<T>& items,
                     Metric metric) {
  constexpr index kRows = 1024, kCols = 32, kQueries = 64, kBytes = index(24) << 20;
  if (precision != "auto" && precision != "float" && precision != "certified-int8")
    refuse("precision", "'auto', 'float' or 'certified-int8'", "'", precision, "'");
  if (precision == "certified-int8") return top_n::Keep::bytes;
  const bool stay = queries < 0, worth = items.rows >= kRows && items.cols >= kCols;
  const bool many = stay || (queries >= kQueries && items.rows * items.cols <= kBytes);
  if (precision == "auto" && isa::has_byte_dot() && worth && many) return top_n::Keep::bytes;
  return stay && worth && metric != Metric::euclidean ? top_n::Keep::halves : top_n::Keep::nothing;
}

// The excluded items of each query, or null.
top_n::Exclude exclude_of(const py::object& start, const py::object& item, index queries,
                          index items) {
  if (start.is_none()) return {};
  const auto starts = array_of<std::int64_t>(start, "exclude"),
             list = array_of<std::int64_t>(item, "exclude");
  const top_n::Exclude e{in1d(starts, "exclude", queries + 1), in1d(list, "exclude", -1)};
  for (index i = 0; i < queries; ++i) {
    const index a = e.start[i], b = e.start[i + 1];
    if (a < 0 || b < a || b > list.shape(0))
      refuse("exclude", "row starts within the list", a, " .. ", b);
    for (index j = a; j < b; ++j) {
      if (e.item[j] < 0 || e.item[j] >= items)
        refuse("exclude", ("items below " + std::to_string(items)).c_str(), e.item[j]);
      if (j > a && e.item[j] < e.item[j - 1]) refuse("exclude", "ascending items", e.item[j]);
    }
  }
  return e;
}

// What a search is given besides queries and items; the arrays outlive the call.
struct Wanted {
  index n;
  double threshold;
  const py::object &start, &item, &deny;
  bool exclude_self;
  int n_threads;

  Options options(index queries, index items) const {
    if (n < 1) refuse("n", "a number >= 1", n);
    if (items >= (index(1) << 32)) refuse("items", "fewer than 2^32 rows", items);
    const std::uint8_t* mask =
        deny.is_none() ? nullptr : in1d(array_of<std::uint8_t>(deny, "deny"), "deny", items);
    return {n,    threshold,    exclude_of(start, item, queries, items),
            mask, exclude_self, threads1(n_threads)};
  }
};

template <class T>
void run(const View<T>& queries, const Items<T>& items, const Wanted& wanted, py::object& indices,
         py::object& scores) {
  if (queries.rows > 0) check_size(queries.cols, items.rows().cols, "queries");
  const Options options = wanted.options(queries.rows, items.rows().rows);
  auto into = array_of<std::int64_t>(indices, "indices");
  auto values = array_of<T>(scores, "scores");
  const top_n::Result<T> result{out2d(into, "indices", queries.rows, options.n),
                                out2d(values, "scores", queries.rows, options.n)};
  const NoGil nogil;
  top_n::search(queries, items, options, result);
}

// f(view) of the rows, in their type.
template <class F>
auto visit_rows(const py::object& rows, const char* name, const F& f) {
  if (py::isinstance<Array<float>>(rows)) return f(matrix<float>(rows, name));
  if (py::isinstance<Array<double>>(rows)) return f(matrix<double>(rows, name));
  throw py::type_error(std::string(name) + ": wanted a float32 or float64 array");
}

void top_n_dense(const py::object& queries, const py::object& items, index n, double threshold,
                 const std::string& metric, const py::object& start, const py::object& item,
                 const py::object& deny, bool exclude_self, const std::string& precision,
                 py::object indices, py::object scores, int n_threads) {
  const Metric m = metric_of(metric);
  visit_rows(items, "items", [&](const auto& x) {
    using T = std::decay_t<decltype(*x.data)>;
    const View<T> q = matrix<T>(queries, "queries");
    const top_n::Keep keep = keep_for(precision, q.rows, x, m);
    std::unique_ptr<Items<T>> prepared;
    {
      const NoGil nogil;
      prepared = std::make_unique<Items<T>>(x, m, keep, threads1(n_threads));
    }
    run(q, *prepared, {n, threshold, start, item, deny, exclude_self, n_threads}, indices, scores);
  });
}

// Items that are kept. The array is theirs from now on: no copy is made.
class Index {
 public:
  Index(const py::object& rows, const std::string& metric, const std::string& precision,
        int n_threads)
      : rows_(rows) {
    const Metric m = metric_of(metric);
    const int team = threads1(n_threads);
    visit_rows(rows, "items", [&](const auto& x) {
      using T = std::decay_t<decltype(*x.data)>;
      const top_n::Keep keep = keep_for(precision, -1, x, m);
      const NoGil nogil;
      items_ = std::make_unique<Items<T>>(x, m, keep, team);
    });
  }

  void search(const py::object& queries, index n, double threshold, const py::object& start,
              const py::object& item, const py::object& deny, py::object indices, py::object scores,
              int n_threads) const {
    std::visit(
        [&](const auto& items) {
          using T = std::decay_t<decltype(*items->rows().data)>;
          run(matrix<T>(queries, "queries"), *items,
              {n, threshold, start, item, deny, false, n_threads}, indices, scores);
        },
        items_);
  }

  index n_items() const {
    return std::visit([](const auto& items) { return items->rows().rows; }, items_);
  }
  std::int64_t nbytes() const {
    return std::visit([](const auto& items) { return items->nbytes(); }, items_) +
           rows_.attr("nbytes").cast<std::int64_t>();
  }
  py::object items() const { return rows_; }

 private:
  py::object rows_;
  std::variant<std::unique_ptr<Items<float>>, std::unique_ptr<Items<double>>> items_;
};

void similarity(const py::object& a, const py::object& b, const std::string& metric, py::object out,
                int n_threads) {
  const Metric m = metric_of(metric);
  visit_rows(a, "a", [&](const auto& x) {
    using T = std::decay_t<decltype(*x.data)>;
    const View<T> y = matrix<T>(b, "b");
    if (x.rows > 0 && y.rows > 0) check_size(y.cols, x.cols, "b");
    auto array = array_of<T>(out, "out");
    T* to = out2d(array, "out", x.rows, y.rows);
    threads1(n_threads);
    const NoGil nogil;
    top_n::similarity(x, y, m, to, n_threads);
  });
}

}  // namespace

void top_n_(py::module_& m) {
  m.def("top_n_dense", top_n_dense, "queries"_a, "items"_a, "n"_a, "threshold"_a, "metric"_a,
        "exclude_indptr"_a.none(true), "exclude_indices"_a.none(true), "deny"_a.none(true),
        "exclude_self"_a, "precision"_a, "indices"_a, "scores"_a, "n_threads"_a);
  m.def("similarity", similarity, "a"_a, "b"_a, "metric"_a, "out"_a, "n_threads"_a);
  py::class_<Index>(m, "TopNIndex")
      .def(py::init<const py::object&, const std::string&, const std::string&, int>(), "items"_a,
           "metric"_a, "precision"_a, "n_threads"_a)
      .def("search", &Index::search, "queries"_a, "n"_a, "threshold"_a,
           "exclude_indptr"_a.none(true), "exclude_indices"_a.none(true), "deny"_a.none(true),
           "indices"_a, "scores"_a, "n_threads"_a)
      .def("items", &Index::items)
      .def_property_readonly("n_items", &Index::n_items)
      .def_property_readonly("nbytes", &Index::nbytes);
}

}  // namespace coterie::bind
