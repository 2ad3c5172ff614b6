// The clusters nearest to a cluster by the greatest or the mean distance of members: a filter in
// front of exact distances.
//
// Members are compared in float64 with fused operations, what comes of it is rounded to float32.
// Sixteen clusters stand in lanes, a panel of points holding one member of each; clusters of fewer
// members than their neighbours repeat one (of share zero, which neither the greatest nor the mean
// minds). A cluster of many members may have all lanes of a group.
//
// Every value is within (members of the query + 16) 2^-23 of itself, and the rounding of its metric,
// of the distance that is meant; the lists are those of these values.
#pragma once
#include "../linkage_table.hpp"
#include "pairs.hpp"

namespace coterie::COTERIE_ISA {

COTERIE_INLINE FloatPart to_float(Vec<double> v) { return __builtin_convertvector(v, FloatPart); }
COTERIE_INLINE Vec<double> to_double(FloatPart v) {
  return __builtin_convertvector(v, Vec<double>);
}
COTERIE_INLINE FloatPart load_part(const float* p) {
  return *reinterpret_cast<const FloatPartUnaligned*>(p);
}
COTERIE_INLINE void store_part(float* p, FloatPart v) {
  *reinterpret_cast<FloatPartUnaligned*>(p) = v;
}

// What has been seen of the clusters of a group, by each query: the greatest distance.
struct Farthest {
  alignas(64) double far[kClusterQueries * kPanelPoints];

  COTERIE_INLINE void clear(index queries) {
    for (index i = 0; i < queries * kPanelPoints; i += width<double>)
      store(far + i, Vec<double>{});
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
  COTERIE_INLINE static float fold(float a, float b) { return a > b ? a : b; }
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
        store(sum + at, load(sum + at) + to_double(load_part(part + at) *
                                                   load_part(share + i * width<double>)));
        store_part(part + at, FloatPart{});
      }
  }
  COTERIE_INLINE Group of(index q) const { return load_group(sum + q * kPanelPoints); }
  COTERIE_INLINE static float fold(float a, float b) { return a + b; }
};

// By query and bucket, which takes each kBuckets-th group and one lane of it: the least value, whose
// it is, and the least value but one. Without branches, and the few least of all values seldom share
// a bucket: all below the least of the second values are told.
constexpr int kBuckets = 4;
typedef std::int32_t IntPart __attribute__((vector_size(width<double> * 4)));
typedef std::int32_t IntPartUnaligned
    __attribute__((vector_size(width<double> * 4), aligned(4), may_alias));

struct Buckets {
  alignas(64) float least[kBuckets * kPanelPoints];
  alignas(64) float second[kBuckets * kPanelPoints];
  alignas(64) std::int32_t group[kBuckets * kPanelPoints];

  void clear() {
    for (int b = 0; b < kBuckets * kPanelPoints; ++b)
      least[b] = second[b] = __builtin_inff(), group[b] = -1;
  }
  COTERIE_INLINE void see(index g, const float* values) {
    const int at = int(g % kBuckets) * kPanelPoints;
    for (int l = at; l < at + kPanelPoints; l += width<double>) {
      const FloatPart v = load_part(values + (l - at)), low = load_part(least + l),
                      next = load_part(second + l);
      const IntPart whose = *reinterpret_cast<IntPartUnaligned*>(group + l);
      const FloatPart other = v < low ? low : v;
      store_part(second + l, other < next ? other : next);
      store_part(least + l, v < low ? v : low);
      *reinterpret_cast<IntPartUnaligned*>(group + l) = v < low ? IntPart{} + int(g) : whose;
    }
  }
  // The list of a query, ascending; returns what is not in it is at least.
  float list(const NearClustersTask& t, float* distance, index* nearest) const {
    constexpr int size = kBuckets * kPanelPoints;
    float low[kPanelPoints], beyond = __builtin_inff();
    for (int l = 0; l < kPanelPoints; ++l) low[l] = beyond;
    for (int b = 0; b < size; b += kPanelPoints)
      for (int l = 0; l < kPanelPoints; ++l) low[l] = second[b + l] < low[l] ? second[b + l] : low[l];
    for (int l = 0; l < kPanelPoints; ++l) beyond = low[l] < beyond ? low[l] : beyond;
    int listed[size], all = 0;
    for (int b = 0; b < size; ++b) {
      listed[all] = b;
      all += least[b] < beyond;
    }
    index count = 0;
    for (int i = 0; i < all; ++i) {
      const float v = least[listed[i]];
      if (count == t.keep) {  // the farthest is dropped
        const float last = distance[count - 1];
        beyond = v < last ? last : v < beyond ? v : beyond;
        if (!(v < last)) continue;
        --count;
      }
      index to = count++;
      for (; to > 0 && distance[to - 1] > v; --to)
        distance[to] = distance[to - 1], nearest[to] = nearest[to - 1];
      distance[to] = v;
      nearest[to] = t.slots[group[listed[i]] * kPanelPoints + listed[i] % kPanelPoints];
    }
    return beyond;
  }
};

template <class Metric, class Fold>
COTERIE_INLINE void see_panel(const NearClustersTask& t, const double* panel, Fold& fold) {
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
    fold.member(t.query[m], t.x_share[m],
                fused_screen<Metric>(t.x + m * t.depth, panel, t.depth));
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
      buckets[q].see(g, d);
    }
  }
  for (index q = 0; q < t.queries; ++q)
    t.beyond[q] = buckets[q].list(t, t.distance + q * t.keep, t.nearest + q * t.keep);
}

}  // namespace coterie::COTERIE_ISA
