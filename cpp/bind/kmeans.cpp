#include "../algo/kmeans/kmeans.hpp"

#include <optional>

#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

// Compressed sparse rows: holds the caller's arrays, index arrays widened or narrowed to the core's.
class PyCsr {
 public:
  PyCsr(const py::array& data, const py::array& indices, const py::array& indptr, index cols)
      : cols_(cols), data_(data) {
    if (!py::isinstance<Array<float>>(data) && !py::isinstance<Array<double>>(data))
      throw py::type_error("data: wanted float32 or float64");
    if (cols < 1 || cols > std::numeric_limits<std::int32_t>::max())
      refuse("n_features", "1 to 2147483647 features", cols);
    start_ = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>::ensure(indptr);
    const index nnz = data.size();
    rows_ = start_.size() - 1;
    if (start_.ndim() != 1 || rows_ < 0) refuse("indptr", "a 1-D array of at least one entry", "none");
    const std::int64_t* s = start_.data();
    if (s[0] != 0 || s[rows_] != nnz) refuse("indptr", "0 to the number of stored values", s[0], " to ", s[rows_]);
    for (index i = 0; i < rows_; ++i)
      if (s[i] > s[i + 1]) refuse("indptr", "ascending entries", "a descent at row ", i);
    const auto wide = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>::ensure(indices);
    if (wide.ndim() != 1) refuse("indices", "a 1-D array", wide.ndim(), "-D");
    check_size(wide.size(), nnz, "indices");
    column_ = py::array_t<std::int32_t>(nnz);
    for (index e = 0; e < nnz; ++e) {
      const std::int64_t c = wide.data()[e];
      if (c < 0 || c >= cols) refuse("indices", "columns within n_features", c);
      column_.mutable_data()[e] = static_cast<std::int32_t>(c);
    }
  }
  template <class T>
  std::optional<Csr<T>> view() const {
    if (!py::isinstance<Array<T>>(data_)) return std::nullopt;
    const T* value = in1d(py::reinterpret_borrow<Array<T>>(data_), "data", -1);
    return Csr<T>{value, column_.data(), start_.data(), rows_, cols_};
  }
  py::tuple shape() const { return py::make_tuple(rows_, cols_); }

 private:
  index rows_ = 0, cols_;
  py::array data_;
  py::array_t<std::int64_t> start_;
  py::array_t<std::int32_t> column_;
};

// f(rows) with the dense or sparse view that `x` is.
template <class F>
auto visit(const py::object& x, const F& f) {
  if (py::isinstance<Array<float>>(x)) return f(view2d(py::reinterpret_borrow<Array<float>>(x), "X"));
  if (py::isinstance<Array<double>>(x)) return f(view2d(py::reinterpret_borrow<Array<double>>(x), "X"));
  if (py::isinstance<PyCsr>(x)) {
    const auto& csr = x.cast<const PyCsr&>();
    if (const auto v = csr.view<float>()) return f(*v);
    return f(*csr.view<double>());
  }
  throw py::type_error("X: wanted a float32 or float64 array, or a Csr of either");
}

template <class T>
T value_of(const View<T>&);
template <class T>
T value_of(const Csr<T>&);
template <class X>
using Value = decltype(value_of(std::declval<X>()));

// `centers` as a k x depth array of X's own type.
template <class T>
Array<T> centers_like(const py::object& centers, index depth) {
  auto a = array_of<T>(centers, "centers");
  const View<T> v = view2d(a, "centers");
  if (v.rows < 1) refuse("centers", "at least one row", v.rows);
  if (depth < 1) refuse("X", "at least one column", depth);
  check_size(v.cols, depth, "centers");
  if (v.rows > 1 && v.stride != v.cols) refuse("centers", "C-contiguous data", "strided rows");
  return a;
}

kmeans::Empty empty_policy(const std::string& name) {
  if (name == "relocate") return kmeans::Empty::relocate;
  if (name == "keep") return kmeans::Empty::keep;
  if (name == "error") return kmeans::Empty::error;
  refuse("empty_cluster", "'relocate', 'keep' or 'error'", "'", name, "'");
}

py::tuple moments(const py::object& X, const py::object& sample_weight, int n_threads) {
  return visit(X, [&](const auto& x) {
    const double* w = weights1d(sample_weight, x.rows);
    const int team = threads1(n_threads);
    kmeans::Moments m;
    {
      const NoGil nogil;
      m = kmeans::moments(x, w, team);
    }
    return py::make_tuple(vector_of(m.mean), vector_of(m.variance));
  });
}

py::tuple fit(const py::object& X, const py::object& sample_weight, const Array<double>& mean,
              const Array<double>& variance, const py::object& centers, Array<std::int32_t> labels,
              std::int64_t max_iter, double tol, const std::string& empty_cluster, int n_threads,
              const py::object& callback) {
  return visit(X, [&](const auto& x) {
    using T = Value<std::decay_t<decltype(x)>>;
    if (x.rows < 1) refuse("X", "at least one row", x.rows);
    const double* w = weights1d(sample_weight, x.rows);
    auto c = centers_like<T>(centers, x.cols);
    T* start = out2d(c, "centers", -1, x.cols);
    std::int32_t* to = out1d(labels, "labels", x.rows);
    const double *m = in1d(mean, "mean", x.cols), *v = in1d(variance, "variance", x.cols);
    kmeans::Options options{max_iter, tol, empty_policy(empty_cluster), threads1(n_threads), nullptr};
    if (!callback.is_none())
      options.progress = [&](std::int64_t i, double inertia, double shift) {
        const py::gil_scoped_acquire gil;
        const py::object stop = callback(i, inertia, shift);
        return !stop.is_none() && stop.cast<bool>();
      };
    kmeans::Result result;
    {
      const NoGil nogil;
      const kmeans::Moments moments{{m, m + x.cols}, {v, v + x.cols}};
      result = kmeans::lloyd(x, w, moments, start, c.shape(0), to, options);
    }
    const auto n_iter = static_cast<py::ssize_t>(result.history.size());
    py::array_t<double> history({n_iter, py::ssize_t{2}});
    for (py::ssize_t i = 0; i < n_iter; ++i) {
      history.mutable_at(i, 0) = result.history[static_cast<std::size_t>(i)].inertia;
      history.mutable_at(i, 1) = result.history[static_cast<std::size_t>(i)].shift;
    }
    return py::make_tuple(result.inertia, n_iter, history);
  });
}

void assign(const py::object& X, const py::object& centers, Array<std::int32_t> labels,
            const py::object& sq_distances, int n_threads) {
  visit(X, [&](const auto& x) {
    using T = Value<std::decay_t<decltype(x)>>;
    const auto c = centers_like<T>(centers, x.cols);
    std::int32_t* to = out1d(labels, "labels", x.rows);
    double* d = nullptr;
    if (!sq_distances.is_none()) {
      auto out = array_of<double>(sq_distances, "sq_distances");
      d = out1d(out, "sq_distances", x.rows);
    }
    const int team = threads1(n_threads);
    const NoGil nogil;
    kmeans::assign(x, c.data(), c.shape(0), to, d, team);
  });
}

double step(const py::object& X, const py::object& sample_weight, const py::object& centers,
            Array<std::int32_t> labels, Array<double> sums, Array<double> weights, int n_threads) {
  return visit(X, [&](const auto& x) {
    using T = Value<std::decay_t<decltype(x)>>;
    if (x.rows < 1) refuse("X", "at least one row", x.rows);
    const double* w = weights1d(sample_weight, x.rows);
    const auto c = centers_like<T>(centers, x.cols);
    std::int32_t* to = out1d(labels, "labels", x.rows);
    double* s = out2d(sums, "sums", c.shape(0), x.cols);
    double* totals = out1d(weights, "weights", c.shape(0));
    const int team = threads1(n_threads);
    const NoGil nogil;
    return kmeans::step(x, w, c.data(), c.shape(0), to, s, totals, team);
  });
}

void plus_plus(const py::object& X, const py::object& sample_weight, index first,
               const Array<double>& uniforms, Array<std::int64_t> indices, int n_threads) {
  visit(X, [&](const auto& x) {
    const double* w = weights1d(sample_weight, x.rows);
    const View<double> u = view2d(uniforms, "uniforms");
    if (u.stride != u.cols && u.rows > 1) refuse("uniforms", "C-contiguous data", "strided rows");
    if (u.cols < 1) refuse("uniforms", "at least one trial a step", u.cols);
    if (first < 0 || first >= x.rows) refuse("first", "a row of X", first);
    std::int64_t* to = out1d(indices, "indices", u.rows + 1);
    const int team = threads1(n_threads);
    const NoGil nogil;
    kmeans::plus_plus(x, w, first, u.data, u.rows + 1, u.cols, to, team);
  });
}

py::tuple parallel(const py::object& X, const py::object& sample_weight, index first, std::uint64_t seed,
                   double oversampling, int rounds, int n_threads) {
  return visit(X, [&](const auto& x) {
    const double* w = weights1d(sample_weight, x.rows);
    if (first < 0 || first >= x.rows) refuse("first", "a row of X", first);
    const int team = threads1(n_threads);
    kmeans::Candidates c;
    {
      const NoGil nogil;
      c = kmeans::parallel_seeding(x, w, first, seed, oversampling, rounds, team);
    }
    return py::make_tuple(vector_of(c.rows), vector_of(c.weights));
  });
}

void distances(const py::object& X, const py::object& centers, const py::object& out, int n_threads) {
  visit(X, [&](const auto& x) {
    using T = Value<std::decay_t<decltype(x)>>;
    const auto c = centers_like<T>(centers, x.cols);
    auto o = array_of<T>(out, "out");
    T* to = out2d(o, "out", x.rows, c.shape(0));
    const int team = threads1(n_threads);
    const NoGil nogil;
    kmeans::distances(x, c.data(), c.shape(0), to, team);
  });
}

}  // namespace

void kmeans(py::module_& m) {
  py::class_<PyCsr>(m, "Csr")
      .def(py::init<const py::array&, const py::array&, const py::array&, index>(), "data"_a,
           "indices"_a, "indptr"_a, "n_features"_a)
      .def_property_readonly("shape", &PyCsr::shape);
  m.def("moments", moments, "X"_a, "sample_weight"_a, "n_threads"_a);
  m.def("kmeans_fit", fit, "X"_a, "sample_weight"_a, "mean"_a, "variance"_a, "centers"_a,
        "labels"_a.noconvert(), "max_iter"_a, "tol"_a, "empty_cluster"_a, "n_threads"_a, "callback"_a);
  m.def("kmeans_assign", assign, "X"_a, "centers"_a, "labels"_a.noconvert(), "sq_distances"_a,
        "n_threads"_a);
  m.def("kmeans_step", step, "X"_a, "sample_weight"_a, "centers"_a, "labels"_a.noconvert(),
        "sums"_a.noconvert(), "weights"_a.noconvert(), "n_threads"_a);
  m.def("kmeans_plus_plus", plus_plus, "X"_a, "sample_weight"_a, "first"_a, "uniforms"_a,
        "indices"_a.noconvert(), "n_threads"_a);
  m.def("kmeans_parallel", parallel, "X"_a, "sample_weight"_a, "first"_a, "seed"_a, "oversampling"_a,
        "rounds"_a, "n_threads"_a);
  m.def("distances", distances, "X"_a, "centers"_a, "out"_a, "n_threads"_a);
}

}  // namespace coterie::bind
