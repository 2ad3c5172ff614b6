// One point against many in float32, for those that are few to be decided in float64: the nearest,
// or who is near enough. Values are those of tree_step.hpp.
#pragma once
#include "tree_step.hpp"

namespace coterie::COTERIE_ISA {

// f(place, values) for the values of each of P panels.
template <int P, class F>
COTERIE_INLINE void center_panels(const CenterTask& t, index at, const F& f) {
  Vec<float> sum[P][kFloatParts];
  tree_values<StepSquare, P>(t.x, t.panels + at * t.depth, t.depth, sum);
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) f(at + p * kPanelPoints, sum[p]);
}
template <class F>
COTERIE_INLINE void center_values(const CenterTask& t, const F& f) {
  index at = 0;
  for (; at + kTogether * kPanelPoints <= t.count; at += kTogether * kPanelPoints)
    center_panels<kTogether>(t, at, f);
  for (; at < t.count; at += kPanelPoints) center_panels<1>(t, at, f);
}

// values: of all of them, whole panels.
TreeNearest center_nearest(const CenterTask& task, float* values) {
  const CenterTask t = task;  // a store could otherwise have changed the task
  LeastTwo seen;
  center_values(
      t, [&](index at, const Vec<float>(&v)[kFloatParts]) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int i = 0; i < kFloatParts; ++i) {
          store(values + at + i * width<float>, v[i]);
          seen.see(v[i], std::int32_t(at + i * width<float>));
        }
      });
  return seen.of_all();
}

// The panels in which a point is as near as its reach; returns how many.
index center_within(const CenterTask& task, const float* reach, std::int32_t* found) {
  const CenterTask t = task;
  index count = 0;
  center_values(
      t, [&](index at, const Vec<float>(&v)[kFloatParts]) __attribute__((always_inline)) {
        bool some = false;
#pragma GCC unroll 16
        for (int i = 0; i < kFloatParts; ++i)
          some |= any_not_greater(v[i], load(reach + at + i * width<float>));
        found[count] = std::int32_t(at / kPanelPoints);
        count += some;
      });
  return count;
}

}  // namespace coterie::COTERIE_ISA
