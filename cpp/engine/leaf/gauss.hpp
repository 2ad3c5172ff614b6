// Log densities of a block of rows under k Gaussians, up to what the caller puts in `constants`:
//
//   logits(c, r) = constants_c + scale_c |T_c (x_r - mean_c)|^2
//
// with T_c lower triangular (full), diagonal, or the identity (plain). T_c mean_c is known before,
// and what it cancels is no more than was rounded off x; |T z|^2 is summed in registers, so T z is
// never stored.
#pragma once
#include "../table.hpp"
#include "explog.hpp"
#include "gauss_bounds.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

// Rows of a triangle at a time: narrower tiles than NR waste less of it (bench: gmm).
constexpr int GN = 4;

template <class T>
COTERIE_INLINE void put_logits(const MixtureTask<T>& t, index panel, index c,
                               const Panel<T>& squares, Panel<T>& top) {
  T* to = t.logits + c * t.n_panels * MR<T> + panel * MR<T>;
  const Vec<T> constant = broadcast(t.constants + c), scale = broadcast(t.scale + c);
  for (int i = 0; i < NV; ++i) {
    const Vec<T> logit = madd(scale, squares[i], constant);
    store(to + i * width<T>, logit);
    top[i] = higher(top[i], logit);
  }
}

// Is no row of the panel in reach of the best it has so far, even if nothing more were added?
template <class T>
COTERIE_INLINE bool hopeless(const MixtureTask<T>& t, index c, const Panel<T>& squares,
                             const Panel<T>& top) {
  const Vec<T> reach = broadcast(t.reach + c), scale = broadcast(t.scale + c);
  bool some = false;
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i)
    some = some || any_not_greater(top[i], madd(scale, squares[i], reach));
  return !some;
}

// |T x - T mean|^2 of one panel, GN rows of T at a time up to the diagonal. False where the
// component is given up.
template <class T>
COTERIE_INLINE bool squares_full(const MixtureTask<T>& t, const T* x, index c, const Panel<T>& top,
                                 Panel<T>& squares) {
  const T *factor = t.factors + c * t.factor_size, *offset = t.offsets + c * t.offset_size;
  for (index j = 0; j < t.depth; j += GN, offset += GN) {
    Vec<T> y[GN][NV];
#pragma GCC unroll 4
    for (int q = 0; q < GN; ++q)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) y[q][i] = broadcast(offset + q);
    leave_registers(squares);
    tile<T>(x, PanelColumns<T, GN>{factor}, j, y);
    factor += j * GN;
#pragma GCC unroll 4
    for (int p = 0; p < GN; ++p) {  // across the diagonal
      if (j + p >= t.depth) break;
#pragma GCC unroll 4
      for (int q = p; q < GN; ++q) {
        const Vec<T> entry = broadcast(factor + p * GN + q);
#pragma GCC unroll 8
        for (int i = 0; i < NV; ++i)
          y[q][i] = madd(load(x + (j + p) * MR<T> + i * width<T>), entry, y[q][i]);
      }
    }
    leave_registers(squares);
    factor += (j + GN < t.depth ? GN : t.depth - j) * GN;
#pragma GCC unroll 4
    for (int q = 0; q < GN; ++q)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) squares[i] = madd(y[q][i], y[q][i], squares[i]);
    if (j + GN < t.depth && hopeless(t, c, squares, top)) return false;
  }
  return true;
}

// The same for a diagonal (scaled) or identity T.
template <class T, bool scaled>
COTERIE_INLINE bool squares_diagonal(const MixtureTask<T>& t, const T* x, index c,
                                     const Panel<T>& top, Panel<T>& squares) {
  constexpr index kStep =
      32;  // features between two looks at the cut: one costs as much as several
  const T *means = scaled ? t.offsets + c * t.offset_size : t.means + c * t.depth,
          *factors = t.factors + (scaled ? c * t.depth : 0);
  Panel<T> other = {};  // a second chain: one would wait for itself
  const auto add = [&](index f, Panel<T> & sum) __attribute__((always_inline)) {
    const Vec<T> mean = broadcast(means + f);
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) {
      const Vec<T> xv = load(x + f * MR<T> + i * width<T>);
      const Vec<T> z = scaled ? madd(xv, broadcast(factors + f), mean) : xv - mean;
      sum[i] = madd(z, z, sum[i]);
    }
  };
  index f = 0;
  while (f + 2 <= t.depth) {
    const index end = f + kStep < t.depth ? f + kStep : t.depth;
    for (; f + 2 <= end; f += 2) {
      add(f, squares);
      add(f + 1, other);
    }
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) squares[i] += other[i], other[i] = Vec<T>{};
    if (f + 2 <= t.depth && hopeless(t, c, squares, top)) return false;
  }
  if (f < t.depth) add(f, squares);
  return true;
}

// Some more rows of the block to come, a few whenever asked: memory is slower than this block's
// work, and can be asked for so much at a time only.
template <class T>
COTERIE_INLINE void fetch_some(FetchTask<T>& t, index most) {
  index end = t.done + most;
  if (end > t.rows) end = t.rows;
  for (; t.done < end; ++t.done) {
    const T* x = t.x + (t.order ? t.order[t.done] : t.done) * t.ld;
    for (index f = 0; f < t.depth; f += 64 / index(sizeof(T))) __builtin_prefetch(x + f);
    __builtin_prefetch(x + t.depth - 1);  // a row need not begin where a line of the cache does
  }
}

// The components that were not given up, ascending; the others' responsibilities are zero.
template <class T>
COTERIE_INLINE void list_reached(const MixtureTask<T>& t, index panel) {
  std::int32_t count = 0, *list = t.reached + panel * t.k;
  for (index c = 0; c < t.k; ++c) {
    if (t.active[c] == panel) {
      list[count++] = std::int32_t(c);
      continue;
    }
    T* to = t.logits + c * t.n_panels * MR<T> + panel * MR<T>;
    for (int i = 0; i < NV; ++i) store(to + i * width<T>, Vec<T>{});
  }
  t.n_reached[panel] = count;
}

enum class Shape { full, diag, plain };

// The components to look at first, so that what follows is given up soonest.
template <class T>
COTERIE_INLINE index list_hints(const MixtureTask<T>& t, index panel) {
  if (t.hint_at == nullptr) return 0;
  const index from = t.hint_at[panel], count = t.hint_at[panel + 1] - from;
  for (index i = 0; i < count; ++i) t.turns[i] = t.hints[from + i];
  return count;
}

// The others, as far as bounds do not tell that they are out of reach.
template <class T, bool bounded>
COTERIE_INLINE index list_others(const MixtureTask<T>& t, index panel, const Panel<T>& top,
                                 index count) {
  if (bounded && t.bounds.known) return list_doubtful(t, panel, top, t.turns, count);
  for (index c = 0; c < t.k; ++c)
    if (!looked_at(t, c, panel)) t.turns[count++] = std::int32_t(c);
  return count;
}

// Every component of every panel. A component that is out of reach for a whole panel is given up
// early. bounded: bounds are kept.
template <class T, Shape shape, bool bounded>
COTERIE_INLINE void gauss(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  FetchTask<T> fetch = *t.fetch;
  const index few = bounded && t.bounds.known ? 5 : 3;  // components are soon done with
  for (index c = 0; c < t.k; ++c) t.active[c] = kNowhere;
  for (index p = 0; p < t.n_panels; ++p) {
    const T* x = t.panels + p * t.depth * MR<T>;
    Panel<T> top;
    [[maybe_unused]] Panel<T> first;
    for (int i = 0; i < NV; ++i) top[i] = splat(T(-__builtin_inf()));
    index count = list_hints(t, p), done = 0;
    for (bool all = false;; all = true) {
      for (; done < count; ++done) {
        const index c = t.turns[done];
        Panel<T> squares = {};
        fetch_some(fetch, few);
        leave_registers(top);
        if constexpr (bounded) leave_registers(first);
        bool whole;
        if constexpr (shape == Shape::full)
          whole = squares_full<T>(t, x, c, top, squares);
        else
          whole = squares_diagonal<T, shape == Shape::diag>(t, x, c, top, squares);
        if constexpr (bounded) note_squares(t, c, squares, done == 0, first);
        t.active[c] = std::int32_t(whole ? p : ~p);
        if (whole) put_logits<T>(t, p, c, squares, top);
      }
      if (all) break;
      count = list_others<T, bounded>(t, p, top, count);
    }
    if constexpr (bounded) note_bounds(t, p, first, t.turns, count);
    for (int i = 0; i < NV; ++i) store(t.tops + p * MR<T> + i * width<T>, top[i]);
    list_reached(t, p);
  }
  *t.fetch = fetch;
}
template <class T>
void gauss_full(const MixtureTask<T>& t) {
  gauss<T, Shape::full, false>(t);
}
template <class T>
void gauss_diag(const MixtureTask<T>& t) {
  t.bounds.ids ? gauss<T, Shape::diag, true>(t) : gauss<T, Shape::diag, false>(t);
}
template <class T>
void gauss_plain(const MixtureTask<T>& t) {
  t.bounds.ids ? gauss<T, Shape::plain, true>(t) : gauss<T, Shape::plain, false>(t);
}

// The rows themselves through one triangle, in place: x <- T x, so that a covariance all components
// share is dealt with once. The last rows of T first: its row j needs x only up to j.
template <class T>
void gauss_whiten(const MixtureTask<T>& t) {
  const index rest = t.depth % GN == 0 ? GN : t.depth % GN;
  for (index p = 0; p < t.n_panels; ++p) {
    T* x = t.whitened + p * t.depth * MR<T>;
    const T* factor = t.factors + t.factor_size;
    for (index j = t.depth - rest; j >= 0; j -= GN) {
      const index below = j + GN < t.depth ? j + GN : t.depth;
      factor -= below * GN;
      Vec<T> y[GN][NV] = {};
      tile<T>(x, PanelColumns<T, GN>{factor}, below, y);
      for (int q = 0; q < GN && j + q < t.depth; ++q)
        for (int i = 0; i < NV; ++i) store(x + (j + q) * MR<T> + i * width<T>, y[q][i]);
    }
  }
}

// What stands for component c in the exclusive or that stands for a set of components.
template <class T>
COTERIE_INLINE VecInt<T> mark_of(index c) {
  std::uint32_t mark = (std::uint32_t(c) + 1) * 0x9e3779b1u;
  mark = (mark ^ mark >> 15) * 0x85ebca77u;
  return splat(Int<T>(std::int32_t(mark)));
}

// Logits of the components in reach to responsibilities times the row's weight, in place; each
// row's ln sum exp, its entropy -sum r ln r, the component of highest logit (ties: the lowest), and
// a number that rows share whose responsibilities are above zero for the same components. Logits
// lowest_c or more below the best count for nothing. Weights of rows that are padding are zero. A
// panel at a time: one vector's chain of operations would leave the units idle.
template <class T>
void softmax(const SoftmaxTask<T>& task) {
  constexpr int w = width<T>;
  const SoftmaxTask<T> t = task;  // a store of T could otherwise have changed the task
  FetchTask<T> fetch = *t.fetch;
  for (index p = 0; p * MR<T> < t.rows; ++p) {
    const std::int32_t* list = t.reached + p * t.k;
    const index reached = t.n_reached[p], r = p * MR<T>;
    Panel<T> top, sum = {}, cross = {};
    VecInt<T> best[NV] = {}, set[NV] = {};
    for (int v = 0; v < NV; ++v) top[v] = load(t.tops + r + v * w);
    index count = 0;
    for (index i = reached - 1; i >= 0; --i) {  // of equal logits, the lowest component is the last
      const index c = list[i];
      T* to = t.logits + c * t.ld + r;
      const Vec<T> lowest = broadcast(t.lowest + c), near = lowest - splat(T(kMarkMargin));
      const VecInt<T> mark = mark_of<T>(c);
      Panel<T> x;
      bool some = false;
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) {
        x[v] = load(to + v * w) - top[v];
        some |= any_not_greater(near, x[v]);
      }
      fetch_some(fetch, 4);
      if (!some) {
        for (int v = 0; v < NV; ++v) store(to + v * w, Vec<T>{});
        continue;
      }
      t.active[count++] = std::int32_t(c);
      Panel<T> within, e;
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) {
        best[v] = select_less(x[v], Vec<T>{}, best[v], splat(Int<T>(c)));
        set[v] ^= (VecInt<T>)(x[v] > near) & mark;
        e[v] = within[v] = higher(x[v], lowest);
      }
      exps_of<T, NV>(e);
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) {
        e[v] = (Vec<T>)((VecInt<T>)e[v] & (VecInt<T>)(within[v] > lowest));
        sum[v] += e[v];
        cross[v] = madd(e[v], within[v], cross[v]);
        store(to + v * w, e[v]);
      }
    }
    fetch_some(fetch, 4);
    Panel<T> share;
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      const Vec<T> log_sum = log_of<T>(sum[v]), unit = splat(T(1)) / sum[v];
      share[v] = load(t.weights + r + v * w) * unit;
      store(t.log_sums + r + v * w, top[v] + log_sum);
      store(t.entropies + r + v * w, log_sum - cross[v] * unit);
      store_int32(t.labels + r + v * w, best[v]);
      store_int32(t.sets + r + v * w, set[v]);
    }
    for (index i = 0; i < count; ++i) {
      T* to = t.logits + t.active[i] * t.ld + r;
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) store(to + v * w, load(to + v * w) * share[v]);
    }
  }
  *t.fetch = fetch;
}

}  // namespace coterie::COTERIE_ISA
