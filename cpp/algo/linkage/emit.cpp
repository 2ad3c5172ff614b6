// From merges in the order they were found to SciPy's matrix Z.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <tuple>

#include "../../base/check.hpp"
#include "linkage.hpp"

namespace coterie::linkage {
namespace {

// Which cluster does a point belong to?
class Forest {
 public:
  explicit Forest(index n) : parent_(2 * n - 1), size_(2 * n - 1, 1) {
    std::iota(parent_.begin(), parent_.end(), index{0});
  }
  index root(index i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  // Joins the clusters of two points; row t of z.
  void join(index a, index b, double height, index n, index t, double* z) {
    a = root(a), b = root(b);
    parent_[a] = parent_[b] = n + t;
    size_[n + t] = size_[a] + size_[b];
    double* row = z + 4 * t;
    row[0] = static_cast<double>(std::min(a, b));
    row[1] = static_cast<double>(std::max(a, b));
    row[2] = height;
    row[3] = static_cast<double>(size_[n + t]);
  }

 private:
  std::vector<index> parent_, size_;
};

std::tuple<double, index, index> key(const Merge& m) { return {m.height, m.low, m.high}; }

double height_of(const Merge& m, bool root) { return root ? std::sqrt(m.height) : m.height; }

// Of the merges whose children are there, always the least one by key. Sorted by keys they are in
// that order already, but where a parent ties with a child.
std::vector<index> in_order(const std::vector<Merge>& merges, std::vector<index>& missing,
                            const std::vector<index>& parent) {
  const index count = static_cast<index>(merges.size());
  std::vector<index> order(merges.size()), place(merges.size());
  std::vector<std::pair<double, index>> heights;
  heights.reserve(merges.size());
  for (index m = 0; m < count; ++m) heights.emplace_back(merges[m].height, m);
  std::sort(heights.begin(), heights.end(), [&](const auto& a, const auto& b) {
    return a.first < b.first ||
           (a.first == b.first && key(merges[a.second]) < key(merges[b.second]));
  });
  for (index t = 0; t < count; ++t) order[t] = heights[t].second;
  bool sorted = true;
  for (index t = 0; t < count; ++t) place[order[t]] = t;
  for (index m = 0; m < count; ++m)
    sorted = sorted && (parent[m] < 0 || place[m] < place[parent[m]]);
  if (sorted) return order;
  const auto later = [&](index a, index b) { return place[a] > place[b]; };
  std::priority_queue<index, std::vector<index>, decltype(later)> ready(later);
  for (index t = 0; t < count; ++t)
    if (missing[t] == 0) ready.push(t);
  for (index t = 0; t < count; ++t) {
    const index m = order[t] = ready.top();
    ready.pop();
    if (parent[m] >= 0 && --missing[parent[m]] == 0) ready.push(parent[m]);
  }
  return order;
}

}  // namespace

void emit_edges(std::vector<Merge> edges, index n, bool root, double* z) {
  for (Merge& e : edges) {
    if (std::isnan(e.height)) refuse("X", "distances that are numbers", "NaN");
    if (e.low > e.high) std::swap(e.low, e.high);
  }
  std::sort(edges.begin(), edges.end(),
            [](const Merge& a, const Merge& b) { return key(a) < key(b); });
  Forest forest(n);
  for (index t = 0; t < n - 1; ++t)
    forest.join(edges[t].low, edges[t].high, height_of(edges[t], root), n, t, z);
}

void emit_merges(std::vector<Merge> merges, index n, bool root, double* z) {
  // The merge that made the cluster which now goes by this point; and how many children of a merge
  // are still to come, and who waits for it.
  std::vector<index> made(n, -1), missing(merges.size(), 0), parent(merges.size(), -1);
  for (index t = 0; t < n - 1; ++t) {
    Merge& m = merges[t];
    for (const index child : {made[m.low], made[m.high]}) {
      if (child < 0) continue;
      m.height = std::max(m.height, merges[child].height);  // rounding apart, it is
      ++missing[t];
      parent[child] = t;
    }
    made[m.high] = t;
  }
  const std::vector<index> order = in_order(merges, missing, parent);
  Forest forest(n);
  for (index t = 0; t < n - 1; ++t) {
    const Merge& m = merges[order[t]];
    forest.join(m.low, m.high, height_of(m, root), n, t, z);
  }
}

}  // namespace coterie::linkage
