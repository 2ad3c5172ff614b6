// One function a room: each adds its own to the module.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace coterie::bind {

namespace py = pybind11;

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
