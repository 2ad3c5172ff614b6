// The optimisers: partial gradients summed in order, penalties, clipping, and the rule, in one
// pass.
//
// g = scale clip(sum of parts + l1 sign(w) + 2 l2 w); w *= keep; then, with rate eta:
//
//   sgd  w -= eta g · momentum  v = mu v - eta g, w += v · nesterov  the same v, w += mu v - eta g
//   adagrad  s += g^2, w -= eta g / sqrt(s + epsilon)
//   rmsprop  s = rho s + (1 - rho) g^2, u = eta g / sqrt(s + epsilon), w -= u; with momentum
//            v = mu v + u, w -= v
//   adam  m = b1 m + (1 - b1) g, s = b2 s + (1 - b2) g^2, w -= eta m / (sqrt s + epsilon)
//
// Kingma & Ba, ICLR 2015; Duchi, Hazan & Singer, JMLR 12 (2011); Tieleman & Hinton, 2012.
#pragma once
#include "turn.hpp"
#include "vmath.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
COTERIE_INLINE Vec<T> summed(const nn::UpdateTask<T>& t, index i, index count, Vec<T> w) {
  Vec<T> g = load_first(t.parts + i, count);
  for (index k = 1; k < t.n_parts; ++k) g += load_first(t.parts + k * t.part_stride + i, count);
  if (t.l1 != 0) {
    const Vec<T> zero{};
    const Vec<T> sign = with_sign<T>(splat(t.l1), w);
    g += select<T>((VecInt<T>)(w == zero), zero, sign);
  }
  if (t.l2 != 0) g = madd(splat(2 * t.l2), w, g);
  return g;
}

template <class T>
void reduce(const nn::UpdateTask<T>& t, T* out) {
  for (index i = 0; i < t.size; i += width<T>) {
    const index count = t.size - i;
    store_first<T>(out + i, count, summed<T>(t, i, count, load_first(t.w + i, count)));
  }
}

// f(i, count, g, w) returns the new w.
template <class T, class F>
COTERIE_INLINE void each(const nn::UpdateTask<T>& t, const F& f) {
  const Vec<T> keep = splat(t.keep), scale = splat(t.scale);
  for (index k = 0; k < t.rows; ++k)
    for (index i = 0; i < t.size; i += width<T>) {
      const index count = t.size - i, at = k * t.ld + i;
      const Vec<T> w = load_first(t.w + at, count);
      Vec<T> g = summed<T>(t, k * t.part_ld + i, count, w);
      g = lower(splat(t.clip), higher(splat(-t.clip), g)) * scale;
      store_first<T>(t.w + at, count, f(at, count, g, w * keep));
    }
}

template <class T>
[[gnu::noinline]] void update(const nn::UpdateTask<T>& t) {
  using nn::Rule;
  using V = Vec<T>;
  const V rate = splat(t.rate), mu = splat(t.momentum), one = splat(T(1)),
          epsilon = splat(t.epsilon);
  const bool nesterov = t.rule == Rule::nesterov, heavy = t.rule == Rule::rmsprop_momentum;
  switch (t.rule) {
    case Rule::sgd:
      return each<T>(
          t, [&](index, index, V g, V w) __attribute__((always_inline)) { return w - rate * g; });
    case Rule::momentum:
    case Rule::nesterov:
      return each<T>(
          t, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V step = rate * g, v = mu * load_first(t.slot0 + i, n) - step;
            store_first<T>(t.slot0 + i, n, v);
            return nesterov ? w + (mu * v - step) : w + v;
          });
    case Rule::adagrad:
      return each<T>(
          t, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V s = madd(g, g, load_first(t.slot0 + i, n));
            store_first<T>(t.slot0 + i, n, s);
            return w - rate * g / root<T>(s + epsilon);
          });
    case Rule::rmsprop:
    case Rule::rmsprop_momentum:
      return each<T>(
          t, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V rho = splat(t.rho), s = rho * load_first(t.slot0 + i, n) + (one - rho) * g * g;
            store_first<T>(t.slot0 + i, n, s);
            V u = rate * g / root<T>(s + epsilon);
            if (heavy) {
              u = madd(mu, load_first(t.slot1 + i, n), u);
              store_first<T>(t.slot1 + i, n, u);
            }
            return w - u;
          });
    case Rule::adam:
      return each<T>(
          t, [&](index i, index n, V g, V w) __attribute__((always_inline)) {
            const V b1 = splat(t.beta1), b2 = splat(t.beta2);
            const V m = b1 * load_first(t.slot0 + i, n) + (one - b1) * g;
            const V s = b2 * load_first(t.slot1 + i, n) + (one - b2) * g * g;
            store_first<T>(t.slot0 + i, n, m);
            store_first<T>(t.slot1 + i, n, s);
            return w - rate * m / (root<T>(s) + epsilon);
          });
  }
}

}  // namespace coterie::COTERIE_ISA
