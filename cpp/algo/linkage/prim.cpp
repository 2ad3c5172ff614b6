// Single linkage by Prim's algorithm: the tree grows by its nearest point, O(n) memory, n^2 / 2
// distances. Points that have joined are dropped, so that what is left lies close together.
// (Prim 1957; for linkage: Rohlf 1973, Muellner 2011.)
#include <limits>

#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "points.hpp"
#include "prim.hpp"

namespace coterie::linkage {
namespace {

struct Outside {
  Points points;
  Buffer<double> best;      // distance to the tree
  Buffer<index> from, ids;  // to which point of it; who this is

  explicit Outside(const View<double>& x)
      : points(x), best(whole_panels(x.rows), -1.0), from(x.rows, x.rows), ids(x.rows) {
    for (index i = 0; i < x.rows; ++i)
      best[i] = std::numeric_limits<double>::infinity(), ids[i] = i;
  }
  void drop(index i) {
    const index last = --points.count;
    points.move(last, i);
    best[i] = best[last], from[i] = from[last], ids[i] = ids[last];
    best[last] = -1;
  }
  Merge edge(index i) const {
    return {best[i], std::min(ids[i], from[i]), std::max(ids[i], from[i])};
  }
};

}  // namespace

std::vector<Merge> spanning_tree(const View<double>& x, PairMetric metric, int n_threads,
                                 const Progress& progress) {
  index told = 0;  // the filter may have given up on the way
  const auto tell = [&](index merges) {
    if (progress && merges > told) progress(told = merges);
  };
  if (metric <= PairMetric::cosine && x.rows <= std::numeric_limits<std::int32_t>::max()) {
    std::vector<Merge> edges = filtered_tree(x, metric, n_threads, tell);
    if (!edges.empty()) return edges;
  }
  const auto lower = isa::table().pairs.lower[static_cast<int>(metric)];
  Outside out(x);
  Buffer<double> point(x.cols);
  std::vector<Merge> edges;
  edges.reserve(static_cast<std::size_t>(x.rows - 1));
  index joined = 0;
  out.points.read(0, point.data());
  out.drop(0);
  while (out.points.count > 0) {
    const index left = out.points.count, panels = (left + kPanel - 1) / kPanel;
    const auto nearest = [&](index first, index last) {
      PairLowerTask task{};
      static_cast<PairTask&>(task) = out.points.task(point.data(), first, last - first);
      task.id = joined;
      task.best = out.best.data() + first;
      task.from = out.from.data() + first;
      task.ids = out.ids.data() + first;
      return first + lower(task);
    };
    const int team =
        threads::worth(static_cast<double>(left) * static_cast<double>(x.cols) / 2, n_threads);
    index next;
    if (team == 1) {
      next = nearest(0, left);
    } else {
      index found[64];
      const index parts = std::min(team, 64), share = (panels + parts - 1) / parts * kPanel;
      threads::parallel_blocks(parts, team, [&](index b, int) {
        const index first = std::min(left, b * share), last = std::min(left, first + share);
        found[b] = first < last ? nearest(first, last) : -1;
      });
      next = found[0];
      for (index b = 1; b < parts; ++b)
        if (found[b] >= 0 && before(out.edge(found[b]), out.edge(next))) next = found[b];
    }
    edges.push_back(out.edge(next));
    joined = out.ids[next];
    out.points.read(next, point.data());
    out.drop(next);
    if (static_cast<index>(edges.size()) % kPoll == 0) {
      if (interrupt::pending()) throw Interrupted();
      tell(static_cast<index>(edges.size()));
    }
  }
  return edges;
}

std::vector<Merge> spanning_tree(const double* condensed, index n, const Progress& progress) {
  std::vector<double> best(n, std::numeric_limits<double>::infinity());
  std::vector<index> from(n, n), left(n - 1);
  for (index i = 1; i < n; ++i) left[i - 1] = i;
  std::vector<Merge> edges;
  index joined = 0;
  while (!left.empty()) {
    Merge least{std::numeric_limits<double>::infinity(), n, n};
    std::size_t at = 0;
    for (std::size_t s = 0; s < left.size(); ++s) {
      const index j = left[s], a = std::min(joined, j), b = std::max(joined, j);
      const double d = condensed[n * a - a * (a + 1) / 2 + b - a - 1];
      if (d < best[j] || (d == best[j] && joined < from[j])) best[j] = d, from[j] = joined;
      const Merge edge{best[j], std::min(j, from[j]), std::max(j, from[j])};
      if (before(edge, least)) least = edge, at = s;
    }
    edges.push_back(least);
    joined = left[at];
    left.erase(left.begin() +
               static_cast<std::ptrdiff_t>(at));  // in order: memory is read forwards
    if (static_cast<index>(edges.size()) % kPoll == 0) {
      if (interrupt::pending()) throw Interrupted();
      if (progress) progress(static_cast<index>(edges.size()));
    }
  }
  return edges;
}

}  // namespace coterie::linkage
