// Argmin epilogue: what the three kernels (tile, rows, low) share.
//
// For every row: best score, its column, and the runner-up's score, lowest index first on equal
// scores. The runner-up is what makes the answer certain: a row whose two best scores lie within the
// rounding error of the kernel is listed, and decided elsewhere from float64 differences.
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

// One more column's scores: five operations a vector.
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
