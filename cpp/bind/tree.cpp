#include "../algo/linkage/tree.hpp"

#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

using Z = Array<double>;

// f(tree), and the tree built for it, without the GIL.
template <class F>
auto with_tree(const View<double>& z, const F& f) {
  const NoGil nogil;
  return f(tree::Tree(z));
}

void sizes(const Z& z, Array<double> out) {
  const View<double> v = view2d(z, "Z");
  double* to = out1d(out, "out", v.rows);
  with_tree(v, [&](const tree::Tree& t) {
    for (index i = 0; i < v.rows; ++i) to[i] = static_cast<double>(t.size[t.n + i]);
  });
}

void leaves(const Z& z, Array<std::int32_t> out) {
  const View<double> v = view2d(z, "Z");
  std::int32_t* to = out1d(out, "out", v.rows + 1);
  with_tree(v, [&](const tree::Tree& t) {
    for (index i = 0; i < t.n; ++i) to[i] = static_cast<std::int32_t>(t.leaf[i]);
  });
}

void subtree_max(const Z& z, const Array<double>& values, Array<double> out) {
  const View<double> v = view2d(z, "Z");
  const double* from = in1d(values, "values", v.rows);
  double* to = out1d(out, "out", v.rows);
  with_tree(v, [&](const tree::Tree& t) { tree::subtree_max(t, from, to); });
}

void flat_clusters(const Z& z, const Array<double>& criterion, double cutoff,
                   Array<std::int32_t> labels) {
  const View<double> v = view2d(z, "Z");
  const double* by = in1d(criterion, "criterion", v.rows);
  std::int32_t* to = out1d(labels, "labels", v.rows + 1);
  with_tree(v, [&](const tree::Tree& t) { tree::flat_clusters(t, by, cutoff, to); });
}

double threshold(const Z& z, const Array<double>& criterion, index k) {
  const View<double> v = view2d(z, "Z");
  const double* by = in1d(criterion, "criterion", v.rows);
  if (k < 1) refuse("t", "one cluster or more", k);
  return with_tree(v, [&](const tree::Tree& t) { return tree::threshold_for(t, by, k); });
}

void merge_ranks(const Z& z, Array<double> out) {
  const View<double> v = view2d(z, "Z");
  double* to = out1d(out, "out", v.rows);
  with_tree(v, [&](const tree::Tree& t) { tree::merge_ranks(t, to); });
}

void cut(const Z& z, const Array<double>& key, const Array<double>& cutoffs,
         Array<std::int64_t> labels, int n_threads) {
  const View<double> v = view2d(z, "Z");
  const double *by = in1d(key, "key", v.rows), *at = in1d(cutoffs, "cutoffs", -1);
  const index cuts = cutoffs.shape(0);
  std::int64_t* to = out2d(labels, "labels", cuts, v.rows + 1);
  const int team = threads1(n_threads);
  with_tree(v, [&](const tree::Tree& t) { tree::cut(t, by, at, cuts, to, team); });
}

py::tuple leaders(const Z& z, const Array<std::int32_t>& labels) {
  const View<double> v = view2d(z, "Z");
  const std::int32_t* of = in1d(labels, "T", v.rows + 1);
  const auto found = with_tree(v, [&](const tree::Tree& t) { return tree::leaders(t, of); });
  std::vector<std::int32_t> clusters, ids;
  for (const auto& [cluster, id] : found) {
    clusters.push_back(static_cast<std::int32_t>(cluster));
    ids.push_back(id);
  }
  return py::make_tuple(vector_of(clusters), vector_of(ids));
}

void inconsistency(const Z& z, index depth, Array<double> out, int n_threads) {
  const View<double> v = view2d(z, "Z");
  double* to = out2d(out, "out", v.rows, 4);
  const int team = threads1(n_threads);
  with_tree(v, [&](const tree::Tree& t) { tree::inconsistency(t, depth, to, team); });
}

void cophenetic(const Z& z, Array<double> out, int n_threads) {
  const View<double> v = view2d(z, "Z");
  double* to = out1d(out, "out", v.rows * (v.rows + 1) / 2);
  const int team = threads1(n_threads);
  with_tree(v, [&](const tree::Tree& t) { tree::cophenetic(t, to, team); });
}

void leaf_order(const Z& z, const Array<double>& distances, Array<double> out, int n_threads) {
  const View<double> v = view2d(z, "Z");
  const double* y = in1d(distances, "y", v.rows * (v.rows + 1) / 2);
  double* to = out2d(out, "out", v.rows, 2);
  const int team = threads1(n_threads);
  with_tree(v, [&](const tree::Tree& t) { tree::optimal_order(t, y, to, team); });
}

}  // namespace

void tree(py::module_& m) {
  m.def("tree_sizes", sizes, "Z"_a, "out"_a.noconvert());
  m.def("tree_leaves", leaves, "Z"_a, "out"_a.noconvert());
  m.def("tree_subtree_max", subtree_max, "Z"_a, "values"_a, "out"_a.noconvert());
  m.def("tree_flat_clusters", flat_clusters, "Z"_a, "criterion"_a, "t"_a, "labels"_a.noconvert());
  m.def("tree_threshold", threshold, "Z"_a, "criterion"_a, "k"_a);
  m.def("tree_merge_ranks", merge_ranks, "Z"_a, "out"_a.noconvert());
  m.def("tree_cut", cut, "Z"_a, "key"_a, "t"_a, "labels"_a.noconvert(), "n_threads"_a);
  m.def("tree_leaders", leaders, "Z"_a, "labels"_a);
  m.def("tree_inconsistency", inconsistency, "Z"_a, "depth"_a, "out"_a.noconvert(), "n_threads"_a);
  m.def("tree_cophenetic", cophenetic, "Z"_a, "out"_a.noconvert(), "n_threads"_a);
  m.def("tree_leaf_order", leaf_order, "Z"_a, "distances"_a, "out"_a.noconvert(), "n_threads"_a);
}

}  // namespace coterie::bind
