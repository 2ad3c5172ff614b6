// How far a few clusters are from many, by the greatest or the mean distance of members, in float64
// and with nothing contracted: the same bits on every ISA. Clusters stand as in near_clusters.hpp.
#pragma once
#include "near_clusters.hpp"

namespace coterie::COTERIE_ISA {

// A metric as see_panel wants it.
template <class Metric, bool root>
struct Exact {
  COTERIE_INLINE static void fuse(Vec<double>& s, Vec<double> a, Vec<double> b) {
    Metric::add(s, a, b);
  }
  COTERIE_INLINE static Group below(Group sum, index) {
    if constexpr (__is_same(Metric, Cosine)) sum = Cosine::from_one(sum);
#pragma GCC unroll 16
    for (int i = 0; root && i < kPanelParts; ++i) sum.v[i] = square_roots(sum.v[i]);
    return sum;
  }
};

// The mean: sums over the members of the query, then over those of the lane.
struct ExactMean {
  alignas(64) double sum[kClusterQueries * kPanelPoints];
  alignas(64) double part[kClusterQueries * kPanelPoints];  // of a panel

  COTERIE_INLINE void clear(index queries) {
    for (index i = 0; i < queries * kPanelPoints; i += width<double>)
      store(sum + i, Vec<double>{}), store(part + i, Vec<double>{});
  }
  COTERIE_INLINE void member(index q, float share, const Group& d) {
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) {
      double* at = part + q * kPanelPoints + i * width<double>;
      store(at, load(at) + d.v[i] * splat(double(share)));
    }
  }
  COTERIE_INLINE void panel(index queries, const float* share) {
    for (index q = 0; q < queries; ++q)
#pragma GCC unroll 16
      for (int i = 0; i < kPanelParts; ++i) {
        const index at = q * kPanelPoints + i * width<double>;
        store(sum + at,
              load(sum + at) + load(part + at) * to_double(load_part(share + i * width<double>)));
        store(part + at, Vec<double>{});
      }
  }
  COTERIE_INLINE Group of(index q) const { return load_group(sum + q * kPanelPoints); }
  COTERIE_INLINE static double fold(double a, double b) { return a + b; }
};

// out: queries x groups x 16; the cluster of a group that has one is in its lane 0.
template <class Metric, bool root, class Fold>
void cluster_lines(const ClusterTask& task, double* out) {
  const ClusterTask t = task;  // a store could otherwise have changed the task
  const double* panel = t.panels;
  const float* share = t.share;
  Fold fold;
  for (index g = 0; g < t.groups; ++g) {
    fold.clear(t.queries);
    for (index h = 0; h < t.height[g]; ++h) {
      see_panel<Exact<Metric, root>>(t, panel, fold);
      fold.panel(t.queries, share);
      panel += kPanelPoints * t.depth;
      share += kPanelPoints;
    }
    for (index q = 0; q < t.queries; ++q) {
      double* to = out + (q * t.groups + g) * kPanelPoints;
      store_group(to, fold.of(q));
      for (int l = 1; g >= t.tall && l < kPanelPoints; ++l) to[0] = Fold::fold(to[0], to[l]);
    }
  }
}

}  // namespace coterie::COTERIE_ISA
