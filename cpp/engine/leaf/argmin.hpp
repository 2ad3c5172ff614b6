// Argmin epilogue: what the kernels share.
//
// For every row: best score, its column, and the runner-up's score, lowest index first on equal
// scores. The runner-up is what makes the answer certain: a row whose two best scores lie within the
// rounding error of the kernel is listed, and decided elsewhere from float64 differences.
//
// With rows in lanes the column costs one operation a score instead of two, and no register: its number
// within a group of at most 64 columns replaces the score's lowest 6 bits, and best and runner-up then
// need a minimum, a maximum and a minimum. The bits lost widen the tie band (engine/nearest.cpp), nothing
// else.
#pragma once
#include "../table.hpp"
#include "blocking.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
constexpr T huge = sizeof(T) == 4 ? T(3e38) : T(1e308);  // worse than any score, yet no infinity

template <class T>
struct Best {
  Vec<T> best, second;
  VecInt<T> column;
};

template <class T>
COTERIE_INLINE Best<T> no_best() {
  return {splat(huge<T>), splat(huge<T>), VecInt<T>{}};
}

constexpr int kGroup = 64;  // columns that share the tag space of 6 bits

struct Tags {
  std::int32_t i32[kGroup];
  std::int64_t i64[kGroup];
};
constexpr Tags make_tags() {
  Tags t{};
  for (int j = 0; j < kGroup; ++j) t.i32[j] = j, t.i64[j] = j;
  return t;
}
constexpr Tags kTags = make_tags();
COTERIE_INLINE const std::int32_t* tags(float) { return kTags.i32; }
COTERIE_INLINE const std::int64_t* tags(double) { return kTags.i64; }

// Best and runner-up of the columns of one group, the column in the best's lowest bits.
template <class T>
struct GroupBest {
  Vec<T> best, second;
};

// One more column's scores: four operations a vector.
template <class T>
COTERIE_INLINE void offer_tagged(GroupBest<T>& g, Vec<T> score, VecInt<T> tag) {
  const Vec<T> s = tagged(score, splat(Int<T>(~Int<T>(kGroup - 1))), tag);
  g.second = lower(g.second, higher(g.best, s));
  g.best = lower(g.best, s);
}

// A finished group, whose first column is `first`, joins the result.
template <class T>
COTERIE_INLINE void merge_group(Best<T>& r, const GroupBest<T>& g, index first) {
  const VecInt<T> column = ((VecInt<T>)g.best & splat(Int<T>(kGroup - 1))) + splat(Int<T>(first));
  r.second = lower(lower(r.second, g.second), higher(r.best, g.best));
  r.column = select_less(g.best, r.best, column, r.column);
  r.best = lower(g.best, r.best);
}

// The same without tags, where columns stand in lanes: five operations a vector.
template <class T>
COTERIE_INLINE void offer(Best<T>& b, Vec<T> score, VecInt<T> column) {
  b.second = lower(b.second, higher(b.best, score));
  b.column = select_less(score, b.best, column, b.column);
  b.best = lower(score, b.best);
}

// Labels of `width` rows starting at `first`, and those near a tie. Returns the new length of near.
template <class T>
COTERIE_INLINE index decide(const ArgminTask<T>& t, const Best<T>& b, Vec<T> sq_norms, index first,
                            index listed) {
  constexpr int w = width<T>;
  const index count = t.rows - first < w ? t.rows - first : w;
  if (count == w) store_int32(t.labels + first, b.column);
  else
    for (index r = 0; r < count; ++r) t.labels[first + r] = std::int32_t(b.column[r]);
  const Vec<T> gap = b.second - b.best;
  const Vec<T> band = (sq_norms * T(10) + b.best * T(8)) * t.band + t.floor;
  if (any_not_greater(gap, band)) {
    for (index r = 0; r < count; ++r)
      if (!(gap[r] > band[r])) t.near[listed++] = std::int32_t(first + r);
  }
  return listed;
}

}  // namespace coterie::COTERIE_ISA
