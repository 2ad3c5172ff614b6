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
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

// Rows of a triangle at a time: narrower tiles than NR waste less of it (bench: gmm).
constexpr int GN = 4;

template <class T>
using Panel = Vec<T>[NV];

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

template <class T>
COTERIE_INLINE void give_up(const MixtureTask<T>& t, index panel, index c) {
  T* to = t.logits + c * t.n_panels * MR<T> + panel * MR<T>;
  for (int i = 0; i < NV; ++i) store(to + i * width<T>, splat(T(-__builtin_inf())));
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

// Rows of the block to come, a few whenever asked: their memory is slower than this block's work.
template <class T>
struct Fetch {
  index row = 0, step;
  explicit Fetch(const MixtureTask<T>& t)
      : step((t.next_rows + t.n_panels * t.k - 1) / (t.n_panels * t.k)) {}
  COTERIE_INLINE void some(const MixtureTask<T>& t) {
    for (const index end = row + step < t.next_rows ? row + step : t.next_rows; row < end; ++row) {
      const T* x = t.next + (t.next_order ? t.next_order[row] : row) * t.next_ld;
      for (index f = 0; f < t.depth; f += 64 / index(sizeof(T))) __builtin_prefetch(x + f);
      __builtin_prefetch(x + t.depth - 1);  // a row need not begin where a line of the cache does
    }
  }
};

enum class Shape { full, diag, plain };

// Every component of every panel. A component that is out of reach for a whole panel is given up
// early, its logits -infinity. Hints: the
// components to look at first, two a panel, so that what follows is given up soonest.
template <class T, Shape shape>
COTERIE_INLINE void gauss(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  Fetch<T> fetch(t);
  for (index p = 0; p < t.n_panels; ++p) {
    const T* x = t.panels + p * t.depth * MR<T>;
    const index first = t.hints ? t.hints[2 * p] : -1, second = t.hints ? t.hints[2 * p + 1] : -1;
    Panel<T> top;
    for (int i = 0; i < NV; ++i) top[i] = splat(T(sizeof(T) == 4 ? -3e38 : -1e308));
    for (index turn = first < 0 ? 0 : second == first ? -1 : -2; turn < t.k; ++turn) {
      const index c = turn == -2 ? second : turn == -1 ? first : turn;
      if (turn >= 0 && (c == first || c == second)) continue;
      Panel<T> squares = {};
      fetch.some(t);
      leave_registers(top);
      bool whole;
      if constexpr (shape == Shape::full)
        whole = squares_full<T>(t, x, c, top, squares);
      else
        whole = squares_diagonal<T, shape == Shape::diag>(t, x, c, top, squares);
      if (whole)
        put_logits<T>(t, p, c, squares, top);
      else
        give_up<T>(t, p, c);
    }
  }
}
template <class T>
void gauss_full(const MixtureTask<T>& t) {
  gauss<T, Shape::full>(t);
}
template <class T>
void gauss_diag(const MixtureTask<T>& t) {
  gauss<T, Shape::diag>(t);
}
template <class T>
void gauss_plain(const MixtureTask<T>& t) {
  gauss<T, Shape::plain>(t);
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

// Logits to responsibilities times the row's weight, in place; each row's ln sum exp, its entropy
// -sum r ln r, the component of highest logit (ties: the lowest), and a number that rows share
// whose responsibilities are above zero for the same components. Logits lowest_c or more below the
// best count for nothing. Weights of rows that are padding are zero.
template <class T>
void softmax(const SoftmaxTask<T>& task) {
  const SoftmaxTask<T> t = task;  // a store of T could otherwise have changed the task
  for (index r = 0; r < t.rows; r += width<T>) {
    Vec<T> top = load(t.logits + r);
    VecInt<T> best{}, set{};
    for (index c = 1; c < t.k; ++c) {
      const Vec<T> x = load(t.logits + c * t.ld + r);
      best = select_less(top, x, splat(Int<T>(c)), best);
      top = higher(top, x);
    }
    Vec<T> sum{}, cross{};
    index count = 0;
    for (index c = 0; c < t.k; ++c) {
      T* to = t.logits + c * t.ld + r;
      const Vec<T> x = load(to) - top, lowest = broadcast(t.lowest + c);
      if (!any_not_greater(lowest, x)) {
        store(to, Vec<T>{});
        continue;
      }
      const Vec<T> within = higher(x, lowest);
      const VecInt<T> counts = (VecInt<T>)(within > lowest);
      const Vec<T> e = (Vec<T>)((VecInt<T>)exp_of<T>(within) & counts);
      set ^= counts & mark_of<T>(c);
      sum += e;
      cross = madd(e, within, cross);
      store(to, e);
      t.active[count++] = std::int32_t(c);
    }
    const Vec<T> log_sum = log_of<T>(sum), share = load(t.weights + r) / sum;
    store(t.log_sums + r, top + log_sum);
    store(t.entropies + r, log_sum - cross / sum);
    store_int32(t.labels + r, best);
    store_int32(t.sets + r, set);
    for (index i = 0; i < count; ++i) {
      T* to = t.logits + t.active[i] * t.ld + r;
      store(to, load(to) * share);
    }
  }
}

}  // namespace coterie::COTERIE_ISA
