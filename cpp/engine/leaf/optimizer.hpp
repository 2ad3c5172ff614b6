// The optimisers: partial gradients summed in order, penalties, clipping, and the rule, in one
// pass.
//
// g = scale clip(sum of parts + l1 sign(w) + 2 l2 w); w *= keep; then, with rate eta:
//
//   sgd  w -= eta g · momentum  v = mu v - eta g, w += v · nesterov  the same v, w += mu v - eta g
//   adagrad  s += g^2, w -= eta g / sqrt(s + epsilon)
//   rmsprop  s = rho s + (1 - rho) g^2, u = eta g / sqrt(s + epsilon), w -= u; with momentum
//            v = mu v + u, w -= v
//   adam  m = b1 m + (1 - b1) g, s += (1 - b2) (g^2 - s), w -= eta m / (sqrt s + epsilon)
//
// Averages that decay for want of gradients, as those of a unit that never fires, end at 0, of
// squares at kLeastSquare, and not among subnormal ones; nor do squares go beyond the largest
// number.
//
// Kingma & Ba, ICLR 2015; Duchi, Hazan & Singer, JMLR 12 (2011); Tieleman & Hinton, 2012.
#pragma once
#include "turn.hpp"
#include "vmath.hpp"

namespace coterie::COTERIE_ISA {

// Where averages of squares end: so far above the least normal number that a step on the way, the
// average times rho or beta2, is not below it either. A subnormal number in any lane takes some
// CPUs a hundred cycles or more.
template <class T>
constexpr T kLeastSquare = 64 * kLeastNormal<T>;

template <class T>
COTERIE_INLINE Vec<T> summed(const nn::UpdateTask<T>& t, const T* parts, index count, Vec<T> w,
                             bool l1, bool l2) {
  Vec<T> g = load_first(parts, count);
  for (index k = 1; k < t.n_parts; ++k) g += load_first(parts + k * t.part_stride, count);
  if (l1) {
    const Vec<T> zero{};
    const Vec<T> sign = with_sign<T>(splat(t.l1), w);
    g += select<T>((VecInt<T>)(w == zero), zero, sign);
  }
  if (l2) g = madd(splat(2 * t.l2), w, g);
  return g;
}

template <class T>
void reduce(const nn::UpdateTask<T>& t, T* out) {
  for (index i = 0; i < t.size; i += width<T>) {
    const index count = t.size - i;
    store_first<T>(
        out + i, count,
        summed<T>(t, t.parts + i, count, load_first(t.w + i, count), t.l1 != 0, t.l2 != 0));
  }
}

// Rows of values a rule goes over: `from` in the task's w and slots, their gradients elsewhere.
template <class T>
struct Span {
  index from;
  const T* parts;
  index rows, size, ld, part_ld;
};

// f(i, count, g, w) returns the new w. Plain: the gradient is the only part, as it is.
template <class T, bool plain, class F>
COTERIE_INLINE void over_values(const nn::UpdateTask<T>& t, const Span<T>& span, const F& f) {
  const nn::UpdateTask<T> own = plain ? nn::UpdateTask<T>{} : t;  // so that no store changes it
  const Vec<T> keep = splat(own.keep), scale = splat(own.scale);
  const bool l1 = own.l1 != 0, l2 = own.l2 != 0;
  T* const to = t.w + span.from;
  const index rows = span.rows, size = span.size;
  for (index k = 0; k < rows; ++k) {
    const index at = k * span.ld;
    const T* parts = span.parts + k * span.part_ld;
    const auto vector = [&](index i, index count) __attribute__((always_inline)) {
      const Vec<T> w = load_first(to + at + i, count);
      if constexpr (plain) {
        store_first<T>(to + at + i, count,
                       f(span.from + at + i, count, load_first(parts + i, count), w));
      } else {
        Vec<T> g = summed<T>(own, parts + i, count, w, l1, l2);
        g = lower(splat(own.clip), higher(splat(-own.clip), g)) * scale;
        store_first<T>(to + at + i, count, f(span.from + at + i, count, g, w * keep));
      }
    };
    index i = 0;
    for (; i + width<T> <= size; i += width<T>) vector(i, width<T>);
    if (i < size) vector(i, size - i);
  }
}

// The gradient is one part, as it stands, and nothing else is done to w.
template <class T>
COTERIE_INLINE bool plain(const nn::UpdateTask<T>& t) {
  return t.n_parts == 1 && t.l1 == 0 && t.l2 == 0 && t.scale == 1 && t.keep == 1 &&
         t.clip == T(__builtin_inff());
}

template <class T, class F>
COTERIE_INLINE void each(const nn::UpdateTask<T>& t, const Span<T>& span, const F& f) {
  plain(t) ? over_values<T, true>(t, span, f) : over_values<T, false>(t, span, f);
}

template <class T>
struct Adam {
  explicit Adam(const nn::UpdateTask<T>& t)
      : descent(-t.rate), b1(t.beta1), c1(1 - t.beta1), c2(1 - t.beta2), epsilon(t.epsilon) {}
  T descent, b1, c1, c2, epsilon;
};

// The new w; m and s are changed in place.
template <class T>
COTERIE_INLINE Vec<T> adam_step(const Adam<T>& a, Vec<T> g, Vec<T> w, Vec<T>& m, Vec<T>& s) {
  const Vec<T> more = madd(g, g, -s), mean = madd(broadcast(&a.c2), more, s);
  m = normal_or_zero<T>(madd(broadcast(&a.b1), m, broadcast(&a.c1) * g));
  s = lower(splat(kMost<T>), higher(splat(kLeastSquare<T>), mean));
  return madd(broadcast(&a.descent), m / (near_root<T>(s) + broadcast(&a.epsilon)), w);
}

template <class T>
[[gnu::noinline]] void update_span(const nn::UpdateTask<T>& t, const Span<T>& span) {
  using nn::Rule;
  using V = Vec<T>;
  const V rate = splat(t.rate), mu = splat(t.momentum), epsilon = splat(t.epsilon),
          rho = splat(t.rho), rest = splat(1 - t.rho);
  const V least = splat(kLeastSquare<T>), most = splat(kMost<T>);
  const Adam<T> adam(t);
  const bool nesterov = t.rule == Rule::nesterov, heavy = t.rule == Rule::rmsprop_momentum;
  T *const slot0 = t.slot0, *const slot1 = t.slot1;
  switch (t.rule) {
    case Rule::sgd:
      return each<T>(
          t, span, [&](index, index, V g, V w) __attribute__((always_inline)) {
            return w - rate * g;
          });
    case Rule::momentum:
    case Rule::nesterov:
      return each<T>(
          t, span, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V step = rate * g, v = normal_or_zero<T>(mu * load_first(slot0 + i, n) - step);
            store_first<T>(slot0 + i, n, v);
            return nesterov ? w + (mu * v - step) : w + v;
          });
    case Rule::adagrad:
      return each<T>(
          t, span, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V s = lower(most, madd(g, g, load_first(slot0 + i, n)));
            store_first<T>(slot0 + i, n, s);
            return w - rate * g / near_root<T>(s + epsilon);
          });
    case Rule::rmsprop:
    case Rule::rmsprop_momentum:
      return each<T>(
          t, span, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V old = load_first(slot0 + i, n);
            const V s = lower(most, higher(least, rho * old + rest * g * g));
            store_first<T>(slot0 + i, n, s);
            V u = rate * g / near_root<T>(s + epsilon);
            if (heavy) {
              u = normal_or_zero<T>(madd(mu, load_first(slot1 + i, n), u));
              store_first<T>(slot1 + i, n, u);
            }
            return w - u;
          });
    case Rule::adam:
      return each<T>(
          t, span, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            V m = load_first(slot0 + i, n), s = load_first(slot1 + i, n);
            const V to = adam_step(adam, g, w, m, s);
            store_first<T>(slot0 + i, n, m);
            store_first<T>(slot1 + i, n, s);
            return to;
          });
  }
}

template <class T>
void update(const nn::UpdateTask<T>& t) {
  update_span<T>(t, {0, t.parts, t.rows, t.size, t.ld, t.part_ld});
}

}  // namespace coterie::COTERIE_ISA
