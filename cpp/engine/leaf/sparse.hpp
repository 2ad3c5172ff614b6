// Sparse rows against panels of vectors, and what stands above a threshold; float64.
//
// Products and sums are rounded one by one and run in the order of a row's entries, so every ISA
// has the same bits; entries that a panel lacks would add a zero and are left out.
#pragma once
#include "../sparse_table.hpp"
#include "exact.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kPanelVectors = 4;  // enough sums side by side to hide an addition's latency
constexpr int kPanelLanes = kPanelVectors * width<double>;

template <class T>
std::int64_t panel_hit(const PanelTask<T>& t, index first, index last, double* sums,
                       std::uint32_t* hits) {
  constexpr int w = width<double>;
  Vec<double> slope[kPanelVectors], floor[kPanelVectors];
  for (int i = 0; i < kPanelVectors; ++i)
    slope[i] = load(t.lane_slope + i * w), floor[i] = load(t.lane_floor + i * w);
  const std::int32_t *const slot = t.slot, *const column = t.column;
  const double* const panel = t.panel;
  for (index r = first; r < last; ++r) {
    Vec<double> sum[kPanelVectors] = {};
    const double factor = t.factor[r];
    for (index e = t.start[r], end = t.start[r + 1]; e < end; ++e) {
      const index line = slot ? slot[column[e]] : column[e];
      if (slot && line == 0) continue;
      const Vec<double> value = splat(double(t.value[e]) * factor);
      const double* at = panel + line * kPanelLanes;
#pragma GCC unroll 4
      for (int i = 0; i < kPanelVectors; ++i) sum[i] += value * load(at + i * w);
    }
    const Vec<double> level = splat(t.row_level[r]), more = splat(t.row_floor[r]);
    std::uint32_t found = 0;
#pragma GCC unroll 4
    for (int i = 0; i < kPanelVectors; ++i)
      found |= std::uint32_t(not_at_least(slope[i] * level + (floor[i] + more), sum[i])) << i * w;
    if (found == 0) continue;
    for (int i = 0; i < kPanelVectors; ++i) store(sums + i * w, sum[i]);
    *hits = found;
    return r;
  }
  return last;
}

template <class T>
void add_line(double* __restrict sums, const T* __restrict line, double factor, index count) {
  constexpr int w = width<double>;
  const Vec<double> f = splat(factor);
  index i = 0;
  for (; i + w <= count; i += w) store(sums + i, load(sums + i) + f * as_double(line + i));
  for (; i < count; ++i) sums[i] += factor * double(line[i]);
}

inline std::int64_t first_above(const double* sums, const double* level, double slope, double floor,
                                index first, index count) {
  constexpr int w = width<double>;
  const Vec<double> s = splat(slope), f = splat(floor);
  index i = first;
  for (; i + 2 * w <= count; i += 2 * w) {
    const unsigned low = not_at_least(s * load(level + i) + f, load(sums + i));
    const unsigned high = not_at_least(s * load(level + i + w) + f, load(sums + i + w));
    if (const unsigned both = low | high << w) return i + __builtin_ctz(both);
  }
  for (; i < count; ++i)
    if (sums[i] > slope * level[i] + floor) return i;
  return count;
}

}  // namespace coterie::COTERIE_ISA
