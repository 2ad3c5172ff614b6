// The points of greatest product with a point, as a filter in float32: lists of from - <x, y>.
//
// Every product is within (depth + 8) 2^-23 |x| |y| of what is meant.
#pragma once
#include "buckets.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kFloatParts = kPanelPoints / width<float>;
constexpr int kFloatsSideBySide = kFloatParts < 8 ? 8 / kFloatParts : 1;

template <int Q>
COTERIE_INLINE void near_panel_of_means(const NearMeansTask& t, index first, index p,
                                        Buckets* buckets) {
  const float *x = t.x + first * t.depth, *panel = t.panels + p * kPanelPoints * t.depth;
  Vec<float> sum[Q][kFloatParts] = {};
#pragma GCC unroll 1
  for (index f = 0; f < t.depth; ++f)
#pragma GCC unroll 16
    for (int i = 0; i < kFloatParts; ++i) {
      const Vec<float> y = load(panel + f * kPanelPoints + i * width<float>);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) sum[q][i] = madd(broadcast(x + q * t.depth + f), y, sum[q][i]);
    }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
    alignas(64) float d[kPanelPoints];
#pragma GCC unroll 16
    for (int i = 0; i < kFloatParts; ++i) store(d + i * width<float>, splat(t.from) - sum[q][i]);
    const index self = t.self[first + q], at = p * kPanelPoints;
    if (t.part)
      for (int l = 0; l < kPanelPoints; l += width<double>) {
        const IntPart part = *reinterpret_cast<const IntPartUnaligned*>(t.part + at + l);
        const FloatPart far = FloatPart{} + __builtin_inff();
        store_part(d + l, part == IntPart{} + t.own[first + q] ? far : load_part(d + l));
      }
    if (self / kPanelPoints == p) d[self % kPanelPoints] = __builtin_inff();
    for (index l = t.count - at; l < kPanelPoints; ++l) d[l] = __builtin_inff();
    buckets[first + q].see(p, d);
  }
}

inline void near_means(const NearMeansTask& task) {
  const NearMeansTask t = task;  // a store could otherwise have changed the task
  Buckets buckets[kClusterQueries];
  for (index q = 0; q < t.queries; ++q) buckets[q].clear();
  for (index p = 0; p * kPanelPoints < t.count; ++p) {
    index q = 0;
    for (; q + kFloatsSideBySide <= t.queries; q += kFloatsSideBySide)
      near_panel_of_means<kFloatsSideBySide>(t, q, p, buckets);
    for (; q < t.queries; ++q) near_panel_of_means<1>(t, q, p, buckets);
  }
  for (index q = 0; q < t.queries; ++q)
    t.beyond[q] = buckets[q].list(nullptr, t.keep, t.distance + q * t.keep, t.nearest + q * t.keep);
}

}  // namespace coterie::COTERIE_ISA
