// Which components may matter for a panel of rows, by what a pass before has found.
//
// For diagonal T, |T (x - m)| = d becomes d' under the next parameters, with
//
//   min_f (T'_f / T_f) (d - |T (m' - m)|) <= d' <= max_f (T'_f / T_f) (d + |T (m' - m)|)
//
// so that few numbers a panel tell, without another look at any row, that most components stay out
// of reach (Elkan, ICML 2003, for k-means). Where one component alone has all rows of a panel, its
// line holds the least of d_c^2 - d_owner^2 for each other c, which tells more than the least d_c
// and the largest d_owner; the line of any other panel holds the least d_c.
#pragma once
#include "../table.hpp"
#include "blocking.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
using Panel = Vec<T>[NV];

constexpr std::int32_t kNowhere = INT32_MIN;
// active[c]: the last panel in whose reach component c was, or ~ the last where it was given up.
template <class T>
COTERIE_INLINE bool looked_at(const MixtureTask<T>& t, index c, index panel) {
  return t.active[c] == panel || t.active[c] == ~panel;
}

constexpr float kTrim = 2e-6F;  // several roundings of a float
constexpr float kFar = 1e30F;   // a gap that no pass uses up

// The same bounds under this pass's parameters. A panel whose owner need not have all its rows any
// longer is marked; its line stays.
//
// Let d and o be a row's distances from c and from the owner, g <= d^2 - o^2 and o <= r. Then
// d'^2 - o'^2 >= a^2 d^2 - 2 a s d - (b o + f)^2, with a <= 1 <= b, a d - s and b o + f as above,
// is least for d^2 = g + o^2, as long as a^2 g >= s^2, and then for o = r.
template <class T>
void carry_bounds(const CarryTask& t) {
  constexpr int w = width<float>;
  const PanelBounds b = t.bounds;
  for (index p = 0; p < t.n_panels; ++p) {
    float* line = b.lines + p * b.stride;
    const std::int32_t owner = b.owner[p];
    if (owner < 0) {
      for (index c = 0; c < b.stride; c += w)
        store(line + c,
              higher(load(t.ratio + c) * load(line + c) - load(t.step + c), Vec<float>{}));
      continue;
    }
    const float before = b.radius[p], now = (t.grow[owner] * before + t.far[owner]) * (1 + kTrim);
    const Vec<float> was = splat(before * before), is = splat(now * now),
                     own = splat(b.constants[owner]), one = splat(1.0F);
    unsigned doubt = 0;
    for (index c = 0; c < b.stride; c += w) {
      const Vec<float> gap = load(line + c), a = lower(load(t.ratio + c), one),
                       s = load(t.step + c), square = higher(gap + was, Vec<float>{}),
                       at_least = a * a * square - splat(2.0F) * a * s * square_roots(square) -
                                  splat(kTrim) * square - is;
      doubt |=
          not_at_least(at_least, load(b.own_reach + c) - own) | not_at_least(a * a * gap, s * s);
      store(line + c, at_least);
    }
    b.radius[p] = now;
    if (doubt) b.owner[p] = -2 - owner;
  }
}

template <class T>
COTERIE_INLINE Vec<T> lowest_of(const Panel<T>& v) {
  Vec<T> least = v[0];
#pragma GCC unroll 8
  for (int i = 1; i < NV; ++i) least = lower(least, v[i]);
  return least;
}

template <class T>
COTERIE_INLINE T least_lane(Vec<T> v) {
  T least = v[0];
  for (int l = 1; l < width<T>; ++l) least = v[l] < least ? v[l] : least;
  return least;
}

// Notes what a look at component c has found. first: what the first look found, scaled as all are.
template <class T>
COTERIE_INLINE void note_squares(const MixtureTask<T>& t, index c, const Panel<T>& squares,
                                 bool is_first, Panel<T>& first) {
  const Vec<T> unit = splat(T(-2)) * broadcast(t.scale + c);
  Panel<T> scaled, gaps;
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) {
    scaled[i] = unit * squares[i];
    if (is_first) first[i] = scaled[i];
    gaps[i] = scaled[i] - first[i];
  }
  store(t.bounds.squares + c * width<T>, lowest_of<T>(scaled));
  store(t.bounds.gaps + c * width<T>, lowest_of<T>(gaps));
}

// Appends to `list` (of `count`) whatever has not been looked at and is not proven to be out of
// reach. top: the rows' highest logits so far. Returns the new count.
template <class T>
COTERIE_INLINE index list_doubtful(const MixtureTask<T>& t, index panel, const Panel<T>& top,
                                   std::int32_t* list, index count) {
  const GaussBounds<T>& b = t.bounds;
  const index id = b.ids[panel];
  const float* line = b.lines + id * b.stride;
  const bool owned = b.owner[id] < -1;
  const Vec<float> limit =
      splat(owned ? b.constants[-2 - b.owner[id]] : 2 * float(least_lane<T>(lowest_of<T>(top))));
  for (index c = 0; c < t.k; c += width<float>) {
    const Vec<float> at = load(line + c);
    unsigned bits = owned ? not_at_least(at, load(b.own_reach + c) - limit)
                          : not_at_least(limit, load(b.reach + c) - at * at);
    for (; bits != 0; bits &= bits - 1) {
      const index other = c + __builtin_ctz(bits);
      if (other < t.k && !looked_at(t, other, panel)) list[count++] = std::int32_t(other);
    }
  }
  return count;
}

// The least of each vector noted for the components of `list`, as floats.
template <class T>
COTERIE_INLINE void least_of(const T* noted, const std::int32_t* list, index count, float* out) {
  constexpr int w = width<T>;
  for (index g = 0; g < count; g += w) {
    Vec<T> group[w];
    for (int i = 0; i < w; ++i) group[i] = load(noted + list[g + i < count ? g + i : g] * w);
    store_float(out + g, lower(lowest_lanes<T>(group), splat(T(1e37))));
  }
}

// The panel's bounds, and its owner, if it has one. list: the components that were looked at.
template <class T>
COTERIE_INLINE void note_bounds(const MixtureTask<T>& t, index panel, const Panel<T>& first,
                                const std::int32_t* list, index count) {
  constexpr int w = width<float>;
  const GaussBounds<T>& b = t.bounds;
  const index id = b.ids[panel], owner = list[0];
  float *line = b.lines + id * b.stride, *squares = b.found, *gaps = squares + t.k + width<T>;
  const bool had_owner = b.owner[id] < -1;
  least_of(b.squares, list, count, squares);
  least_of(b.gaps, list, count, gaps);
  Panel<T> less;
  for (int i = 0; i < NV; ++i) less[i] = -first[i];
  const float far = -float(least_lane<T>(lowest_of<T>(less))) * (1 + kTrim),
              rounding = kTrim + float(t.depth + 8) * (sizeof(T) == 4 ? 1.2e-7F : 2.3e-16F);
  bool owned = true;
  for (index i = 1; i < count; ++i) {
    gaps[i] -= rounding * ((gaps[i] < 0 ? -gaps[i] : gaps[i]) + 2 * far);
    owned &= gaps[i] > b.own_reach[list[i]] - b.constants[owner];
  }
  b.owner[id] = owned ? std::int32_t(owner) : -1;
  b.radius[id] = square_root(far);
  // What was not looked at is out of reach by what the line says.
  for (index c = 0; c < b.stride && owned != had_owner; c += w) {
    const Vec<float> at = load(line + c);
    store(line + c, owned ? at * at - splat(far) : square_roots(higher(at, Vec<float>{})));
  }
  for (index i = 0; i < count; ++i) line[list[i]] = owned ? gaps[i] : square_root(squares[i]);
  if (owned) line[owner] = kFar;
}

}  // namespace coterie::COTERIE_ISA
