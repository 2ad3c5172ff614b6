// The points nearest to a point, as a filter in float32.
//
// Every value is within (depth + 8) 2^-23 of itself (squares), or of |x| |y| (products), of what is
// meant for these points.
#pragma once
#include "buckets.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kFloatParts = kPanelPoints / width<float>;
constexpr int kFloatsSideBySide = kFloatParts < 8 ? 8 / kFloatParts : 1;

// from - <x, y>
struct NearProduct {
  COTERIE_INLINE static void fuse(Vec<float>& s, Vec<float> a, Vec<float> b) { s = madd(a, b, s); }
  COTERIE_INLINE static Vec<float> of(const NearPointsTask& t, Vec<float> sum) {
    return splat(t.from) - sum;
  }
};
// |x - y|^2
struct NearSquare {
  COTERIE_INLINE static void fuse(Vec<float>& s, Vec<float> a, Vec<float> b) {
    const Vec<float> d = b - a;
    s = madd(d, d, s);
  }
  COTERIE_INLINE static Vec<float> of(const NearPointsTask&, Vec<float> sum) { return sum; }
};

// Sixteen distances' i-th vector, infinite to what is of the query's own part.
template <class Metric>
COTERIE_INLINE Vec<float> near_values(const NearPointsTask& t, index q, index at, int i,
                                      Vec<float> sum) {
  const Vec<float> v = Metric::of(t, sum);
  if (t.part == nullptr) return v;
  const VecInt<float> part = load(t.part + at + i * width<float>);
  return part == splat(t.own[q]) ? splat(__builtin_inff()) : v;
}

template <class Metric, int Q>
COTERIE_INLINE void near_panel_of_points(const NearPointsTask& t, index first, index p,
                                         Buckets* buckets) {
  const float *x = t.x + first * t.depth, *panel = t.panels + p * kPanelPoints * t.depth;
  Vec<float> sum[Q][kFloatParts] = {};
#pragma GCC unroll 1
  for (index f = 0; f < t.depth; ++f)
#pragma GCC unroll 16
    for (int i = 0; i < kFloatParts; ++i) {
      const Vec<float> y = load(panel + f * kPanelPoints + i * width<float>);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) Metric::fuse(sum[q][i], broadcast(x + q * t.depth + f), y);
    }
  const index at = p * kPanelPoints;
  const bool whole = at + kPanelPoints <= t.count;
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
    const index self = t.self[first + q];
    if (whole && self / kPanelPoints != p) {
#pragma GCC unroll 16
      for (int i = 0; i < kFloatParts; ++i)
        buckets[first + q].see(p, i * width<float>,
                               near_values<Metric>(t, first + q, at, i, sum[q][i]));
      continue;
    }
    alignas(64) float d[kPanelPoints];
    for (int i = 0; i < kFloatParts; ++i)
      store(d + i * width<float>, near_values<Metric>(t, first + q, at, i, sum[q][i]));
    if (self / kPanelPoints == p) d[self % kPanelPoints] = __builtin_inff();
    for (index l = t.count - at; l < kPanelPoints; ++l) d[l] = __builtin_inff();
    buckets[first + q].see<Vec<float>>(p, d);
  }
}

template <class Metric>
void near_points(const NearPointsTask& task) {
  const NearPointsTask t = task;  // a store could otherwise have changed the task
  Buckets buckets[kClusterQueries];
  for (index q = 0; q < t.queries; ++q) buckets[q].clear();
  for (index p = 0; p * kPanelPoints < t.count; ++p) {
    index q = 0;
    for (; q + kFloatsSideBySide <= t.queries; q += kFloatsSideBySide)
      near_panel_of_points<Metric, kFloatsSideBySide>(t, q, p, buckets);
    for (; q < t.queries; ++q) near_panel_of_points<Metric, 1>(t, q, p, buckets);
  }
  for (index q = 0; q < t.queries; ++q)
    t.beyond[q] = buckets[q].list(nullptr, t.keep, t.distance + q * t.keep, t.nearest + q * t.keep);
}

}  // namespace coterie::COTERIE_ISA
