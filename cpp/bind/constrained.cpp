#include "../algo/linkage/constrained.hpp"

#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

linkage::Constrained method_of(const std::string& name) {
  if (name == "ward") return linkage::Constrained::ward;
  if (name == "complete") return linkage::Constrained::complete;
  if (name == "average") return linkage::Constrained::average;
  if (name == "single") return linkage::Constrained::single;
  refuse("linkage", "'ward', 'complete', 'average' or 'single'", "'", name, "'");
}

py::tuple merges(const Array<std::int32_t>& low, const Array<std::int32_t>& high,
                 const std::string& method, const py::object& given, index n_samples,
                 index n_clusters) {
  const linkage::Constrained by = method_of(method);
  const auto values = array_of<double>(given, "values");
  const std::int32_t* a = in1d(low, "low", -1);
  const std::int32_t* b = in1d(high, "high", low.size());
  const linkage::Graph graph{a, b, low.size(), n_samples};
  for (index e = 0; e < graph.edges; ++e)
    if (a[e] < 0 || a[e] >= b[e] || b[e] >= n_samples)
      refuse("connectivity", "edges between two rows of X", a[e], " and ", b[e]);
  if (n_clusters < 1 || n_clusters > n_samples)
    refuse("n_clusters", "1 to n_samples clusters", n_clusters);
  View<double> x{nullptr, 0, 0, 0};
  const double* lengths = nullptr;
  if (by == linkage::Constrained::ward) {
    x = view2d(values, "X");
    check_size(x.rows, n_samples, "X");
  } else {
    lengths = in1d(values, "lengths", graph.edges);
  }
  linkage::Merges made;
  {
    const NoGil nogil;
    made = linkage::constrained(graph, by, lengths, x, n_clusters);
  }
  return py::make_tuple(vector_of(made.children), vector_of(made.heights));
}

}  // namespace

void constrained(py::module_& m) {
  m.def("constrained", merges, "low"_a, "high"_a, "linkage"_a, "values"_a, "n_samples"_a,
        "n_clusters"_a);
}

}  // namespace coterie::bind
