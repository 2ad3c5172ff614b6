// Which components may matter for a panel of rows, by what a pass before has found.
//
// If |T (x - m)| >= b for all rows of a panel, then under the next parameters
//
//   |T' (x - m')| >= min_f (T'_f / T_f) (b - |T (m' - m)|)
//
// for diagonal T: with few numbers a panel, most components stay out of reach without another look
// at any row (Elkan, ICML 2003, for k-means). Rows may change panels in between: a panel's bound is
// the least of those its rows come with.
#pragma once
#include "../table.hpp"
#include "blocking.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
using Panel = Vec<T>[NV];

template <class T>
COTERIE_INLINE Vec<T> lowest_of(const Panel<T>& v) {
  Vec<T> least = v[0];
#pragma GCC unroll 8
  for (int i = 1; i < NV; ++i) least = lower(least, v[i]);
  return least;
}

// Notes what a look at component c has found.
template <class T>
COTERIE_INLINE void note_squares(const MixtureTask<T>& t, index c, const Panel<T>& squares) {
  if (t.bounds.after) store(t.bounds.squares + c * width<T>, lowest_of<T>(squares));
}

// Carries the panel's bounds on to these parameters, and appends to `list` (of `count`) whatever is
// not proven to be out of reach. top: the rows' highest logits so far. Returns the new count.
template <class T>
COTERIE_INLINE index list_doubtful(const MixtureTask<T>& t, index panel, const Panel<T>& top,
                                   std::int32_t* list, index count) {
  const GaussBounds<T>& b = t.bounds;
  const std::int32_t* from = b.from + panel * MR<T>;
  const float* lines[MR<T>] = {b.before + from[0] * b.stride};
  index n_lines = 1;
  for (index r = 1; r < MR<T>; ++r)
    if (from[r] != from[r - 1]) lines[n_lines++] = b.before + from[r] * b.stride;
  const Vec<T> tops = lowest_of<T>(top);
  T least_top = tops[0];
  for (int l = 1; l < width<T>; ++l) least_top = tops[l] < least_top ? tops[l] : least_top;
  const Vec<float> limit = splat(float(least_top));
  const index first = list[0], second = list[count - 1];
  for (index c = 0; c < t.k; c += width<float>) {
    Vec<float> least = load(lines[0] + c);
    for (index l = 1; l < n_lines; ++l) least = lower(least, load(lines[l] + c));
    const Vec<float> bound = higher(load(b.ratio + c) * least - load(b.step + c), Vec<float>{});
    store(b.after + panel * b.stride + c, bound);
    const Vec<float> logit = madd(load(b.scale + c) * bound, bound, load(b.reach + c));
    for (unsigned bits = not_at_least(limit, logit); bits != 0; bits &= bits - 1) {
      const index at = c + __builtin_ctz(bits);
      if (at < t.k && at != first && at != second) list[count++] = std::int32_t(at);
    }
  }
  return count;
}

// The panel's bounds for the components that were looked at.
template <class T>
COTERIE_INLINE void note_bounds(const MixtureTask<T>& t, index panel, const std::int32_t* list,
                                index count) {
  constexpr int w = width<T>;
  float* after = t.bounds.after + panel * t.bounds.stride;
  for (index g = 0; g < count; g += w) {
    Vec<T> group[w];
    for (int i = 0; i < w; ++i)
      group[i] = load(t.bounds.squares + list[g + i < count ? g + i : g] * w);
    float least[w];
    store_float(least, lower(lowest_lanes<T>(group), splat(T(1e37))));
    for (int i = 0; i < w; ++i) least[i] = square_root(least[i]);
    for (int i = 0; i < w && g + i < count; ++i) after[list[g + i]] = least[i];
  }
}

}  // namespace coterie::COTERIE_ISA
