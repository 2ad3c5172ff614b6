#include "../engine/product.hpp"
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
        py::gil_scoped_release nogil;
        product(xv, yv, to, yv.cols, team);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "n_threads"_a);
  m.def(
      "gram",
      [](const Array<T>& x, const Array<T>& y, Array<T> out, int n_threads) {
        const View<T> xv = view2d(x, "x"), yv = view2d(y, "y");
        if (yv.rows != xv.rows) refuse("y", "as many rows as x", yv.rows, " and ", xv.rows);
        T* to = out2d(out, "out", xv.cols, yv.cols);
        const int team = threads1(n_threads);
        py::gil_scoped_release nogil;
        gram(xv, yv, to, yv.cols, team);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "n_threads"_a);
}

}  // namespace

void engine(py::module_& m) {
  define<float>(m);
  define<double>(m);
}

}  // namespace coterie::bind
