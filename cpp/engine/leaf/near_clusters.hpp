// The clusters nearest to a cluster by the greatest or the mean distance of members: a filter in
// front of exact distances.
//
// Members are compared in float64 with fused operations, what comes of it is rounded to float32.
// Sixteen clusters stand in lanes, a panel of points holding one member of each; clusters of fewer
// members than their neighbours repeat one (of share zero, which neither the greatest nor the mean
// minds). A cluster of many members may have all lanes of a group.
//
// Every value is within (members of the query + 16) 2^-23 of itself, and the rounding of its
// metric, of the distance that is meant; the lists are those of these values.
#pragma once
#include "buckets.hpp"

namespace coterie::COTERIE_ISA {

// What has been seen of the clusters of a group, by each query: the greatest distance.
struct Farthest {
  alignas(64) double far[kClusterQueries * kPanelPoints];

  COTERIE_INLINE void clear(index queries) {
    for (index i = 0; i < queries * kPanelPoints; i += width<double>) store(far + i, Vec<double>{});
  }
  COTERIE_INLINE void member(index q, float, const Group& d) {
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) {
      double* at = far + q * kPanelPoints + i * width<double>;
      store(at, higher(load(at), d.v[i]));
    }
  }
  COTERIE_INLINE void panel(index, const float*) {}
  COTERIE_INLINE Group of(index q) const { return load_group(far + q * kPanelPoints); }
  template <class T>
  COTERIE_INLINE static T fold(T a, T b) {
    return a > b ? a : b;
  }
};

// The mean distance.
template <bool root>
struct Mean {
  alignas(64) double sum[kClusterQueries * kPanelPoints];
  alignas(64) float part[kClusterQueries * kPanelPoints];  // of a panel

  COTERIE_INLINE void clear(index queries) {
    for (index i = 0; i < queries * kPanelPoints; i += width<double>) {
      store(sum + i, Vec<double>{});
      store_part(part + i, FloatPart{});
    }
  }
  COTERIE_INLINE void member(index q, float share, const Group& d) {
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) {
      float* at = part + q * kPanelPoints + i * width<double>;
      const FloatPart v = to_float(d.v[i]);
      store_part(at, load_part(at) + (root ? square_roots(v) : v) * share);
    }
  }
  COTERIE_INLINE void panel(index queries, const float* share) {
    for (index q = 0; q < queries; ++q)
#pragma GCC unroll 16
      for (int i = 0; i < kPanelParts; ++i) {
        const index at = q * kPanelPoints + i * width<double>;
        store(sum + at, load(sum + at) +
                            to_double(load_part(part + at) * load_part(share + i * width<double>)));
        store_part(part + at, FloatPart{});
      }
  }
  COTERIE_INLINE Group of(index q) const { return load_group(sum + q * kPanelPoints); }
  COTERIE_INLINE static float fold(float a, float b) { return a + b; }
};

template <class Metric, class Fold>
COTERIE_INLINE void see_panel(const ClusterTask& t, const double* panel, Fold& fold) {
  index m = 0;
  for (; m + kSideBySide <= t.members; m += kSideBySide) {
    const double* x[kSideBySide];
    Group sums[kSideBySide];
    for (int s = 0; s < kSideBySide; ++s) x[s] = t.x + (m + s) * t.depth;
    fused_sums<Metric>(x, panel, t.depth, sums);
#pragma GCC unroll 4
    for (int s = 0; s < kSideBySide; ++s)
      fold.member(t.query[m + s], t.x_share[m + s], Metric::below(sums[s], t.depth));
  }
  for (; m < t.members; ++m)
    fold.member(t.query[m], t.x_share[m], fused_screen<Metric>(t.x + m * t.depth, panel, t.depth));
}

template <class Metric, class Fold>
void near_clusters(const NearClustersTask& task) {
  const NearClustersTask t = task;  // a store could otherwise have changed the task
  const double* panel = t.panels;
  const float* share = t.share;
  Fold fold;
  Buckets buckets[kClusterQueries];
  for (index q = 0; q < t.queries; ++q) buckets[q].clear();
  for (index g = 0; g < t.groups; ++g) {
    fold.clear(t.queries);
    for (index h = 0; h < t.height[g]; ++h) {
      see_panel<Metric>(t, panel, fold);
      fold.panel(t.queries, share);
      panel += kPanelPoints * t.depth;
      share += kPanelPoints;
    }
    for (index q = 0; q < t.queries; ++q) {
      const Group seen = fold.of(q);
      float d[kPanelPoints];
#pragma GCC unroll 16
      for (int i = 0; i < kPanelParts; ++i) store_part(d + i * width<double>, to_float(seen.v[i]));
      if (g + 1 >= t.tall || g == t.self_group[q]) {
        for (int l = 1; g >= t.tall && l < kPanelPoints; ++l) d[0] = Fold::fold(d[0], d[l]);
        for (int l = 0; l < kPanelPoints; ++l) {
          const index slot = t.slots[g * kPanelPoints + l];
          if (slot < 0 || slot == t.self[q]) d[l] = __builtin_inff();
        }
      }
      buckets[q].see<FloatPart>(g, d);
    }
  }
  for (index q = 0; q < t.queries; ++q)
    t.beyond[q] = buckets[q].list(t.slots, t.keep, t.distance + q * t.keep, t.nearest + q * t.keep);
}

}  // namespace coterie::COTERIE_ISA
