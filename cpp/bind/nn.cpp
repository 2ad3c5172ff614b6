#include "../algo/nn/nn.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "../base/buffer.hpp"
#include "../base/finite.hpp"
#include "../base/threads.hpp"
#include "bind.hpp"
#include "nn_options.hpp"

namespace coterie::bind {
namespace {

using nn::Data;
using nn::Fit;
using nn::Net;
using nn::Objective;

template <class T>
T* values_of(const py::object& a, const char* name, index size) {
  auto values = array_of<T>(a, name);
  return out1d(values, name, size);
}

// f(T{}) for theta's type.
template <class F>
auto visit_dtype(const py::object& theta, const F& f) {
  if (py::isinstance<Array<float>>(theta)) return f(float{});
  if (py::isinstance<Array<double>>(theta)) return f(double{});
  throw py::type_error("theta: wanted a float32 or float64 array");
}

template <class T>
void check_finite(const View<T>& x, const char* name, int n_threads) {
  constexpr index values = 1 << 18;  // of a block
  const index rows = std::max<index>(1, values / std::max<index>(1, x.cols));
  threads::parallel_blocks((x.rows + rows - 1) / rows, n_threads, [&](index block, int) {
    for (index i = block * rows; i < std::min(x.rows, (block + 1) * rows); ++i) {
      const T* row = x.row(i);
      if (all_finite(row, x.cols)) continue;
      for (index f = 0; f < x.cols; ++f)
        if (!std::isfinite(row[f]))
          refuse(name, "finite values", std::isnan(row[f]) ? "NaN" : "inf", " at row ", i,
                 ", column ", f);
    }
  });
}

template <class T>
View<T> rows_of(const py::object& x, const char* name, index columns) {
  const View<T> view = view2d(array_of<T>(x, name), name);
  if (view.cols != columns)
    refuse(name, (std::to_string(columns) + " columns").c_str(), view.rows, " x ", view.cols);
  return view;
}

// Views of what the caller keeps alive.
template <class T>
Data<T> data_of(const Net& net, nn::Loss loss, const py::object& x, const py::object& y,
                const py::object& weights, const char* x_name, const char* y_name) {
  Data<T> data{rows_of<T>(x, x_name, net.inputs()), {}, nullptr, weights1d(weights, py::len(x))};
  if (data.x.rows < 1) refuse(x_name, "at least one row", "none");
  if (loss == nn::Loss::sparse) {
    data.labels = in1d(array_of<std::int64_t>(y, y_name), y_name, data.x.rows);
    for (index i = 0; i < data.x.rows; ++i)
      if (data.labels[i] < 0 || data.labels[i] >= net.outputs())
        refuse(y_name, ("labels from 0 to " + std::to_string(net.outputs() - 1)).c_str(),
               data.labels[i], " in row ", i);
  } else {
    data.y = rows_of<T>(y, y_name, net.outputs());
    check_size(data.y.rows, data.x.rows, y_name);
  }
  return data;
}

template <class T>
void check_rows(const Data<T>& data, const char* x_name, const char* y_name, int n_threads) {
  check_finite(data.x, x_name, n_threads);
  if (data.labels == nullptr && !nn::targets_are_inputs(data))
    check_finite(data.y, y_name, n_threads);
}

template <class T>
void check_weights(const Data<T>& data) {
  for (index i = 0; data.weights != nullptr && i < data.x.rows; ++i)
    if (!std::isfinite(data.weights[i]))
      refuse("sample_weight", "finite values", data.weights[i], " at row ", i);
}

template <class T>
void check_data(const Data<T>& data, const char* x_name, const char* y_name, int n_threads) {
  check_rows(data, x_name, y_name, n_threads);
  check_weights(data);
}

struct Sizes {
  index theta, state;
};
Sizes sizes_of(const Net& net, const py::object& theta, const py::object& state) {
  const auto n_theta = static_cast<index>(py::len(theta)),
             n_state = static_cast<index>(py::len(state));
  if (n_theta != net.n_theta)
    refuse("theta", ("length " + std::to_string(net.n_theta)).c_str(), n_theta);
  if (n_state != net.n_state)
    refuse("state", ("length " + std::to_string(net.n_state)).c_str(), n_state);
  return {n_theta, n_state};
}

void forward(const Net& net, const py::object& theta, const py::object& state, const py::object& x,
             const py::object& out, int n_threads) {
  visit_dtype(theta, [&](auto zero) {
    using T = decltype(zero);
    const Sizes sizes = sizes_of(net, theta, state);
    const T* values = in1d(array_of<T>(theta, "theta"), "theta", sizes.theta);
    const T* moving = in1d(array_of<T>(state, "state"), "state", sizes.state);
    const View<T> rows = rows_of<T>(x, "X", net.inputs());
    auto result = array_of<T>(out, "out");
    T* to = out2d(result, "out", rows.rows, net.outputs());
    const int team = threads1(n_threads);
    const NoGil nogil;
    check_finite(rows, "X", team);
    if (rows.rows > 0) nn::forward(net, values, moving, rows, to, team);
  });
}

py::array_t<double> evaluate(const Net& net, const py::object& theta, const py::object& state,
                             const py::object& x, const py::object& y, const py::object& weights,
                             const py::dict& loss, const std::vector<std::string>& metrics,
                             int n_threads) {
  return visit_dtype(theta, [&](auto zero) {
    using T = decltype(zero);
    const Sizes sizes = sizes_of(net, theta, state);
    const Objective objective = objective_of(loss, metrics);
    const T* values = in1d(array_of<T>(theta, "theta"), "theta", sizes.theta);
    const T* moving = in1d(array_of<T>(state, "state"), "state", sizes.state);
    const Data<T> data = data_of<T>(net, objective.loss, x, y, weights, "X", "Y");
    const int team = threads1(n_threads);
    std::vector<double> results;
    {
      const NoGil nogil;
      check_data(data, "X", "Y", team);
      results = nn::evaluate(net, objective, values, moving, data, team);
    }
    return vector_of(results);
  });
}

double gradient(const Net& net, const py::object& theta, const py::object& state,
                const py::object& x, const py::object& y, const py::object& weights,
                const py::dict& loss, const py::object& out, const py::dict& settings) {
  return visit_dtype(theta, [&](auto zero) {
    using T = decltype(zero);
    const Sizes sizes = sizes_of(net, theta, state);
    const Objective objective = objective_of(loss, {});
    const T* values = in1d(array_of<T>(theta, "theta"), "theta", sizes.theta);
    const T* moving = in1d(array_of<T>(state, "state"), "state", sizes.state);
    const Data<T> data = data_of<T>(net, objective.loss, x, y, weights, "X", "Y");
    T* to = out.is_none() ? nullptr : values_of<T>(out, "out", sizes.theta);
    const nn::Settings chosen = settings_of(settings);
    const NoGil nogil;
    check_data(data, "X", "Y", chosen.n_threads);
    return nn::gradient(net, objective, values, moving, data, chosen, to);
  });
}

// A fit, checked and ready to run without the GIL. It keeps what it reads alive.
template <class T>
struct Prepared {
  Prepared(const py::args& a)
      : keep(a), net(a[0].cast<const Net&>()), sizes(sizes_of(net, a[1], a[2])) {
    const Objective objective =
        objective_of(a[8].cast<py::dict>(), a[9].cast<std::vector<std::string>>());
    const nn::Optimizer optimizer = optimizer_of(a[10].cast<py::dict>(), rates);
    const nn::Settings settings = settings_of(a[11].cast<py::dict>());
    const index slots = nn::slots_of(optimizer.rule) * sizes.theta;
    const py::object validation = a[7];
    if (!validation.is_none()) {
      const auto v = validation.cast<py::tuple>();
      held_out = data_of<T>(net, objective.loss, v[0], v[1], v[2], "validation x", "validation y");
    }
    const index epochs = std::max<index>(0, settings.epochs - settings.initial_epoch);
    const auto columns = static_cast<index>(1 + objective.metrics.size()) * (held_out ? 2 : 1);
    auto history = array_of<double>(a[12], "history");
    const py::object callback = a[13];
    fit.emplace(Fit<T>{net, objective, values_of<T>(a[1], "theta", sizes.theta),
                       values_of<T>(a[2], "state", sizes.state), values_of<T>(a[3], "slots", slots),
                       data_of<T>(net, objective.loss, a[4], a[5], a[6], "X", "Y"),
                       held_out ? &*held_out : nullptr, optimizer, settings,
                       out2d(history, "history", epochs, columns), nullptr});
    if (callback.is_none()) return;
    fit->callback = [callback = callback.ptr(), history = history.ptr(), columns](
                        index epoch, const double* row) {
      const py::gil_scoped_acquire gil;
      const py::array_t<double> view({columns}, {sizeof(double)}, row,
                                     py::reinterpret_borrow<py::object>(history));
      const py::object stop = py::reinterpret_borrow<py::object>(callback)(epoch, view);
      return !stop.is_none() && stop.cast<bool>();
    };
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  void run() {
    const int team = fit->settings.n_threads;
    check_weights(fit->data);
    if (held_out) check_data(*held_out, "validation x", "validation y", team);
    outcome = nn::fit(*fit);
    if (outcome.diverged_epoch == fit->settings.initial_epoch)  // of what no epoch has gone through
      check_rows(fit->data, "X", "Y", team);
  }

  py::args keep;
  const Net& net;
  Sizes sizes;
  Array<double> rates;
  std::optional<Data<T>> held_out;
  std::optional<Fit<T>> fit;
  nn::Outcome outcome;
};

py::dict result_of(const nn::Outcome& o) {
  py::dict d;
  d["epochs"] = o.epochs;
  d["iterations"] = o.iterations;
  d["stopped"] = o.stopped;
  d["diverged"] = py::none();
  if (o.diverged_epoch >= 0) d["diverged"] = py::make_tuple(o.diverged_epoch, o.diverged_batch);
  return d;
}

void check_count(const py::args& a) {
  if (a.size() != 14)
    throw py::type_error("nn_fit: wanted 14 arguments, got " + std::to_string(a.size()));
}

py::dict fit(const py::args& a) {
  check_count(a);
  return visit_dtype(a[1], [&](auto zero) {
    Prepared<decltype(zero)> prepared(a);
    {
      const NoGil nogil;
      prepared.run();
    }
    return result_of(prepared.outcome);
  });
}

// One fit of either type.
struct AnyFit {
  std::unique_ptr<Prepared<float>> f32;
  std::unique_ptr<Prepared<double>> f64;
  void run() { f32 ? f32->run() : f64->run(); }
  const nn::Outcome& outcome() const { return f32 ? f32->outcome : f64->outcome; }
};

// names: of the fits, one each, for what is refused.
py::list fit_many(const py::list& fits, const std::vector<std::string>& names, int n_threads) {
  if (names.size() != fits.size())
    refuse("names", "one for each fit", names.size(), " for ", fits.size());
  std::vector<AnyFit> all(fits.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const py::args a(fits[i].cast<py::tuple>());
    check_count(a);
    visit_dtype(a[1], [&](auto zero) {
      if constexpr (sizeof(zero) == 4)
        all[i].f32 = std::make_unique<Prepared<float>>(a);
      else
        all[i].f64 = std::make_unique<Prepared<double>>(a);
    });
  }
  {
    const int team = threads1(n_threads);
    const NoGil nogil;
    threads::parallel_blocks(static_cast<index>(all.size()), team, [&](index i, int) {
      try {
        all[i].run();
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(names[i] + ": " + error.what());
      }
    });
  }
  py::list results;
  for (const AnyFit& one : all) results.append(result_of(one.outcome()));
  return results;
}

template <class T>
const T* bias_of(const py::object& b, index outputs) {
  return b.is_none() ? nullptr : in1d(array_of<T>(b, "b"), "b", outputs);
}

template <class T>
void define_layer(py::module_& m) {
  m.def(
      "dense_forward",
      [](const Array<T>& x, const Array<T>& w, const py::object& b, const std::string& activation,
         double alpha, Array<T> z, Array<T> a, int n_threads) {
        const View<T> xv = view2d(x, "X"), wv = view2d(w, "W");
        if (wv.rows != xv.cols)
          refuse("W", "as many rows as X has columns", wv.rows, " and ", xv.cols);
        const T* bias = bias_of<T>(b, wv.cols);
        T *to_z = out2d(z, "Z", xv.rows, wv.cols), *to_a = out2d(a, "A", xv.rows, wv.cols);
        const nn::Activation act = activation_of(activation);
        const int team = threads1(n_threads);
        const NoGil nogil;
        if (xv.rows > 0 && wv.cols > 0)
          nn::dense_forward(xv, wv, bias, act, alpha, to_z, to_a, team);
      },
      "X"_a.noconvert(), "W"_a.noconvert(), "b"_a, "activation"_a, "alpha"_a, "Z"_a.noconvert(),
      "A"_a.noconvert(), "n_threads"_a);
  m.def(
      "dense_backward",
      [](const Array<T>& da, const Array<T>& x, const Array<T>& w, const Array<T>& z,
         const Array<T>& a, const std::string& activation, double alpha, const py::object& dx,
         Array<T> dw, const py::object& db, int n_threads) {
        const View<T> gv = view2d(da, "dA"), xv = view2d(x, "X"), wv = view2d(w, "W"),
                      zv = view2d(z, "Z"), av = view2d(a, "A");
        if (wv.rows != xv.cols)
          refuse("W", "as many rows as X has columns", wv.rows, " and ", xv.cols);
        for (const auto& [view, name] : {std::pair{gv, "dA"}, {zv, "Z"}, {av, "A"}})
          if (view.rows != xv.rows || view.cols != wv.cols)
            refuse(name, (std::to_string(xv.rows) + " x " + std::to_string(wv.cols)).c_str(),
                   view.rows, " x ", view.cols);
        T* to_x = nullptr;
        if (!dx.is_none()) {
          auto array = array_of<T>(dx, "dX");
          to_x = out2d(array, "dX", xv.rows, xv.cols);
        }
        T* to_w = out2d(dw, "dW", wv.rows, wv.cols);
        T* to_b = db.is_none() ? nullptr : values_of<T>(db, "db", wv.cols);
        const nn::Activation act = activation_of(activation);
        const int team = threads1(n_threads);
        const NoGil nogil;
        nn::dense_backward(gv, xv, wv, zv, av, act, alpha, to_x, to_w, to_b, team);
      },
      "dA"_a.noconvert(), "X"_a.noconvert(), "W"_a.noconvert(), "Z"_a.noconvert(),
      "A"_a.noconvert(), "activation"_a, "alpha"_a, "dX"_a, "dW"_a.noconvert(), "db"_a,
      "n_threads"_a);
}

template <class T>
py::array filled(index size, double value) {
  auto buffer = std::make_unique<Buffer<T>>(size, T(value));
  T* data = buffer->data();
  const py::capsule owner(buffer.get(), [](void* p) { delete static_cast<Buffer<T>*>(p); });
  buffer.release();
  return py::array_t<T>(size, data, owner);
}

// An array for parameters or slots: vectors of them cross no cache line, as NumPy's own may.
py::array values(index size, double value, const py::dtype& dtype) {
  return dtype.itemsize() == sizeof(float) ? filled<float>(size, value)
                                           : filled<double>(size, value);
}

}  // namespace

void nn_(py::module_& m) {
  py::class_<Net>(m, "NnNet")
      .def(py::init([](const py::list& ops) { return Net(ops_of(ops)); }), "ops"_a)
      .def_property_readonly("inputs", [](const Net& n) { return n.inputs(); })
      .def_property_readonly("outputs", [](const Net& n) { return n.outputs(); })
      .def_readonly("n_theta", &Net::n_theta)
      .def_readonly("n_state", &Net::n_state);
  m.def(
      "nn_slots", [](const py::dict& optimizer) { return nn::slots_of(rule_of(optimizer)); },
      "optimizer"_a);
  m.def("nn_values", values, "size"_a, "value"_a, "dtype"_a);
  m.def("nn_forward", forward, "net"_a, "theta"_a, "state"_a, "X"_a, "out"_a, "n_threads"_a);
  m.def("nn_evaluate", evaluate, "net"_a, "theta"_a, "state"_a, "X"_a, "Y"_a, "sample_weight"_a,
        "loss"_a, "metrics"_a, "n_threads"_a);
  m.def("nn_gradient", gradient, "net"_a, "theta"_a, "state"_a, "X"_a, "Y"_a, "sample_weight"_a,
        "loss"_a, "out"_a, "settings"_a);
  m.def("nn_fit", fit);
  m.def("nn_fit_many", fit_many, "fits"_a, "names"_a, "n_threads"_a);
  define_layer<float>(m);
  define_layer<double>(m);
}

}  // namespace coterie::bind
