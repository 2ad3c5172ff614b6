// Losses and metrics of a tile, rows in lanes, and the gradient by what came out of the net.
//
// m outputs, e = p - y, p~ = clip(p, 1e-7, 1 - 1e-7); loss of a row and its gradient by p:
//
//   mse  sum e^2 / m, 2 e / m · half_squared  sum e^2 / 2, e · mae  sum |e| / m, sign(e) / m
//   huber  mean of e^2 / 2 or delta |e| - delta^2 / 2, clip(e, -delta, delta) / m
//   binary  -mean(y ln p~ + (1 - y) ln(1 - p~)), (p~ - y) / (p~ (1 - p~) m), 0 where clipped
//   binary_logits  mean(max(z, 0) - z y + ln(1 + e^-|z|)), (sigma(z) - y) / m, by z
//   categorical  q = p / sum p: -sum y ln q~; h = -y / q~, 0 where clipped: (h - sum h q) / sum p
//   categorical_logits  (sum y) lse(z) - sum y z, softmax(z) sum y - y, by z
//   sparse, sparse_logits  the same of y = [j == label]
//   kl_divergence  sum y~ ln(y~ / p~), -y~ / p~, 0 where clipped; both clipped to [1e-7, 1]
#pragma once
#include "activation.hpp"
#include "blocking.hpp"

namespace coterie::COTERIE_ISA {

constexpr double kClip = 1e-7;

template <class T>
COTERIE_INLINE Vec<T> clip(Vec<T> x, T low, T high) {
  return lower(splat(high), higher(splat(low), x));
}
template <class T>
COTERIE_INLINE VecInt<T> inside(Vec<T> x, T low, T high) {
  return (VecInt<T>)(x >= splat(low)) & (VecInt<T>)(x <= splat(high));
}

// What a loss sees of one vector of rows.
template <class T>
struct LossRows {
  const nn::LossTask<T>& t;
  index r;
  bool sparse;
  Vec<T> scale;

  COTERIE_INLINE Vec<T> p(index j) const { return load(t.p + j * t.p_ld + r); }
  COTERIE_INLINE Vec<T> y(index j) const {
    if (sparse) {
      const Vec<T> label = load(t.y + r);
      const Vec<T> hit = select<T>((VecInt<T>)(label == splat(T(j))), splat(T(1)), Vec<T>{});
      return madd(hit, splat(t.target_scale), splat(t.target_offset));
    }
    return madd(load(t.y + j * t.y_ld + r), splat(t.target_scale), splat(t.target_offset));
  }
  // 0 where the row does not count, even if g is NaN.
  COTERIE_INLINE void gradient(index j, Vec<T> g) const {
    if (t.gradient == nullptr) return;
    const Vec<T> zero{};
    store(t.gradient + j * t.gradient_ld + r,
          select<T>((VecInt<T>)(scale == zero), zero, g * scale));
  }
  COTERIE_INLINE void output(index j, Vec<T> p) const {
    if (t.outputs != nullptr) store(t.outputs + j * t.outputs_ld + r, p);
  }
};

// One loss a row vector, summed over columns: f(j, p, y) returns the term and sets the gradient.
template <class T, class F>
COTERIE_INLINE Vec<T> by_column(const LossRows<T>& rows, const F& f) {
  Vec<T> sum{};
  for (index j = 0; j < rows.t.columns; ++j) {
    Vec<T> g;
    sum += f(rows.p(j), rows.y(j), g);
    rows.gradient(j, g);
  }
  return sum;
}

// Of V vectors of rows at once: so little is done to a value that what counts is how much of a line
// is read at a time.
template <class T, int V>
void squared_rows(const nn::LossTask<T>& t, index r, T term, T slope) {
  Vec<T> sum[V] = {}, factor[V];
  VecInt<T> counts[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    const Vec<T> scale = load(t.scale + r + v * width<T>);
    factor[v] = scale * splat(slope);
    counts[v] = (VecInt<T>)(scale != Vec<T>{});
  }
  const Vec<T> of_y = splat(t.target_scale), more = splat(t.target_offset);
  const T *p = t.p + r, *y = t.y + r;
  T* g = t.gradient ? t.gradient + r : nullptr;
  const index end = t.end < 0 ? t.columns : t.end;
  for (index j = t.begin; j < end; ++j)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const index at = v * width<T>;
      const Vec<T> e = load(p + j * t.p_ld + at) - madd(load(y + j * t.y_ld + at), of_y, more);
      sum[v] = madd(e, e, sum[v]);
      if (g)  // 0 where the row does not count, even if e is NaN
        store(g + j * t.gradient_ld + at, (Vec<T>)((VecInt<T>)(e * factor[v]) & counts[v]));
    }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) store(t.values + r + v * width<T>, sum[v] * splat(term));
}
template <class T>
Vec<T> mae_rows(const LossRows<T>& rows, T mean) {
  return by_column<T>(
      rows, [&](Vec<T> p, Vec<T> y, Vec<T> & g) __attribute__((always_inline)) {
        const Vec<T> e = p - y, zero{}, size = magnitude<T>(e);
        g = select<T>((VecInt<T>)(e == zero), e, with_sign<T>(splat(mean), e));
        return size * splat(mean);
      });
}
template <class T>
Vec<T> huber_rows(const LossRows<T>& rows, T mean) {
  const T delta = rows.t.delta;
  return by_column<T>(
      rows, [&](Vec<T> p, Vec<T> y, Vec<T> & g) __attribute__((always_inline)) {
        const Vec<T> e = p - y, size = magnitude<T>(e);
        g = clip<T>(e, -delta, delta) * splat(mean);
        const Vec<T> far = splat(delta) * (size - splat(delta / 2)), near = e * e * splat(T(0.5));
        return select<T>((VecInt<T>)(size > splat(delta)), far, near) * splat(mean);
      });
}
template <class T>
Vec<T> binary_rows(const LossRows<T>& rows, T mean) {
  return by_column<T>(
      rows, [&](Vec<T> p, Vec<T> y, Vec<T> & g) __attribute__((always_inline)) {
        const T high = T(1 - kClip);
        const Vec<T> one = splat(T(1)), q = clip<T>(p, T(kClip), high), rest = one - q;
        const Vec<T> slope = (q - y) / (q * rest) * splat(mean);
        g = select<T>(inside<T>(p, T(kClip), high), slope, p - p);
        return -(y * log_any<T>(q) + (one - y) * log_any<T>(rest)) * splat(mean);
      });
}
template <class T>
Vec<T> binary_logits_rows(const LossRows<T>& rows, T mean) {
  index j = 0;
  return by_column<T>(
      rows, [&](Vec<T> z, Vec<T> y, Vec<T> & g) __attribute__((always_inline)) {
        const Vec<T> zero{}, e = exp_negative<T>(-magnitude<T>(z));
        const Vec<T> p = logistic_of<T>(z, e);
        rows.output(j++, p);
        g = (p - y) * splat(mean);
        return (higher(zero, z) - z * y + log1p_of<T>(e)) * splat(mean);
      });
}
template <class T>
Vec<T> kl_rows(const LossRows<T>& rows) {
  return by_column<T>(
      rows, [&](Vec<T> p, Vec<T> y, Vec<T> & g) __attribute__((always_inline)) {
        const Vec<T> q = clip<T>(p, T(kClip), T(1)), target = clip<T>(y, T(kClip), T(1));
        g = select<T>(inside<T>(p, T(kClip), T(1)), -target / q, p - p);
        return target * log_any<T>(target / q);
      });
}

template <class T>
Vec<T> categorical_rows(const LossRows<T>& rows) {
  const index m = rows.t.columns;
  const T low = T(kClip), high = T(1 - kClip);
  Vec<T> total{}, loss{}, mixed{};
  for (index j = 0; j < m; ++j) total += rows.p(j);
  for (index j = 0; j < m; ++j) {
    const Vec<T> q = rows.p(j) / total, clipped = clip<T>(q, low, high), y = rows.y(j);
    loss -= y * log_any<T>(clipped);
    mixed -= select<T>(inside<T>(q, low, high), y, q - q);  // h q, as q~ = q there
  }
  for (index j = 0; rows.t.gradient != nullptr && j < m; ++j) {
    const Vec<T> q = rows.p(j) / total, h = -rows.y(j) / q;
    rows.gradient(j, (select<T>(inside<T>(q, low, high), h, q - q) - mixed) / total);
  }
  return loss;
}

template <class T>
Vec<T> categorical_logits_rows(const LossRows<T>& rows) {
  const index m = rows.t.columns;
  Vec<T> best = rows.p(0), sum{}, mass{}, along{};
  for (index j = 1; j < m; ++j) best = higher(rows.p(j), best);
  for (index j = 0; j < m; ++j) {
    const Vec<T> z = rows.p(j) - best, y = rows.y(j), e = exp_negative<T>(z);
    sum += e;
    mass += y;
    // An infinite z of a class that has no weight has no part in the loss.
    along += select<T>((VecInt<T>)(y == Vec<T>{}), Vec<T>{}, y * z);
    if (rows.t.gradient != nullptr) store(rows.t.gradient + j * rows.t.gradient_ld + rows.r, e);
    rows.output(j, e);
  }
  const Vec<T> scale = splat(T(1)) / sum;
  for (index j = 0; j < m; ++j) {
    if (rows.t.outputs != nullptr)
      rows.output(j, load(rows.t.outputs + j * rows.t.outputs_ld + rows.r) * scale);
    if (rows.t.gradient != nullptr) {
      const Vec<T> p = load(rows.t.gradient + j * rows.t.gradient_ld + rows.r) * scale;
      rows.gradient(j, p * mass - rows.y(j));
    }
  }
  return mass * log_any<T>(sum) - along;
}

template <class T>
Vec<T> loss_rows(const LossRows<T>& rows) {
  const T m = T(rows.t.columns), mean = T(1) / m;
  switch (rows.t.loss) {
    case nn::Loss::mse:
    case nn::Loss::half_squared:
      break;
    case nn::Loss::mae:
      return mae_rows<T>(rows, mean);
    case nn::Loss::huber:
      return huber_rows<T>(rows, mean);
    case nn::Loss::binary:
      return binary_rows<T>(rows, mean);
    case nn::Loss::binary_logits:
      return binary_logits_rows<T>(rows, mean);
    case nn::Loss::categorical:
    case nn::Loss::sparse:
      return categorical_rows<T>(rows);
    case nn::Loss::categorical_logits:
    case nn::Loss::sparse_logits:
      return categorical_logits_rows<T>(rows);
    case nn::Loss::kl_divergence:
      return kl_rows<T>(rows);
  }
  return Vec<T>{};
}

// May work in place: gradient over p.
template <class T>
void loss(const nn::LossTask<T>& t) {
  const bool sparse = t.loss == nn::Loss::sparse || t.loss == nn::Loss::sparse_logits;
  const bool mean = t.loss == nn::Loss::mse;
  if (mean || t.loss == nn::Loss::half_squared) {
    const T m = T(t.columns), term = mean ? T(1) / m : T(0.5), slope = mean ? T(2) / m : T(1);
    index r = 0;
    for (; r + NV * width<T> <= t.lanes; r += NV * width<T>) squared_rows<T, NV>(t, r, term, slope);
    for (; r < t.lanes; r += width<T>) squared_rows<T, 1>(t, r, term, slope);
    return;
  }
  for (index r = 0; r < t.lanes; r += width<T>)
    store(t.values + r, loss_rows<T>(LossRows<T>{t, r, sparse, load(t.scale + r)}));
}

// The column of the largest value, the lowest where several are.
template <class T>
COTERIE_INLINE Vec<T> best_column(const T* p, index ld, index columns) {
  Vec<T> best = load(p), at{};
  for (index j = 1; j < columns; ++j) {
    const Vec<T> v = load(p + j * ld);
    at = select<T>((VecInt<T>)(v > best), splat(T(j)), at);
    best = higher(v, best);
  }
  return at;
}

template <class T>
void metric(const nn::MetricTask<T>& t) {
  const Vec<T> one = splat(T(1)), zero{}, half = splat(T(0.5));
  for (index r = 0; r < t.lanes; r += width<T>) {
    const T *p = t.p + r, *y = t.y + r;
    Vec<T> sum{};
    if (t.metric == nn::Metric::categorical_accuracy || t.metric == nn::Metric::sparse_accuracy) {
      const Vec<T> label =
          t.metric == nn::Metric::sparse_accuracy ? load(y) : best_column<T>(y, t.y_ld, t.columns);
      const Vec<T> found = best_column<T>(p, t.p_ld, t.columns);
      store(t.values + r, select<T>((VecInt<T>)(found == label), one, zero));
      continue;
    }
    for (index j = 0; j < t.columns; ++j) {
      const Vec<T> pj = load(p + j * t.p_ld), yj = load(y + j * t.y_ld), e = pj - yj;
      if (t.metric == nn::Metric::mse) sum += e * e;
      if (t.metric == nn::Metric::mae) sum += magnitude<T>(e);
      if (t.metric == nn::Metric::binary_accuracy)
        sum +=
            select<T>((VecInt<T>)(select<T>((VecInt<T>)(pj > half), one, zero) == yj), one, zero);
    }
    store(t.values + r, sum / splat(T(t.columns)));
  }
}

}  // namespace coterie::COTERIE_ISA
