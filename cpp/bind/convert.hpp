// The one door between NumPy and the core: exact dtypes, unit column stride, no silent copies.
//
// What an input becomes is decided in python/coterie/_validate.py; here everything else is refused, by name.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "../base/check.hpp"
#include "../base/view.hpp"

namespace coterie::bind {

namespace py = pybind11;
using namespace pybind11::literals;

template <class T>
using Array = py::array_t<T, 0>;  // 0: any strides; checked below, never converted

// The array that it is, if it has this dtype.
template <class T>
Array<T> array_of(const py::object& a, const char* name) {
  if (py::isinstance<Array<T>>(a)) return py::reinterpret_borrow<Array<T>>(a);
  const py::object got = py::isinstance<py::array>(a) ? a.attr("dtype") : py::type::of(a).attr("__name__");
  throw py::type_error(std::string(name) + ": wanted a " + std::string(py::str(py::dtype::of<T>())) +
                       " array, got " + std::string(py::str(got)));
}

template <class T>
View<T> view2d(const Array<T>& a, const char* name) {
  if (a.ndim() != 2) refuse(name, "a 2-D array", a.ndim(), "-D");
  const index rows = a.shape(0), cols = a.shape(1);
  constexpr index size = sizeof(T);
  if (rows == 0 || cols == 0) return {a.data(), rows, cols, cols};  // NumPy's strides are 0 there
  if (cols > 1 && a.strides(1) != size) refuse(name, "unit column stride", "stride ", a.strides(1));
  const index step = rows > 1 ? a.strides(0) : cols * size;
  if (step % size != 0 || step < cols * size) refuse(name, "rows that do not overlap", "stride ", step);
  if (reinterpret_cast<std::uintptr_t>(a.data()) % size != 0) refuse(name, "aligned data", "unaligned data");
  return {a.data(), rows, cols, step / size};
}

inline void check_size(index got, index wanted, const char* name) {
  if (wanted >= 0 && got != wanted)
    refuse(name, ("length " + std::to_string(wanted)).c_str(), "length ", got);
}

// size -1: any. A contiguous vector that is read, or one that is written.
template <class T>
const T* in1d(const Array<T>& a, const char* name, index size) {
  if (a.ndim() != 1) refuse(name, "a 1-D array", a.ndim(), "-D");
  check_size(a.shape(0), size, name);
  if (a.shape(0) > 1 && a.strides(0) != sizeof(T)) refuse(name, "contiguous data", "a strided array");
  return a.data();
}
template <class T>
T* out1d(Array<T>& a, const char* name, index size) {
  in1d(a, name, size);
  if (!a.writeable()) refuse(name, "a writeable array", "a read-only one");
  return a.mutable_data();
}
template <class T>
T* out2d(Array<T>& a, const char* name, index rows, index cols) {
  const View<T> v = view2d(a, name);
  check_size(v.rows, rows, name);
  check_size(v.cols, cols, name);
  if (v.rows > 1 && v.stride != v.cols) refuse(name, "C-contiguous data", "strided rows");
  if (!a.writeable()) refuse(name, "a writeable array", "a read-only one");
  return a.mutable_data();
}

// None, or `rows` weights.
inline const double* weights1d(const py::object& w, index rows) {
  if (w.is_none()) return nullptr;
  return in1d(array_of<double>(w, "sample_weight"), "sample_weight", rows);
}

inline int threads1(int n_threads) {
  if (n_threads < 1) refuse("n_threads", "a number >= 1", n_threads);
  return n_threads;
}

template <class T>
py::array_t<T> vector_of(const std::vector<T>& v) {
  return py::array_t<T>(static_cast<py::ssize_t>(v.size()), v.data());
}

}  // namespace coterie::bind
