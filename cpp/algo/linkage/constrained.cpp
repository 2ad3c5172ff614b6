#include "constrained.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../engine/isa.hpp"
#include "edge_heap.hpp"
#include "edges.hpp"

namespace coterie::linkage {
namespace {

[[noreturn]] void refuse_components() {
  refuse("connectivity", "no more components than clusters", "more");
}

// Sums and means of clusters by slot, means padded with zeros to whole vectors.
class Moments {
 public:
  explicit Moments(const View<double>& x)
      : depth_(x.cols),
        stride_((x.cols + 7) / 8 * 8),
        sum_(checked_product(x.rows, x.cols)),
        mean_(checked_product(x.rows, stride_), 0.0),
        kernels_(isa::kernels<double>()) {
    for (index i = 0; i < x.rows; ++i) {
      std::copy_n(x.row(i), depth_, sum_.data() + i * depth_);
      std::copy_n(x.row(i), depth_, mean_.data() + i * stride_);
    }
  }
  void merge(index into, index from, double size) {
    double *s = sum_.data() + into * depth_, *m = mean_.data() + into * stride_;
    const double* other = sum_.data() + from * depth_;
    for (index f = 0; f < depth_; ++f) m[f] = (s[f] += other[f]) / size;
  }
  double between(index a, index b) const {  // |m_a - m_b|^2
    return kernels_.distance(mean_.data() + a * stride_, stride_, mean_.data() + b * stride_);
  }

 private:
  index depth_, stride_;
  Buffer<double> sum_, mean_;
  const Kernels<double>& kernels_;
};

class Agglomeration {
 public:
  Agglomeration(const Graph& g, Constrained method, const double* lengths, const View<double>& x)
      : method_(method),
        edges_(g),
        heap_(g.edges),
        length_(g.edges),
        cluster_(g.nodes),
        moments_(method == Constrained::ward ? x : View<double>{nullptr, 0, 0, 0}),
        nodes_(g.nodes) {
    for (index i = 0; i < g.nodes; ++i) cluster_[i] = {i, static_cast<std::int32_t>(i), 1};
    for (std::int32_t e = 0; e < g.edges; ++e) {
      length_[e] = method == Constrained::ward ? measured(e) : lengths[e];
      heap_.start(e, key(e));
    }
    heap_.order();
  }

  Merges run(index n_clusters) {
    Merges out;
    for (index number = nodes_; number < 2 * nodes_ - n_clusters; ++number) {
      if (interrupt::pending()) throw Interrupted();
      const std::int32_t e = nearest();
      std::int32_t keep = edges_.node(2 * e), drop = edges_.node(2 * e + 1);
      if (edges_.degree(keep) < edges_.degree(drop)) std::swap(keep, drop);
      const auto [low, high] = std::minmax(cluster_[keep].number, cluster_[drop].number);
      out.children.insert(out.children.end(), {low, high});
      out.heights.push_back(method_ == Constrained::ward ? std::sqrt(length_[e]) : length_[e]);
      heap_.remove(e);
      edges_.remove(e);
      merge(keep, drop, number);
    }
    return out;
  }

 private:
  struct Cluster {
    index number;       // as children count: rows, then merges
    std::int32_t name;  // the largest row in it
    std::int32_t size;
  };

  EdgeKey key(std::int32_t e) const {
    const auto [low, high] =
        std::minmax(cluster_[edges_.node(2 * e)].name, cluster_[edges_.node(2 * e + 1)].name);
    return {length_[e], low, high};
  }
  double measured(std::int32_t e) const {
    const std::int32_t a = edges_.node(2 * e), b = edges_.node(2 * e + 1);
    const double n_a = cluster_[a].size, n_b = cluster_[b].size;
    return 2 * (n_a * n_b / (n_a + n_b)) * moments_.between(a, b);
  }
  std::int32_t nearest() {
    while (!heap_.empty()) {
      const std::int32_t e = heap_.root();
      const EdgeKey now = key(e);
      if (!(heap_.key(e) < now)) return e;
      heap_.set(e, now);
    }
    refuse_components();
  }
  // Of the edges from `keep` and `drop` to one node, the value of both as one.
  double joint(double a, double b, index keep, index drop) const {
    if (method_ == Constrained::complete) return std::max(a, b);
    const double n_a = cluster_[keep].size, n_b = cluster_[drop].size;
    return (n_a * a + n_b * b) / (n_a + n_b);
  }

  void merge(std::int32_t keep, std::int32_t drop, index number) {
    // Names first: keys are written below, and they never fall.
    Cluster& whole = cluster_[keep];
    whole.name = std::max(whole.name, cluster_[drop].name);
    cluster_[drop].name = whole.name;
    for (std::int32_t end = edges_.first(drop), next; end != Edges::none; end = next) {
      next = edges_.next(end);
      const std::int32_t e = end / 2, twin = edges_.find(keep, edges_.node(end ^ 1));
      if (twin == Edges::none) {
        edges_.move(end, keep);
        continue;
      }
      length_[twin] = joint(length_[twin], length_[e], keep, drop);
      heap_.remove(e);
      edges_.remove(e);
      if (const EdgeKey now = key(twin); now < heap_.key(twin)) heap_.set(twin, now);
    }
    whole.number = number;
    whole.size += cluster_[drop].size;
    if (method_ == Constrained::ward) remeasure(keep, drop);
  }
  void remeasure(std::int32_t keep, std::int32_t drop) {
    moments_.merge(keep, drop, cluster_[keep].size);
    for (std::int32_t end = edges_.first(keep); end != Edges::none; end = edges_.next(end)) {
      length_[end / 2] = measured(end / 2);
      heap_.set(end / 2, key(end / 2));
    }
  }

  Constrained method_;
  Edges edges_;
  EdgeHeap heap_;
  Buffer<double> length_;
  Buffer<Cluster> cluster_;
  Moments moments_;
  index nodes_;
};

// Edges from the shortest on, ties by their rows; those within a cluster are passed over.
Merges single(const Graph& g, const double* lengths, index n_clusters) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(g.edges));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t e, std::int32_t f) {
    return EdgeKey{lengths[e], g.a[e], g.b[e]} < EdgeKey{lengths[f], g.a[f], g.b[f]};
  });
  Buffer<index> parent(2 * g.nodes);  // of rows and merges; a root is its own
  for (index i = 0; i < parent.size(); ++i) parent[i] = i;
  const auto root = [&](index i) {
    for (; parent[i] != i; i = parent[i]) parent[i] = parent[parent[i]];
    return i;
  };
  Merges out;
  index number = g.nodes;
  for (std::size_t at = 0; number < 2 * g.nodes - n_clusters; ++at) {
    if (at == order.size()) refuse_components();
    if (interrupt::pending()) throw Interrupted();
    const std::int32_t e = order[at];
    const index a = root(g.a[e]), b = root(g.b[e]);
    if (a == b) continue;
    out.children.insert(out.children.end(), {std::min(a, b), std::max(a, b)});
    out.heights.push_back(lengths[e]);
    parent[a] = parent[b] = number++;
  }
  return out;
}

}  // namespace

Merges constrained(const Graph& graph, Constrained method, const double* lengths,
                   const View<double>& x, index n_clusters) {
  constexpr index most = std::numeric_limits<std::int32_t>::max() / 2;  // an edge has two ends
  if (graph.edges > most) refuse("connectivity", "at most 2^30 - 1 edges", graph.edges);
  if (method == Constrained::single) return single(graph, lengths, n_clusters);
  return Agglomeration(graph, method, lengths, x).run(n_clusters);
}

}  // namespace coterie::linkage
