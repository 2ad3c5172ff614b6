#include "../algo/gmm/gmm.hpp"

#include <optional>

#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

using gmm::Covariance;
using gmm::Model;
using gmm::Values;

Covariance covariance_type(const std::string& name) {
  if (name == "full") return Covariance::full;
  if (name == "tied") return Covariance::tied;
  if (name == "diag") return Covariance::diag;
  if (name == "spherical") return Covariance::spherical;
  refuse("covariance_type", "'full', 'tied', 'diag' or 'spherical'", "'", name, "'");
}

Values values(const Array<double>& a, const char* name, index size) {
  check_size(a.size(), size, name);
  if ((a.flags() & py::array::c_style) == 0) refuse(name, "C-contiguous data", "strided data");
  return {a.data(), a.data() + a.size()};
}

// means: k x depth, factors as many as the type has; weights or constants may be empty.
Model model_of(const std::string& type, const Array<double>& means, const Array<double>& factors,
               index depth) {
  const View<double> m = view2d(means, "means");
  if (m.rows < 1) refuse("means", "at least one row", m.rows);
  check_size(m.cols, depth, "means");
  Model model{covariance_type(type), m.rows, depth, {}, {}, {}, {}, {}};
  model.means = values(means, "means", m.rows * depth);
  model.factors = values(factors, "factors", gmm::factors_of(model.type, m.rows, depth));
  model.weights.resize(static_cast<std::size_t>(m.rows));
  model.covariances.resize(model.factors.size());
  return model;
}

// f(view) of a float32 or float64 matrix.
template <class F>
auto visit_dense(const py::object& x, const F& f) {
  const auto filled = [&](const auto& view) {
    if (view.rows < 1 || view.cols < 1)
      refuse("X", "rows and columns", view.rows, " x ", view.cols);
    return f(view);
  };
  if (py::isinstance<Array<float>>(x))
    return filled(view2d(py::reinterpret_borrow<Array<float>>(x), "X"));
  if (py::isinstance<Array<double>>(x))
    return filled(view2d(py::reinterpret_borrow<Array<double>>(x), "X"));
  throw py::type_error("X: wanted a float32 or float64 array");
}

// None, labels, or responsibilities in the type of X.
template <class T>
gmm::Given<T> given_of(const py::object& given, index rows, index k) {
  if (given.is_none()) return {};
  if (py::isinstance<Array<std::int32_t>>(given)) {
    const auto labels = py::reinterpret_borrow<Array<std::int32_t>>(given);
    const std::int32_t* l = in1d(labels, "labels", rows);
    for (index i = 0; i < rows; ++i)
      if (l[i] >= k) refuse("labels", "labels below the number of components", l[i]);
    return {nullptr, l};
  }
  if (!py::isinstance<Array<T>>(given))
    throw py::type_error("given: wanted int32 labels, or the dtype of X");
  const View<T> v = view2d(array_of<T>(given, "responsibilities"), "responsibilities");
  check_size(v.rows, rows, "responsibilities");
  check_size(v.cols, k, "responsibilities");
  if (v.rows > 1 && v.stride != v.cols)
    refuse("responsibilities", "C-contiguous data", "strided rows");
  return {v.data, nullptr};
}

py::tuple outcome(const Model& m, const gmm::Result& r) {
  const auto indices = [](const std::vector<index>& v) { return py::cast(v); };
  return py::make_tuple(vector_of(m.weights), vector_of(m.means), vector_of(m.covariances),
                        vector_of(m.factors), vector_of(r.lower_bounds), r.converged,
                        indices(r.regularised), indices(r.reseeded));
}

// Of two Nones: nothing is known.
gmm::Columns columns_of(const std::optional<Array<double>>& mean,
                        const std::optional<Array<double>>& variance, index depth) {
  if (!mean && !variance) return {};
  if (!mean || !variance) refuse("mean", "mean and variance, or neither", "one of them");
  return {values(*mean, "mean", depth), values(*variance, "variance", depth)};
}

py::tuple start(const py::object& X, const py::object& sample_weight, const Array<double>& mean,
                const Array<double>& variance, const std::string& type, index k,
                const py::object& given, double reg_covar, int n_threads) {
  return visit_dense(X, [&](const auto& x) {
    using T = std::decay_t<decltype(*x.data)>;
    const double* w = weights1d(sample_weight, x.rows);
    if (k < 1) refuse("n_components", "a number >= 1", k);
    Model m{covariance_type(type), k, x.cols, {}, {}, {}, {}, {}};
    m.weights.resize(static_cast<std::size_t>(k));
    m.means.resize(static_cast<std::size_t>(k * x.cols));
    m.factors.resize(static_cast<std::size_t>(gmm::factors_of(m.type, k, x.cols)));
    m.covariances.resize(m.factors.size());
    const auto from = given_of<T>(given, x.rows, k);
    const auto columns = columns_of(mean, variance, x.cols);
    const gmm::Options options{0, 0, reg_covar, threads1(n_threads), nullptr};
    gmm::Result result;
    {
      const NoGil nogil;
      result = gmm::start(x, w, columns, from, options, m);
    }
    return outcome(m, result);
  });
}

py::tuple fit(const py::object& X, const py::object& sample_weight,
              const std::optional<Array<double>>& mean,
              const std::optional<Array<double>>& variance, const std::string& type,
              const Array<double>& weights, const Array<double>& means,
              const Array<double>& factors, double before, std::int64_t max_iter, double tol,
              double reg_covar, int n_threads, const py::object& callback) {
  return visit_dense(X, [&](const auto& x) {
    const double* w = weights1d(sample_weight, x.rows);
    Model m = model_of(type, means, factors, x.cols);
    m.weights = values(weights, "weights", m.k);
    if (!mean && m.type == Covariance::tied) refuse("mean", "the columns' means", "None");
    const auto columns = columns_of(mean, variance, x.cols);
    gmm::Options options{max_iter, tol, reg_covar, threads1(n_threads), nullptr};
    if (!callback.is_none())
      options.progress = [&](std::int64_t i, double bound, double change) {
        const py::gil_scoped_acquire gil;
        const py::object stop = callback(i, bound, change);
        return !stop.is_none() && stop.cast<bool>();
      };
    gmm::Result result;
    {
      const NoGil nogil;
      result = gmm::fit(x, w, columns, before, options, m);
    }
    return outcome(m, result);
  });
}

// constants: one a component, or None for those of a mixture with these weights.
void set_constants(Model& m, const py::object& weights, const py::object& constants) {
  if (constants.is_none()) {
    m.weights = values(array_of<double>(weights, "weights"), "weights", m.k);
    gmm::set_constants(m);
  } else {
    m.constants = values(array_of<double>(constants, "constants"), "constants", m.k);
  }
}

void score(const py::object& X, const std::string& type, const py::object& weights,
           const Array<double>& means, const Array<double>& factors, const py::object& constants,
           const py::object& log_density, const py::object& responsibilities,
           const py::object& labels, int n_threads) {
  visit_dense(X, [&](const auto& x) {
    using T = std::decay_t<decltype(*x.data)>;
    Model m = model_of(type, means, factors, x.cols);
    set_constants(m, weights, constants);
    gmm::Scores<T> out;
    if (!log_density.is_none()) {
      auto a = array_of<double>(log_density, "log_density");
      out.log_density = out1d(a, "log_density", x.rows);
    }
    if (!responsibilities.is_none()) {
      auto a = array_of<T>(responsibilities, "responsibilities");
      out.responsibilities = out2d(a, "responsibilities", x.rows, m.k);
    }
    if (!labels.is_none()) {
      auto a = array_of<std::int32_t>(labels, "labels");
      out.labels = out1d(a, "labels", x.rows);
    }
    const int team = threads1(n_threads);
    const NoGil nogil;
    gmm::score(x, m, out, team);
  });
}

py::tuple sums_of(const gmm::Sums& s) {
  return py::make_tuple(vector_of(s.n), vector_of(s.s1), vector_of(s.s2), vector_of(s.centers),
                        s.log_likelihood, s.entropy);
}

py::tuple expect(const py::object& X, const py::object& sample_weight, const Array<double>& shift,
                 const std::string& type, const Array<double>& means, const Array<double>& factors,
                 const Array<double>& constants, Array<std::uint16_t> groups, int n_threads) {
  return visit_dense(X, [&](const auto& x) {
    const double* w = weights1d(sample_weight, x.rows);
    Model m = model_of(type, means, factors, x.cols);
    set_constants(m, py::none(), constants);
    std::uint16_t* guess = out1d(groups, "groups", x.rows);
    for (index i = 0; i < x.rows; ++i)
      if (guess[i] >= m.k) refuse("groups", "components below n_components", guess[i]);
    const Values about = values(shift, "shift", x.cols);
    const int team = threads1(n_threads);
    gmm::Sums sums;
    {
      const NoGil nogil;
      gmm::Groups order(x.rows);
      for (index i = 0; i < x.rows; ++i) order[i] = gmm::group_of(guess[i], 0);
      sums = gmm::expect(x, w, about, m, order, team);
      for (index i = 0; i < x.rows; ++i)
        guess[i] = static_cast<std::uint16_t>(gmm::component_of(order[i]));
    }
    return sums_of(sums);
  });
}

py::tuple gather(const py::object& X, const py::object& sample_weight, const Array<double>& shift,
                 const std::string& type, const py::object& given, const Array<double>& centers,
                 int n_threads) {
  return visit_dense(X, [&](const auto& x) {
    using T = std::decay_t<decltype(*x.data)>;
    const double* w = weights1d(sample_weight, x.rows);
    const View<double> c = view2d(centers, "centers");
    if (c.rows < 1) refuse("centers", "at least one row", c.rows);
    const auto from = given_of<T>(given, x.rows, c.rows);
    const Values about = values(shift, "shift", x.cols),
                 at = values(centers, "centers", c.rows * x.cols);
    const Covariance kind = covariance_type(type);
    const int team = threads1(n_threads);
    gmm::Sums sums;
    {
      const NoGil nogil;
      sums = gmm::gather(x, w, about, kind, c.rows, from, at, team);
    }
    return sums_of(sums);
  });
}

}  // namespace

void gmm(py::module_& m) {
  m.def("gmm_start", start, "X"_a, "sample_weight"_a, "mean"_a.noconvert(),
        "variance"_a.noconvert(), "covariance_type"_a, "n_components"_a, "given"_a, "reg_covar"_a,
        "n_threads"_a);
  m.def("gmm_fit", fit, "X"_a, "sample_weight"_a, "mean"_a.noconvert(), "variance"_a.noconvert(),
        "covariance_type"_a, "weights"_a.noconvert(), "means"_a.noconvert(),
        "factors"_a.noconvert(), "before"_a, "max_iter"_a, "tol"_a, "reg_covar"_a, "n_threads"_a,
        "callback"_a);
  m.def("gmm_score", score, "X"_a, "covariance_type"_a, "weights"_a.noconvert(),
        "means"_a.noconvert(), "factors"_a.noconvert(), "constants"_a, "log_density"_a,
        "responsibilities"_a, "labels"_a, "n_threads"_a);
  m.def("gmm_expect", expect, "X"_a, "sample_weight"_a, "shift"_a.noconvert(), "covariance_type"_a,
        "means"_a.noconvert(), "factors"_a.noconvert(), "constants"_a, "groups"_a.noconvert(),
        "n_threads"_a);
  m.def("gmm_gather", gather, "X"_a, "sample_weight"_a, "shift"_a.noconvert(), "covariance_type"_a,
        "given"_a, "centers"_a.noconvert(), "n_threads"_a);
}

}  // namespace coterie::bind
