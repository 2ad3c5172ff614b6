#include "../engine/drive.hpp"

#include <chrono>

#include "../base/buffer.hpp"
#include "../engine/isa.hpp"
#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

template <class T>
void define(py::module_& m) {
  m.def(
      "product",
      [](const Array<T>& x, const Array<T>& y, Array<T> out, int n_threads) {
        const View<T> xv = view2d(x, "x"), yv = view2d(y, "y");
        if (yv.rows != xv.cols) refuse("y", "as many rows as x has columns", yv.rows, " and ", xv.cols);
        T* to = out2d(out, "out", xv.rows, yv.cols);
        const int team = threads1(n_threads);
        const NoGil nogil;
        product(xv, yv, to, yv.cols, team);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "n_threads"_a);
  m.def(
      "split_depth",
      [](const Array<T>& x, const Array<T>& y, Array<T> out, int n_threads) {
        const View<T> xv = view2d(x, "x"), yv = view2d(y, "y");
        if (yv.rows != xv.rows) refuse("y", "as many rows as x", yv.rows, " and ", xv.rows);
        T* to = out2d(out, "out", xv.cols, yv.cols);
        const int team = threads1(n_threads);
        const NoGil nogil;
        split_depth(xv, yv, to, yv.cols, team);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "n_threads"_a);
}

// For the benches: floating point operations done, and the seconds they took on this thread.
using Gauge = std::pair<double, double>;

template <class F>
Gauge timed(double operations, const F& f) {
  const NoGil nogil;
  const auto start = std::chrono::steady_clock::now();
  volatile double keep = static_cast<double>(f());
  (void)keep;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {operations, seconds.count()};
}

template <class T>
Gauge gauge(std::int64_t loops, index depth) {
  const Kernels<T>& k = isa::kernels<T>();
  const double tile = 2.0 * static_cast<double>(k.mr * k.nr) * static_cast<double>(loops);
  if (depth == 0) {
    Buffer<T> start(k.mr * k.nr);
    for (index i = 0; i < start.size(); ++i) start[i] = T(0.5) + T(i) / T(4 * start.size());
    return timed(tile, [&] { return k.gauge_fma(loops, start.data()); });
  }
  const Buffer<T> x(k.mr * depth, T(1)), y(k.nr * depth, T(1));
  return timed(tile * static_cast<double>(depth),
               [&] { return k.gauge_tile(loops, x.data(), y.data(), depth); });
}

Gauge gauge_of(const std::string& dtype, std::int64_t loops, index depth) {
  if (depth < 0) refuse("depth", "a number >= 0", depth);
  if (dtype == "float32") return gauge<float>(loops, depth);
  if (dtype == "float64") return gauge<double>(loops, depth);
  refuse("dtype", "'float32' or 'float64'", "'", dtype, "'");
}

}  // namespace

void engine(py::module_& m) {
  define<float>(m);
  define<double>(m);
  m.def("gauge", gauge_of, "dtype"_a, "loops"_a, "depth"_a);
}

}  // namespace coterie::bind
