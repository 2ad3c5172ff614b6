// The module's rooms, and what lets others run Python while the core computes.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace coterie::bind {

namespace py = pybind11;

// Other threads may run Python. Its end may be that of a daemon thread, which Python unwinds when
// the interpreter goes away; pybind11's own guard would end the process there.
class NoGil {
 public:
  NoGil() : state_(PyEval_SaveThread()) {}
  NoGil(const NoGil&) = delete;
  NoGil& operator=(const NoGil&) = delete;
  ~NoGil() noexcept(false) { PyEval_RestoreThread(state_); }

 private:
  PyThreadState* state_;
};

// One function a room: each adds its own to the module.
void constrained(py::module_& m);
void diana(py::module_& m);
void engine(py::module_& m);
void gmm(py::module_& m);
void kmeans(py::module_& m);
void linkage_(py::module_& m);  // the bare name is the namespace of the algorithm
void nn_(py::module_& m);  // likewise
void top_n_(py::module_& m);    // likewise
void top_n_sparse(py::module_& m);
void tree(py::module_& m);

}  // namespace coterie::bind
