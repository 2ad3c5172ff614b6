// Lists of the least of many values that come sixteen at a time, in float32.
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

// By query and bucket, which takes each kBuckets-th group and one lane of it: the least value,
// whose it is, and the least value but one. Without branches, and the few least of all values
// seldom share a bucket: all below the least of the second values are told.
constexpr int kBuckets = 4;

struct Buckets {
  alignas(64) float least[kBuckets * kPanelPoints];
  alignas(64) float second[kBuckets * kPanelPoints];
  alignas(64) std::int32_t group[kBuckets * kPanelPoints];

  void clear() {
    for (int b = 0; b < kBuckets * kPanelPoints; ++b)
      least[b] = second[b] = __builtin_inff(), group[b] = -1;
  }
  // V: as values come, so that none is read that a narrower store has just written.
  template <class V>
  COTERIE_INLINE void see(index g, const float* values) {
    typedef V Values __attribute__((aligned(4), may_alias));
    for (int l = 0; l < kPanelPoints; l += int(sizeof(V) / sizeof(float)))
      see(g, l, V(*reinterpret_cast<const Values*>(values + l)));
  }
  // Those from lane l on.
  template <class V>
  COTERIE_INLINE void see(index g, int l, V v) {
    typedef decltype(v < v) Mask;
    l += int(g % kBuckets) * kPanelPoints;
    V &lowest = *reinterpret_cast<V*>(least + l), &next = *reinterpret_cast<V*>(second + l);
    Mask& whose = *reinterpret_cast<Mask*>(group + l);
    const V low = lowest, other = v < low ? low : v;
    next = other < next ? other : next;
    lowest = v < low ? v : low;
    whose = v < low ? Mask{} + int(g) : whose;
  }
  // The list of a query, ascending; returns what is not in it is at least. slots: whose the lanes
  // of groups are; null: their numbers.
  float list(const index* slots, index keep, float* distance, index* nearest) const {
    constexpr int size = kBuckets * kPanelPoints;
    float low[kPanelPoints], beyond = __builtin_inff();
    for (int l = 0; l < kPanelPoints; ++l) low[l] = beyond;
    for (int b = 0; b < size; b += kPanelPoints)
      for (int l = 0; l < kPanelPoints; ++l)
        low[l] = second[b + l] < low[l] ? second[b + l] : low[l];
    for (int l = 0; l < kPanelPoints; ++l) beyond = low[l] < beyond ? low[l] : beyond;
    int listed[size], all = 0;
    for (int b = 0; b < size; ++b) {
      listed[all] = b;
      all += least[b] < beyond;
    }
    alignas(64) float v[size];
    alignas(64) std::int32_t rank[size];
    for (int i = 0; i < size; ++i) v[i] = i < all ? least[listed[i]] : __builtin_inff();
    for (int i = 0; i < all; i += width<float>) store(rank + i, ranks(v, all, i));
    for (int i = 0; i < all; ++i) {
      if (rank[i] == keep) beyond = v[i];  // the least of those that are dropped
      if (rank[i] >= keep) continue;
      distance[rank[i]] = v[i];
      const index lane = group[listed[i]] * kPanelPoints + listed[i] % kPanelPoints;
      nearest[rank[i]] = slots ? slots[lane] : lane;
    }
    return beyond;
  }

 private:
  // How many of v[0, all) come before v[first] and those in the lanes after it; equals by index.
  COTERIE_INLINE static VecInt<float> ranks(const float* v, int all, int first) {
    constexpr int w = width<float>;
    const Vec<float> own = load(v + first);
    const VecInt<float> one = splat(std::int32_t(1)), zero{};
    VecInt<float> rank{}, number{};
    for (int l = 0; l < w; ++l) number[l] = first + l;
    for (int j = 0; j < all; ++j) {
      const Vec<float> other = broadcast(v + j);
      const VecInt<float> equal = number > splat(std::int32_t(j)) ? one : zero;
      rank += select_less(other, own, one, select_less(own, other, zero, equal));
    }
    return rank;
  }
};

}  // namespace coterie::COTERIE_ISA
