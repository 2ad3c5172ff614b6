#ifndef _WIN32
#include <pthread.h>
#endif

#include <atomic>
#include <mutex>

#include "../base/interrupt.hpp"
#include "../base/threads.hpp"
#include "../engine/isa.hpp"
#include "bind.hpp"

namespace coterie::bind {
namespace {

// The thread that Python's signal handlers run on; in the child of a fork, the one that forked.
std::atomic<unsigned long> main_thread{0};

bool poll() {
  if (PyThread_get_thread_ident() != main_thread) return false;
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

py::dict config() {
  py::dict d;
  d["version"] = COTERIE_VERSION;
  d["isa"] = isa::table().name;
  d["isas"] = isa::supported();
  d["compiled"] = isa::compiled();
  d["openmp"] = threads::runtime();
  d["compiler"] = __VERSION__;
  d["threads"] = threads::available();
  return d;
}

}  // namespace
}  // namespace coterie::bind

PYBIND11_MODULE(_core, m) {
  using namespace coterie;
  m.doc() = "The compiled core of coterie; see python/coterie/_core.pyi for its contract.";
  isa::table();  // an unusable COTERIE_ISA is an error at import
  const pybind11::object threading = pybind11::module_::import("threading");
  bind::main_thread = threading.attr("main_thread")().attr("ident").cast<unsigned long>();
#ifndef _WIN32
  pthread_atfork(nullptr, nullptr, [] { bind::main_thread = PyThread_get_thread_ident(); });
#endif
  interrupt::install(bind::poll);
  pybind11::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Interrupted&) {
      // PyErr_CheckSignals has set KeyboardInterrupt, or whatever the handler raised.
      if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  });
  m.def("config", bind::config);
  m.def("default_threads", threads::available);
  bind::constrained(m);
  bind::diana(m);
  bind::engine(m);
  bind::gmm(m);
  bind::kmeans(m);
  bind::linkage_(m);
  bind::nn_(m);
  bind::top_n_(m);
  bind::top_n_sparse(m);
  bind::tree(m);
}
