// Rounds: every component takes its least edge to another one, by (distance, smaller id, larger
// id), under which the tree is unique; then components that an edge joins become one. (Boruvka
// 1926; with kd-trees: Bentley & Friedman 1978; March, Ram & Gray 2010.)
//
// A point keeps the list of its nearest, found once. What its list does not name is no nearer than
// the last entry, and stays so while components grow; so a point goes through the tree again only
// when all it lists is in its own component and that bound could still be the component's least.
// Distances found by then are shared, to prune; which thread finds them first decides what is
// looked at, never what is least.
//
// The largest component takes no edge: the others find enough, and its points need not look.
#include "boruvka.hpp"

#include <atomic>
#include <numeric>
#include <tuple>

#include "../../base/interrupt.hpp"
#include "../../base/random.hpp"
#include "../../base/threads.hpp"
#include "neighbours.hpp"

namespace coterie::linkage {
namespace {

constexpr index kBlock = 8;              // leaves a block of parallel work
constexpr index kPoll = index{1} << 16;  // rows between two looks at Ctrl-C

std::uint64_t hash(const double* row, index depth) {
  std::uint64_t h = 0;
  for (index f = 0; f < depth; ++f) {
    const double value = row[f] + 0.0;  // -0 is 0
    std::uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    h = mix(h + bits);
  }
  return h;
}

// Of points that are equal the first. The others are joined to it by edges of length zero, which
// are the least of theirs; no other edge of theirs is in the tree, as the first has one before it.
// (Where squares underflow: Boruvka::hang.)
std::vector<Place> distinct(const View<double>& x, std::vector<Merge>& edges) {
  index size = 2;
  while (size < 2 * x.rows) size *= 2;
  Buffer<Place> table(size, -1);
  std::vector<Place> ids;
  ids.reserve(x.rows);
  for (index i = 0; i < x.rows; ++i) {
    if (i % kPoll == 0 && interrupt::pending()) throw Interrupted();
    const double* row = x.row(i);
    index at = static_cast<index>(hash(row, x.cols)) & (size - 1);
    while (table[at] >= 0 && !std::equal(row, row + x.cols, x.row(table[at])))
      at = (at + 1) & (size - 1);
    if (table[at] >= 0) {
      edges.push_back({0.0, table[at], i});
    } else {
      table[at] = static_cast<Place>(i);
      ids.push_back(static_cast<Place>(i));
    }
  }
  return ids;
}

using Bound = std::atomic<double>;

void lower(Bound& bound, double d) {
  double now = bound.load(std::memory_order_relaxed);
  while (d < now && !bound.compare_exchange_weak(now, d, std::memory_order_relaxed)) {
  }
}

// By place, the component of a point and the entry of its list it offers; by component, its points,
// the least distance to another one and the point that offers it; by node, the component of all its
// points, or -1.
struct Components {
  explicit Components(const KdTree& tree)
      : count(tree.count()),
        of(count),
        node(2 * tree.leaves()),
        edge(count),
        parent(count),
        size(count, 1),
        slot(count, 0),
        bound(count) {
    std::iota(of.data(), of.data() + count, Place{0});
    node.fill(-1);
  }
  Place root(Place c) {
    while (parent[c] != c) c = parent[c] = parent[parent[c]];
    return c;
  }

  index count;
  Place largest = 0;
  Buffer<Place> of, node, edge, parent, size;
  Buffer<std::uint8_t> slot;
  std::vector<Bound> bound;
};

// Finds the nearest outside their component for points whose lists are used up.
struct Outside {
  Outside(const KdTree& t, Lists& l, Components& c)
      : tree(t), lists(l), components(c), depth(t.depth), rows(kLeafPoints * depth) {}
  double* row(index i) { return rows.data() + i * depth; }
  double limit(index i) const {
    return looks[i] ? std::min(best[i], bound(i).load(std::memory_order_relaxed)) : -1;
  }
  bool skip(index n) const { return common >= 0 && components.node[n] == common; }
  void offer(index i, Place at, double d) {
    if (components.of[at] == components.of[first + i] || !lists.before(d, at, best[i], found[i]))
      return;
    best[i] = d, found[i] = at;
    lower(bound(i), d);
  }
  Bound& bound(index i) const { return components.bound[components.of[first + i]]; }
  bool start(index leaf);
  void finish();

  const KdTree& tree;
  Lists& lists;
  Components& components;
  const index depth;
  Buffer<double> rows;
  index first = 0, size = 0;
  Place common = -1;  // the component of all points that look
  bool looks[kLeafPoints];
  double best[kLeafPoints];
  Place found[kLeafPoints];
};

bool Outside::start(index leaf) {
  first = tree.first(leaf), size = tree.first(leaf + 1) - first;
  bool any = false;
  for (index i = 0; i < size; ++i) {
    const Place c = components.of[first + i];
    looks[i] = c != components.largest && components.slot[first + i] == kNear &&
               lists.last(first + i) <= bound(i);
    if (!looks[i]) continue;
    best[i] = kInfinity, found[i] = -1;
    common = !any || common == c ? c : -1;
    any = true;
  }
  return any;
}

// All that is outside and was not offered is farther than the limit was, and that only fell.
void Outside::finish() {
  for (index i = 0; i < size; ++i) {
    if (!looks[i]) continue;
    const double limit = this->limit(i);
    if (found[i] >= 0 && best[i] <= limit) {
      lists.set_last(first + i, best[i], found[i]);
      components.slot[first + i] = kNear - 1;
    } else {
      lists.set_last(first + i, std::max(limit, lists.last(first + i)), -1);
    }
  }
}

template <class Norm>
class Boruvka {
 public:
  Boruvka(const KdTree& tree, int n_threads)
      : tree_(tree),
        lists_(tree),
        components_(tree),
        team_(threads::worth(200.0 * static_cast<double>(tree.count()), n_threads)) {}

  // Appends the edges to those of points equal to one of the tree's.
  void run(std::vector<Merge>& edges, const Progress& progress) {
    std::atomic<bool> zero{false};
    blocks([&](index from, index to) {
      Nearest nearest(tree_, lists_);
      for (index leaf = from; leaf < to; ++leaf) {
        lists_.clear(leaf);
        nearest.first = tree_.first(leaf);
        search<Norm>(tree_, leaf, nearest);
        for (index i = tree_.first(leaf); i < tree_.first(leaf + 1); ++i)
          if (lists_.distance(i, 0) == 0) zero = true;
      }
    });
    if (zero) hang(edges);
    while (components_.count > 1) {
      offer_lists();
      search_outside();
      choose();
      join(edges);
      if (interrupt::pending()) throw Interrupted();
      if (progress) progress(static_cast<index>(edges.size()));
    }
  }

 private:
  // body(leaf, leaf) for runs of leaves.
  template <class Body>
  void blocks(const Body& body) {
    const index leaves = tree_.leaves();
    threads::parallel_blocks((leaves + kBlock - 1) / kBlock, team_, [&](index b, int) {
      body(b * kBlock, std::min(leaves, (b + 1) * kBlock));
    });
  }

  // Points that differ are at distance zero where squares underflow. What equals one of them has
  // its least edge to the least of all at zero; a cycle through that one leaves it no other.
  void hang(std::vector<Merge>& equal) const {
    std::vector<index> least(equal.size() + tree_.count());
    for (index i = 0; i < tree_.count(); ++i) {
      least[tree_.id(i)] = tree_.id(i);
      if (lists_.distance(i, 0) == 0)
        least[tree_.id(i)] = std::min(tree_.id(i), tree_.id(lists_.place(i, 0)));
    }
    for (Merge& e : equal) e.low = least[e.low];
  }

  // The first entry of each list that is outside; lists without one are used up.
  void offer_lists() {
    Components& c = components_;
    for (index i = 0; i < c.count; ++i) c.bound[i].store(kInfinity, std::memory_order_relaxed);
    blocks([&](index from, index to) {
      for (index i = tree_.first(from); i < tree_.first(to); ++i) {
        index slot = c.slot[i];
        const auto inside = [&](Place at) { return at < 0 || c.of[at] == c.of[i]; };
        while (slot < kNear && inside(lists_.place(i, slot))) ++slot;
        c.slot[i] = static_cast<std::uint8_t>(slot);
        if (slot < kNear) lower(c.bound[c.of[i]], lists_.distance(i, slot));
      }
    });
  }

  void search_outside() {
    blocks([&](index from, index to) {
      Outside outside(tree_, lists_, components_);
      for (index leaf = from; leaf < to; ++leaf) {
        if (!outside.start(leaf)) continue;
        search<Norm>(tree_, leaf, outside);
        outside.finish();
      }
    });
  }

  Merge edge(index of) const {
    const index slot = components_.slot[of], other = lists_.place(of, slot);
    const index a = tree_.id(of), b = tree_.id(other);
    return {lists_.distance(of, slot), std::min(a, b), std::max(a, b)};
  }

  // Of the points that offer a component's least distance the one with the least ids.
  void choose() {
    Components& c = components_;
    std::fill_n(c.edge.data(), c.count, Place{-1});
    for (index i = 0; i < tree_.count(); ++i) {
      const Place own = c.of[i];
      if (own == c.largest || c.slot[i] == kNear) continue;
      if (lists_.distance(i, c.slot[i]) > c.bound[own]) continue;
      if (c.edge[own] >= 0) {
        const Merge a = edge(i), b = edge(c.edge[own]);
        if (std::tie(a.low, a.high) >= std::tie(b.low, b.high)) continue;
      }
      c.edge[own] = static_cast<Place>(i);
    }
  }

  void join(std::vector<Merge>& edges) {
    Components& c = components_;
    std::iota(c.parent.data(), c.parent.data() + c.count, Place{0});
    for (index i = 0; i < c.count; ++i) {
      const Place from = c.edge[i];
      if (i == c.largest) continue;
      const Place a = c.root(static_cast<Place>(i));
      const Place b = c.root(c.of[lists_.place(from, c.slot[from])]);
      if (a == b) continue;  // the other one has taken the same edge
      c.parent[std::max(a, b)] = std::min(a, b);
      c.size[std::min(a, b)] += c.size[std::max(a, b)];
      edges.push_back(edge(from));
    }
    relabel();
  }

  // Components by the number of their root among roots; nodes by their points' component.
  void relabel() {
    Components& c = components_;
    Place* label = c.edge.data();
    Place count = 0;
    for (Place i = 0; i < c.count; ++i) {  // a root comes before those it stands for
      if (c.parent[i] == i) c.size[count] = c.size[i];
      label[i] = c.parent[i] == i ? count++ : label[c.root(i)];
    }
    c.count = count;
    c.largest =
        static_cast<Place>(std::max_element(c.size.data(), c.size.data() + count) - c.size.data());
    const index leaves = tree_.leaves();
    blocks([&](index from, index to) {
      for (index leaf = from; leaf < to; ++leaf) {
        const index first = tree_.first(leaf), last = tree_.first(leaf + 1);
        bool same = true;
        for (index i = first; i < last; ++i) {
          c.of[i] = label[c.of[i]];
          same = same && c.of[i] == c.of[first];
        }
        c.node[leaves + leaf] = same ? c.of[first] : -1;
      }
    });
    for (index n = leaves - 1; n > 0; --n)
      c.node[n] = c.node[2 * n] == c.node[2 * n + 1] ? c.node[2 * n] : -1;
  }

  const KdTree& tree_;
  Lists lists_;
  Components components_;
  const int team_;
};

template <class Norm>
void join_all(const KdTree& tree, std::vector<Merge>& edges, int n_threads,
              const Progress& progress) {
  Boruvka<Norm>(tree, n_threads).run(edges, progress);
}

}  // namespace

std::vector<Merge> spanning_tree_low(const View<double>& x, PairMetric metric, int n_threads,
                                     const Progress& progress) {
  std::vector<Merge> edges;
  edges.reserve(static_cast<std::size_t>(x.rows - 1));
  const KdTree tree(x, distinct(x, edges), n_threads);
  const auto join = metric == PairMetric::cityblock   ? join_all<CityblockNorm>
                    : metric == PairMetric::chebyshev ? join_all<ChebyshevNorm>
                                                      : join_all<SquaredNorm>;
  join(tree, edges, n_threads, progress);
  return edges;
}

}  // namespace coterie::linkage
