#include "../algo/linkage/linkage.hpp"

#include <algorithm>

#include "../algo/linkage/boruvka.hpp"
#include "../algo/linkage/square.hpp"
#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

using linkage::Merge;
using linkage::Method;
using linkage::Progress;
using linkage::Room;

Method method_of(const std::string& name) {
  constexpr const char* names[] = {"single",   "complete", "average", "weighted",
                                   "centroid", "median",   "ward"};
  for (int m = 0; m < 7; ++m)
    if (name == names[m]) return static_cast<Method>(m);
  refuse("method", "one of SciPy's", "'", name, "'");
}

PairMetric metric_of(const std::string& name) {
  constexpr const char* names[] = {"euclidean", "sqeuclidean", "cityblock", "chebyshev",
                                   "cosine",    "hamming",     "jaccard"};
  for (int m = 0; m < kPairMetrics; ++m)
    if (name == names[m]) return static_cast<PairMetric>(m);
  refuse("metric", "one of the core's", "'", name, "'");
}

Progress progress_of(const py::object& callback) {
  if (callback.is_none()) return nullptr;
  return [callback](index merges) {
    const py::gil_scoped_acquire gil;
    callback(merges);
  };
}

Room room_of(const py::object& room) {
  return [room](index bytes, index clusters) {
    const py::gil_scoped_acquire gil;
    room(bytes, clusters);
  };
}

View<double> points_of(const Array<double>& X) {
  const View<double> x = view2d(X, "X");
  if (x.rows < 2 || x.cols < 1)
    refuse("X", "two rows or more, of a column or more", x.rows, " x ", x.cols);
  return x;
}

const double* condensed_of(const Array<double>& y, index n) {
  if (n < 2) refuse("n", "two points or more", n);
  return in1d(y, "y", n * (n - 1) / 2);
}

bool on_squares(Method m) {
  return m == Method::ward || m == Method::centroid || m == Method::median;
}

void pairwise(const Array<double>& X, const std::string& metric, Array<double> out, int n_threads) {
  const View<double> x = points_of(X);
  double* to = out1d(out, "out", x.rows * (x.rows - 1) / 2);
  const PairMetric m = metric_of(metric);
  const NoGil nogil;
  linkage::pairwise(x, m, to, threads1(n_threads));
}

void cross(const Array<double>& X, const Array<double>& Y, const std::string& metric,
           Array<double> out, int n_threads) {
  const View<double> x = view2d(X, "X"), y = view2d(Y, "Y");
  check_size(y.cols, x.cols, "Y");
  double* to = out2d(out, "out", x.rows, y.rows);
  const PairMetric m = metric_of(metric);
  threads1(n_threads);
  const NoGil nogil;
  linkage::cross(x, y, m, to, n_threads);
}

enum class Way { prim, tree, tiles };

void by_edges(const View<double>& x, PairMetric metric, Way way, double* z, int n_threads,
              const Progress& progress) {
  linkage::emit_edges(way == Way::prim ? linkage::spanning_tree(x, metric, n_threads, progress)
                      : way == Way::tree
                          ? linkage::spanning_tree_low(x, metric, n_threads, progress)
                          : linkage::spanning_tree_high(x, metric, n_threads, progress),
                      x.rows, metric == PairMetric::euclidean, z);
}

// By Prim's algorithm, a kd-tree or tiles, whatever linkage_points would take.
void single(const Array<double>& X, const std::string& metric, const std::string& name,
            Array<double> Z, int n_threads, const py::object& callback) {
  const View<double> x = points_of(X);
  double* z = out2d(Z, "Z", x.rows - 1, 4);
  const PairMetric pair = metric_of(metric);
  const Way way = name == "tree" ? Way::tree : name == "tiles" ? Way::tiles : Way::prim;
  if (way == Way::tree && !linkage::low_metric(pair))
    refuse("metric", "one that boxes bound", metric);
  if (way == Way::tiles && !linkage::high_metric(pair))
    refuse("metric", "one that products tell", metric);
  const Progress progress = progress_of(callback);
  threads1(n_threads);
  const NoGil nogil;
  by_edges(x, pair, way, z, n_threads, progress);
}

void points(const Array<double>& X, const std::string& method, const std::string& metric,
            Array<double> Z, int n_threads, const py::object& callback) {
  const View<double> x = points_of(X);
  double* z = out2d(Z, "Z", x.rows - 1, 4);
  const Method m = method_of(method);
  const PairMetric pair = metric_of(metric);
  const bool centers = m == Method::centroid || m == Method::median;
  if (m == Method::complete ||
      (m != Method::single && pair > PairMetric::sqeuclidean && pair != PairMetric::cosine) ||
      ((m == Method::average || m == Method::weighted) && pair == PairMetric::euclidean) ||
      ((centers || m == Method::ward) && pair != PairMetric::euclidean))
    refuse("method", "one with a closed form for the metric", method, " of ", metric);
  const Progress progress = progress_of(callback);
  threads1(n_threads);
  const NoGil nogil;
  if (m == Method::single)
    by_edges(x, pair,
             linkage::is_low(x, pair)               ? Way::tree
             : linkage::is_high(x, pair, n_threads) ? Way::tiles
                                                    : Way::prim,
             z, n_threads, progress);
  else if (centers)
    linkage::merge_centers(x, m, n_threads, progress, z);
  else
    linkage::emit_merges(linkage::merge_points(x, m, pair, n_threads, progress), x.rows,
                         m == Method::ward, z);
}

template <class T>
void by_matrix(linkage::Square<T> d, Method m, int n_threads, const Progress& progress, double* z) {
  const index n = d.n;
  if (m == Method::centroid || m == Method::median)
    linkage::merge_matrix_in_order(d, m, progress, z);
  else
    linkage::emit_merges(linkage::merge_matrix(d, m, n_threads, progress), n, on_squares(m), z);
}

template <class T>
void by_lines(const linkage::Lines<T>& lines, Method m, const Room& room, int n_threads,
              const Progress& progress, double* z) {
  if (m == Method::centroid || m == Method::median) {
    room(linkage::Square<T>::bytes(lines.n), lines.n);
    by_matrix(linkage::Square<T>(lines, n_threads), m, n_threads, progress, z);
  } else {
    linkage::emit_merges(linkage::merge_lines(lines, m, room, n_threads, progress), lines.n,
                         on_squares(m), z);
  }
}

bool by_squares(Method m, PairMetric metric) {
  return m == Method::complete && metric == PairMetric::euclidean;
}

template <class T>
void by_members(const View<double>& x, Method m, PairMetric metric, const Room& room, int n_threads,
                const Progress& progress, double* z) {
  const bool root = by_squares(m, metric);
  linkage::emit_merges(linkage::merge_members<T>(x, m, root ? PairMetric::sqeuclidean : metric,
                                                 room, n_threads, progress),
                       x.rows, root, z);
}

void matrix(const Array<double>& X, const std::string& method, const std::string& metric,
            bool angular, bool single_precision, Array<double> Z, int n_threads,
            const py::object& room, const py::object& callback) {
  const View<double> x = points_of(X);
  double* z = out2d(Z, "Z", x.rows - 1, 4);
  const Method m = method_of(method);
  const PairMetric pair = metric_of(metric);
  const Room ask = room_of(room);
  const Progress progress = progress_of(callback);
  threads1(n_threads);
  const NoGil nogil;
  const bool squared = on_squares(m);
  const bool members = linkage::by_members(x, m, pair) && !angular;
  if (m != Method::single && !squared && pair != PairMetric::cosine) {
    // As by_members does, so that what ties does not depend on equal rows.
    const bool root = members && by_squares(m, pair);
    const std::vector<Merge> merges =
        (single_precision ? linkage::merge_distinct<float>
                          : linkage::merge_distinct<double>)(x, m,
                                                             root ? PairMetric::sqeuclidean : pair,
                                                             ask, n_threads, progress);
    if (!merges.empty()) return linkage::emit_merges(merges, x.rows, root, z);
  }
  if (members)
    (single_precision ? by_members<float> : by_members<double>)(x, m, pair, ask, n_threads,
                                                                progress, z);
  else if (single_precision)
    by_lines(linkage::Lines<float>(x, pair, angular, squared), m, ask, n_threads, progress, z);
  else
    by_lines(linkage::Lines<double>(x, pair, angular, squared), m, ask, n_threads, progress, z);
}

void condensed(const Array<double>& y, index n, const std::string& method, bool single_precision,
               Array<double> Z, int n_threads, const py::object& callback) {
  const double* d = condensed_of(y, n);
  double* z = out2d(Z, "Z", n - 1, 4);
  const Method m = method_of(method);
  const Progress progress = progress_of(callback);
  threads1(n_threads);
  const NoGil nogil;
  if (m == Method::single)
    return linkage::emit_edges(linkage::spanning_tree(d, n, progress), n, false, z);
  const bool squared = on_squares(m);
  if (single_precision)
    by_matrix(linkage::Square<float>(d, n, squared, n_threads), m, n_threads, progress, z);
  else
    by_matrix(linkage::Square<double>(d, n, squared, n_threads), m, n_threads, progress, z);
}

}  // namespace

void linkage_(py::module_& m) {
  m.def("pairwise", pairwise, "X"_a.noconvert(), "metric"_a, "out"_a.noconvert(), "n_threads"_a);
  m.def("cross", cross, "X"_a.noconvert(), "Y"_a.noconvert(), "metric"_a, "out"_a.noconvert(),
        "n_threads"_a);
  m.def("single_linkage", single, "X"_a.noconvert(), "metric"_a, "way"_a, "Z"_a.noconvert(),
        "n_threads"_a, "callback"_a);
  m.def("linkage_points", points, "X"_a.noconvert(), "method"_a, "metric"_a, "Z"_a.noconvert(),
        "n_threads"_a, "callback"_a);
  m.def("linkage_matrix", matrix, "X"_a.noconvert(), "method"_a, "metric"_a, "angular"_a,
        "single_precision"_a, "Z"_a.noconvert(), "n_threads"_a, "room"_a, "callback"_a);
  m.def("linkage_condensed", condensed, "y"_a.noconvert(), "n"_a, "method"_a, "single_precision"_a,
        "Z"_a.noconvert(), "n_threads"_a, "callback"_a);
}

}  // namespace coterie::bind
