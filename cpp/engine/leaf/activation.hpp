// Activations and their derivatives, line by line (nn_table.hpp), z and a as in the table:
//
//   linear z · step [z >= 0] · relu max(z, 0) · leaky_relu z or alpha z · elu z or alpha (e^z - 1)
//   selu lambda elu · gelu z Phi(z) · gelu_tanh z (1 + tanh(c (z + 0.044715 z^3))) / 2, c = sqrt(2
//   / pi) sigmoid 1 / (1 + e^-z) · tanh · softplus ln(1 + e^z) · softmax e^z / sum over the columns
//
// NaN stays NaN. Derivatives at a kink: relu's is 0 at 0, leaky_relu's alpha; a step's is [|z| <=
// 1].
#pragma once
#include "../nn_table.hpp"
#include "vmath.hpp"

namespace coterie::COTERIE_ISA {

constexpr double kSeluScale = 1.0507009873554804934,
                 kSeluBelow = 1.7580993408473768566;  // lambda alpha
constexpr double kGeluScale = 0.79788456080286535588, kGeluCube = 0.044715;

template <class T, class F>
COTERIE_INLINE void over_lines(const nn::ActivationTask<T>& t, const F& f) {
  for (index j = 0; j < t.columns; ++j) {
    const T* z = t.z + j * t.z_ld;
    T* out = t.out + j * t.out_ld;
    for (index r = 0; r < t.lanes; r += width<T>) store(out + r, f(load(z + r), out + r));
  }
}

template <class T>
COTERIE_INLINE Vec<T> gelu_argument(Vec<T> z) {
  return splat(T(kGeluScale)) * madd(splat(T(kGeluCube)) * z, z * z, z);
}

template <class T>
void softmax_lines(const nn::ActivationTask<T>& t) {
  for (index r = 0; r < t.lanes; r += width<T>) {
    Vec<T> best = load(t.z + r), sum{};
    for (index j = 1; j < t.columns; ++j) best = higher(load(t.z + j * t.z_ld + r), best);
    for (index j = 0; j < t.columns; ++j) {
      const Vec<T> e = exp_negative<T>(load(t.z + j * t.z_ld + r) - best);
      sum += e;
      store(t.out + j * t.out_ld + r, e);
    }
    const Vec<T> scale = splat(T(1)) / sum;
    for (index j = 0; j < t.columns; ++j) {
      T* out = t.out + j * t.out_ld + r;
      store(out, load(out) * scale);
    }
  }
}

template <class T>
[[gnu::noinline]] void activate_lines(const nn::ActivationTask<T>& t) {
  using A = nn::Activation;
  using V = Vec<T>;
  const V zero{}, one = splat(T(1)), alpha = splat(t.alpha);
  switch (t.activation) {
    case A::linear:
      return over_lines<T>(t, [&](V z, T*) { return z; });
    case A::step:
      return over_lines<T>(t, [&](V z, T*) {
        return select<T>((VecInt<T>)(z >= zero), one, select<T>((VecInt<T>)(z < zero), zero, z));
      });
    case A::relu:
      return over_lines<T>(t, [&](V z, T*) { return higher(zero, z); });
    case A::leaky_relu:
      return over_lines<T>(t,
                           [&](V z, T*) { return select<T>((VecInt<T>)(z > zero), z, alpha * z); });
    case A::elu:
      return over_lines<T>(t, [&](V z, T*) {
        return select<T>((VecInt<T>)(z > zero), z, alpha * expm1_negative<T>(lower(zero, z)));
      });
    case A::selu:
      return over_lines<T>(t, [&](V z, T*) {
        const V e = splat(T(kSeluBelow)) * expm1_negative<T>(lower(zero, z));
        return select<T>((VecInt<T>)(z > zero), splat(T(kSeluScale)) * z, e);
      });
    case A::gelu:
      return over_lines<T>(t, [&](V z, T*) {
        V density;
        return higher(splat(-kFar<T>), z) * normal_cdf<T>(z, density);
      });
    case A::gelu_tanh:
      return over_lines<T>(t, [&](V z, T*) {  // (1 + tanh u) / 2 = 1 / (1 + e^-2u)
        const V u = gelu_argument<T>(z);
        return higher(splat(-kFar<T>), z) * logistic<T>(u + u);
      });
    case A::sigmoid:
      return over_lines<T>(t, [&](V z, T*) { return logistic<T>(z); });
    case A::tanh:
      return over_lines<T>(t, [&](V z, T*) { return tanh_of<T>(z); });
    case A::softplus:
      return over_lines<T>(t, [&](V z, T*) { return softplus_of<T>(z); });
    case A::softmax:
      return softmax_lines<T>(t);
  }
}

// g -> a (g - sum_j g_j a_j)
template <class T>
void derive_softmax(const nn::ActivationTask<T>& t) {
  for (index r = 0; r < t.lanes; r += width<T>) {
    Vec<T> sum{};
    for (index j = 0; j < t.columns; ++j)
      sum = madd(load(t.z + j * t.z_ld + r), load(t.out + j * t.out_ld + r), sum);
    for (index j = 0; j < t.columns; ++j) {
      T* out = t.out + j * t.out_ld + r;
      store(out, load(t.z + j * t.z_ld + r) * (load(out) - sum));
    }
  }
}

template <class T>
[[gnu::noinline]] void derive_lines(const nn::ActivationTask<T>& t) {
  using A = nn::Activation;
  using V = Vec<T>;
  const V zero{}, one = splat(T(1)), alpha = splat(t.alpha);
  switch (t.activation) {
    case A::linear:
      return;
    case A::step:
      return over_lines<T>(t, [&](V z, T* g) {
        return select<T>((VecInt<T>)(magnitude<T>(z) <= one), load(g), zero);
      });
    case A::relu:
      return over_lines<T>(
          t, [&](V a, T* g) { return select<T>((VecInt<T>)(a > zero), load(g), zero); });
    case A::leaky_relu:
      return over_lines<T>(
          t, [&](V a, T* g) { return load(g) * select<T>((VecInt<T>)(a > zero), one, alpha); });
    case A::elu:
      return over_lines<T>(
          t, [&](V a, T* g) { return load(g) * select<T>((VecInt<T>)(a > zero), one, a + alpha); });
    case A::selu:
      return over_lines<T>(t, [&](V a, T* g) {
        const V scale = splat(T(kSeluScale));
        return load(g) * select<T>((VecInt<T>)(a > zero), scale, a + splat(T(kSeluBelow)));
      });
    case A::gelu:
      return over_lines<T>(t, [&](V z, T* g) {
        V density;
        const V phi = normal_cdf<T>(z, density);
        return load(g) * madd(z * splat(T(0.39894228040143267794)), density, phi);
      });
    case A::gelu_tanh:
      return over_lines<T>(t, [&](V z, T* g) {
        const V u = gelu_argument<T>(z), s = logistic<T>(u + u);
        const V slope = splat(T(kGeluScale)) * madd(splat(T(3 * kGeluCube)) * z, z, one);
        return load(g) * madd(z * (s + s) * (one - s), slope, s);
      });
    case A::sigmoid:
      return over_lines<T>(t, [&](V a, T* g) { return load(g) * (a * (one - a)); });
    case A::tanh:
      return over_lines<T>(t, [&](V a, T* g) { return load(g) * ((one - a) * (one + a)); });
    case A::softplus:  // sigma(z) = 1 - e^-a
      return over_lines<T>(t, [&](V a, T* g) { return -load(g) * expm1_negative<T>(-a); });
    case A::softmax:
      return derive_softmax<T>(t);
  }
}

}  // namespace coterie::COTERIE_ISA
