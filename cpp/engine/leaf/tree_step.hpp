// A step of Prim's algorithm in float32: a point has joined the tree, those outside hear of it.
//
// Nothing branches on distances: of each point the least and the least but one are kept, whether
// they change or not, and so are the two least of all. Values are as in near_points.hpp.
#pragma once
#include "near_points.hpp"

namespace coterie::COTERIE_ISA {

COTERIE_INLINE Vec<float> magnitude(Vec<float> v) {
  return (Vec<float>)((VecInt<float>)v & splat(std::int32_t(0x7fffffff)));
}
struct StepSquare : NearSquare {
  COTERIE_INLINE static Vec<float> both(Vec<float> a, Vec<float> b) { return a + b; }
};
struct StepCity {
  COTERIE_INLINE static void fuse(Vec<float>& s, Vec<float> a, Vec<float> b) {
    s += magnitude(b - a);
  }
  COTERIE_INLINE static Vec<float> both(Vec<float> a, Vec<float> b) { return a + b; }
};
struct StepChebyshev {
  COTERIE_INLINE static void fuse(Vec<float>& s, Vec<float> a, Vec<float> b) {
    s = higher(s, magnitude(b - a));
  }
  COTERIE_INLINE static Vec<float> both(Vec<float> a, Vec<float> b) { return higher(a, b); }
};

// The two least of what each lane saw, and the place of the least.
struct LeastTwo {
  Vec<float> least = splat(__builtin_inff()), second = splat(__builtin_inff());
  VecInt<float> place = splat(std::int32_t(0));

  COTERIE_INLINE void see(Vec<float> v, std::int32_t at) {
    second = lower(second, higher(least, v));
    place = select_less(v, least, splat(at), place);
    least = lower(least, v);
  }
  COTERIE_INLINE TreeNearest of_all() const {
    float low[width<float>], next[width<float>];
    std::int32_t at[width<float>];
    store(low, least), store(next, second), store(at, place);
    TreeNearest all{low[0], next[0], at[0]};
    for (int l = 1; l < width<float>; ++l) {
      const float higher = low[l] < all.least ? all.least : low[l];
      const float both = next[l] < higher ? next[l] : higher;
      all.at = low[l] < all.least ? at[l] + l : all.at;
      all.least = low[l] < all.least ? low[l] : all.least;
      all.second = both < all.second ? both : all.second;
    }
    return all;
  }
};

template <class Metric, int P>
COTERIE_INLINE void tree_sums(const float* x, const float* panel, index depth, index first,
                              index last, Vec<float> (&sum)[P][kFloatParts]) {
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int i = 0; i < kFloatParts; ++i) sum[p][i] = Vec<float>{};
#pragma GCC unroll 1
  for (index f = first; f < last; ++f) {
    const Vec<float> xv = broadcast(x + f);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
      for (int i = 0; i < kFloatParts; ++i)
        Metric::fuse(sum[p][i], xv,
                     load(panel + (p * depth + f) * kPanelPoints + i * width<float>));
  }
}

// Of the points of P panels.
template <class Metric, int P>
COTERIE_INLINE void tree_values(const float* x, const float* panel, index depth,
                                Vec<float> (&sum)[P][kFloatParts]) {
  tree_sums<Metric, P>(x, panel, depth, 0, depth < kTreeSteps ? depth : kTreeSteps, sum);
  for (index f = kTreeSteps; f < depth; f += kTreeSteps) {
    Vec<float> more[P][kFloatParts];
    tree_sums<Metric, P>(x, panel, depth, f, depth - f < kTreeSteps ? depth : f + kTreeSteps, more);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
      for (int i = 0; i < kFloatParts; ++i) sum[p][i] = Metric::both(sum[p][i], more[p][i]);
  }
}

template <class Metric, int P>
COTERIE_INLINE void tree_step_panels(const TreeStepTask& t, index at, LeastTwo& seen) {
  Vec<float> sum[P][kFloatParts];
  tree_values<Metric, P>(t.x, t.panels + at * t.depth, t.depth, sum);
  const VecInt<float> id = splat(t.id);
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int i = 0; i < kFloatParts; ++i) {
      const index l = at + p * kPanelPoints + i * width<float>;
      const Vec<float> v = sum[p][i], best = load(t.best + l), least = lower(v, best);
      const VecInt<float> from = load(t.from + l), first = id < from ? id : from;
      store(t.next + l, lower(load(t.next + l), higher(v, best)));
      store(t.from + l, select_less(v, best, id, select_less(best, v, from, first)));
      store(t.best + l, least);
      seen.see(least, std::int32_t(l));
    }
}

// As many panels as keep the chains of additions busy.
constexpr int kTogether = kFloatParts <= 2 ? 4 : kFloatParts <= 4 ? 2 : 1;

template <class Metric>
TreeNearest tree_step(const TreeStepTask& task) {
  const TreeStepTask t = task;  // a store could otherwise have changed the task
  LeastTwo seen;
  index at = 0;
  for (; at + kTogether * kPanelPoints <= t.count; at += kTogether * kPanelPoints)
    tree_step_panels<Metric, kTogether>(t, at, seen);
  for (; at < t.count; at += kPanelPoints) tree_step_panels<Metric, 1>(t, at, seen);
  return seen.of_all();
}

}  // namespace coterie::COTERIE_ISA
