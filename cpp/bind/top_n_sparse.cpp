#include "../algo/top_n/sparse.hpp"

#include <cmath>
#include <limits>

#include "bind.hpp"
#include "convert.hpp"
#include "top_n.hpp"

namespace coterie::bind {
namespace {

using top_n::Found;
using top_n::Request;

// Starts of rows and what stands in them: ascending in each row by `step` or more, below `limit`.
template <class I>
void check_rows(const std::int64_t* start, index rows, const I* at, index size, index limit,
                index step, const char* starts, const char* entries) {
  if (start[0] != 0 || start[rows] != size)
    refuse(starts, "0 to the number of entries", start[0], " to ", start[rows]);
  for (index i = 0; i < rows; ++i)
    if (start[i] > start[i + 1]) refuse(starts, "ascending entries", "a descent at row ", i);
  for (index i = 0; i < rows; ++i) {
    index least = 0;
    for (index e = start[i]; e < start[i + 1]; least = at[e++] + step)
      if (at[e] < least || at[e] >= limit)
        refuse(entries,
               step > 0 ? "ascending numbers within range, each once"
                        : "ascending numbers within range",
               at[e], " in row ", i);
  }
}

template <class T>
Csr<T> csr(const Array<T>& data, const Array<std::int32_t>& indices,
           const Array<std::int64_t>& indptr, index cols, const char* name) {
  const std::string prefix = name;
  const index nnz = data.size();
  const T* value = in1d(data, name, -1);
  const std::int32_t* column = in1d(indices, (prefix + "_indices").c_str(), nnz);
  const std::int64_t* start = in1d(indptr, (prefix + "_indptr").c_str(), -1);
  const index rows = indptr.size() - 1;
  constexpr index most = std::numeric_limits<std::int32_t>::max();
  if (rows < 0) refuse((prefix + "_indptr").c_str(), "at least one entry", "none");
  if (rows > most) refuse(name, "at most 2147483647 rows", rows);
  if (cols < 1 || cols > most) refuse("n_columns", "1 to 2147483647 columns", cols);
  check_rows(start, rows, column, nnz, cols, 1, (prefix + "_indptr").c_str(),
             (prefix + "_indices").c_str());
  return {value, column, start, rows, cols};
}

template <class T>
const T* held(const py::object& o, const char* name, index size) {
  return in1d(array_of<T>(o, name), name, size);
}

// What a search is given besides queries and items; the arrays outlive the call.
struct Wanted {
  index n;
  const py::object& threshold;
  const std::string& metric;
  const py::object &exclude_indptr, &exclude_indices, &deny;
  bool exclude_self;
  int n_threads;

  Request request(index queries, index items) const {
    if (n < 1) refuse("n", "a number >= 1", n);
    Request r;
    r.metric = metric_of(metric);
    r.n = n;
    r.exclude_self = exclude_self;
    r.n_threads = threads1(n_threads);
    r.threshold = std::numeric_limits<double>::infinity() * (is_distance(r.metric) ? 1 : -1);
    if (!threshold.is_none()) r.threshold = threshold.cast<double>();
    if (std::isnan(r.threshold)) refuse("threshold", "a number or None", r.threshold);
    if (!deny.is_none()) r.deny = held<std::uint8_t>(deny, "deny", items);
    if (exclude_indptr.is_none() != exclude_indices.is_none())
      refuse("exclude", "indptr and indices, or neither", "one of them");
    if (exclude_indptr.is_none()) return r;
    r.exclude = {held<std::int64_t>(exclude_indptr, "exclude_indptr", queries + 1),
                 held<std::int64_t>(exclude_indices, "exclude_indices", -1)};
    check_rows(r.exclude.start, queries, r.exclude.item,
               py::reinterpret_borrow<py::array>(exclude_indices).size(), items, 0,
               "exclude_indptr", "exclude_indices");
    return r;
  }
};

Found found_of(Array<std::int64_t>& indices, const py::object& scores, index rows, index n) {
  Found out{out2d(indices, "indices", rows, n), nullptr, nullptr};
  if (py::isinstance<Array<float>>(scores)) {
    auto a = py::reinterpret_borrow<Array<float>>(scores);
    out.f32 = out2d(a, "scores", rows, n);
  } else if (py::isinstance<Array<double>>(scores)) {
    auto a = py::reinterpret_borrow<Array<double>>(scores);
    out.f64 = out2d(a, "scores", rows, n);
  } else {
    throw py::type_error("scores: wanted float32 or float64");
  }
  return out;
}

template <class A, class B>
void search(const A& queries, const B& items, const Wanted& wanted, Array<std::int64_t>& indices,
            const py::object& scores) {
  const Request request = wanted.request(queries.rows, items.rows);
  const Found out = found_of(indices, scores, queries.rows, request.n);
  const NoGil nogil;
  top_n::search(queries, items, request, out);
}

// f(T()) with the type of an array of values.
template <class F>
void with_type(const py::object& data, const char* name, const F& f) {
  if (py::isinstance<Array<float>>(data)) return f(float());
  if (py::isinstance<Array<double>>(data)) return f(double());
  throw py::type_error(std::string(name) + ": wanted a float32 or float64 array");
}

void csr_csr(const py::object& q_data, const Array<std::int32_t>& q_indices,
             const Array<std::int64_t>& q_indptr, const py::object& i_data,
             const Array<std::int32_t>& i_indices, const Array<std::int64_t>& i_indptr,
             index n_columns, index n, const py::object& threshold, const std::string& metric,
             const py::object& exclude_indptr, const py::object& exclude_indices,
             const py::object& deny, bool exclude_self, Array<std::int64_t> indices,
             const py::object& scores, int n_threads) {
  with_type(q_data, "queries", [&](auto zero) {
    using T = decltype(zero);
    const auto q = csr<T>(array_of<T>(q_data, "queries"), q_indices, q_indptr, n_columns, "queries");
    const auto y = csr<T>(array_of<T>(i_data, "items"), i_indices, i_indptr, n_columns, "items");
    search(q, y,
           {n, threshold, metric, exclude_indptr, exclude_indices, deny, exclude_self, n_threads},
           indices, scores);
  });
}

void csr_dense(const py::object& q_data, const Array<std::int32_t>& q_indices,
               const Array<std::int64_t>& q_indptr, const py::object& items, index n,
               const py::object& threshold, const std::string& metric,
               const py::object& exclude_indptr, const py::object& exclude_indices,
               const py::object& deny, bool exclude_self, Array<std::int64_t> indices,
               const py::object& scores, int n_threads) {
  with_type(q_data, "queries", [&](auto zero) {
    using T = decltype(zero);
    const auto y = view2d(array_of<T>(items, "items"), "items");
    const auto q = csr<T>(array_of<T>(q_data, "queries"), q_indices, q_indptr, y.cols, "queries");
    search(q, y,
           {n, threshold, metric, exclude_indptr, exclude_indices, deny, exclude_self, n_threads},
           indices, scores);
  });
}

void dense_csr(const py::object& queries, const py::object& i_data,
               const Array<std::int32_t>& i_indices, const Array<std::int64_t>& i_indptr, index n,
               const py::object& threshold, const std::string& metric,
               const py::object& exclude_indptr, const py::object& exclude_indices,
               const py::object& deny, bool exclude_self, Array<std::int64_t> indices,
               const py::object& scores, int n_threads) {
  with_type(i_data, "items", [&](auto zero) {
    using T = decltype(zero);
    const auto q = view2d(array_of<T>(queries, "queries"), "queries");
    const auto y = csr<T>(array_of<T>(i_data, "items"), i_indices, i_indptr, q.cols, "items");
    search(q, y,
           {n, threshold, metric, exclude_indptr, exclude_indices, deny, exclude_self, n_threads},
           indices, scores);
  });
}

}  // namespace

void top_n_sparse(py::module_& m) {
  m.def("top_n_csr", csr_csr, "q_data"_a, "q_indices"_a.noconvert(), "q_indptr"_a.noconvert(),
        "i_data"_a, "i_indices"_a.noconvert(), "i_indptr"_a.noconvert(), "n_columns"_a, "n"_a,
        "threshold"_a, "metric"_a, "exclude_indptr"_a, "exclude_indices"_a, "deny"_a,
        "exclude_self"_a, "indices"_a.noconvert(), "scores"_a, "n_threads"_a);
  m.def("top_n_csr_dense", csr_dense, "q_data"_a, "q_indices"_a.noconvert(),
        "q_indptr"_a.noconvert(), "items"_a, "n"_a, "threshold"_a, "metric"_a, "exclude_indptr"_a,
        "exclude_indices"_a, "deny"_a, "exclude_self"_a, "indices"_a.noconvert(), "scores"_a,
        "n_threads"_a);
  m.def("top_n_dense_csr", dense_csr, "queries"_a, "i_data"_a, "i_indices"_a.noconvert(),
        "i_indptr"_a.noconvert(), "n"_a, "threshold"_a, "metric"_a, "exclude_indptr"_a,
        "exclude_indices"_a, "deny"_a, "exclude_self"_a, "indices"_a.noconvert(), "scores"_a,
        "n_threads"_a);
}

}  // namespace coterie::bind
