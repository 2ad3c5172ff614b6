// One point against many, in float64: distances, the nearest, and who is nearer than what is known.
//
// Points stand in lanes, sixteen a panel whatever the ISA, features one after the other, nothing
// contracted: a distance has the same bits on every ISA and whichever of its two points comes
// first. Comparisons take the lane by lane path only where a panel holds something to be told,
// which is rare.
//
//   panels  ceil(count / 16) of depth x 16, padding anything
//
// Ties go to the lower index (nearest), to the lower (id, id) pair (lower).
#pragma once
#include "exact.hpp"

namespace coterie::COTERIE_ISA {

// Two AVX-512 vectors: with one, loading x takes as long as the arithmetic (bench: linkage,
// single).
constexpr int kPanelPoints = 16;
constexpr int kPanelParts = kPanelPoints / width<double>;

struct Group {
  Vec<double> v[kPanelParts];
};

COTERIE_INLINE Group load_group(const double* p) {
  Group g;
#pragma GCC unroll 16
  for (int i = 0; i < kPanelParts; ++i) g.v[i] = load(p + i * width<double>);
  return g;
}
COTERIE_INLINE void store_group(double* p, const Group& g) {
#pragma GCC unroll 16
  for (int i = 0; i < kPanelParts; ++i) store(p + i * width<double>, g.v[i]);
}
COTERIE_INLINE Group group_of(double v) {
  Group e;
#pragma GCC unroll 16
  for (int i = 0; i < kPanelParts; ++i) e.v[i] = splat(v);
  return e;
}
COTERIE_INLINE bool any_not_above(const Group& a, const Group& b) {
  bool some = false;
#pragma GCC unroll 16
  for (int i = 0; i < kPanelParts; ++i) some = some || any_not_greater(a.v[i], b.v[i]);
  return some;
}
COTERIE_INLINE Vec<double> magnitude(Vec<double> v) {
  return (Vec<double>)((VecInt<double>)v & splat(std::int64_t(0x7fffffffffffffff)));
}

// f(acc, x, y) for each feature; the sums of a panel.
template <class F>
COTERIE_INLINE Group over_features(const double* x, const double* panel, index depth, const F& f) {
  Group sum = {};
#pragma GCC unroll 1
  for (index p = 0; p < depth; ++p) {
    const Vec<double> xv = broadcast(x + p);
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i)
      f(sum.v[i], xv, load(panel + p * kPanelPoints + i * width<double>));
  }
  return sum;
}

// Rounding of a sum of `depth` products is less than this share of the sum of their magnitudes.
COTERIE_INLINE double rounding_share(index depth) { return double(depth + 8) * 0x1p-51; }

// Sums of products of several points against a panel: their chains of additions run side by side.
template <class Metric, int Q>
COTERIE_INLINE void fused_sums(const double* const (&x)[Q], const double* panel, index depth,
                               Group (&sum)[Q]) {
#pragma GCC unroll 4
  for (int q = 0; q < Q; ++q) sum[q] = Group{};
#pragma GCC unroll 1
  for (index p = 0; p < depth; ++p) {
    Vec<double> y[kPanelParts];
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) y[i] = load(panel + p * kPanelPoints + i * width<double>);
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q) {
      const Vec<double> xv = broadcast(x[q] + p);
#pragma GCC unroll 16
      for (int i = 0; i < kPanelParts; ++i) Metric::fuse(sum[q].v[i], xv, y[i]);
    }
  }
}

// `screen` is a lower bound of `of`, in half the time where products are fused.
template <class Metric>
COTERIE_INLINE Group fused_screen(const double* x, const double* panel, index depth) {
  const double* const one[1] = {x};
  Group sum[1];
  fused_sums<Metric>(one, panel, depth, sum);
  return Metric::below(sum[0], depth);
}

struct SqEuclidean {
  COTERIE_INLINE static void add(Vec<double>& s, Vec<double> a, Vec<double> b) {
    const Vec<double> d = a - b;
    s += d * d;
  }
  COTERIE_INLINE static void fuse(Vec<double>& s, Vec<double> a, Vec<double> b) {
    const Vec<double> d = a - b;
    s = madd(d, d, s);
  }
  COTERIE_INLINE static Group below(Group sum, index depth) {
    const Vec<double> share = splat(1 - rounding_share(depth));
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) sum.v[i] *= share;
    return sum;
  }
  COTERIE_INLINE static Group screen(const double* x, const double* panel, index depth) {
    return fused_screen<SqEuclidean>(x, panel, depth);
  }
  COTERIE_INLINE static Group of(const double* x, const double* panel, index depth) {
    return over_features(
        x, panel, depth,
        [](Vec<double> & s, Vec<double> a, Vec<double> b)
            __attribute__((always_inline)) { add(s, a, b); });
  }
};

struct Cityblock {
  COTERIE_INLINE static void add(Vec<double>& s, Vec<double> a, Vec<double> b) {
    s += magnitude(a - b);
  }
  COTERIE_INLINE static void fuse(Vec<double>& s, Vec<double> a, Vec<double> b) { add(s, a, b); }
  COTERIE_INLINE static Group below(const Group& sum, index) { return sum; }
  COTERIE_INLINE static Group screen(const double* x, const double* panel, index depth) {
    return of(x, panel, depth);
  }
  COTERIE_INLINE static Group of(const double* x, const double* panel, index depth) {
    return over_features(
        x, panel, depth,
        [](Vec<double> & s, Vec<double> a, Vec<double> b)
            __attribute__((always_inline)) { add(s, a, b); });
  }
};

struct Chebyshev {
  COTERIE_INLINE static void add(Vec<double>& s, Vec<double> a, Vec<double> b) {
    s = higher(s, magnitude(a - b));
  }
  COTERIE_INLINE static void fuse(Vec<double>& s, Vec<double> a, Vec<double> b) { add(s, a, b); }
  COTERIE_INLINE static Group below(const Group& sum, index) { return sum; }
  COTERIE_INLINE static Group screen(const double* x, const double* panel, index depth) {
    return of(x, panel, depth);
  }
  COTERIE_INLINE static Group of(const double* x, const double* panel, index depth) {
    return over_features(
        x, panel, depth,
        [](Vec<double> & s, Vec<double> a, Vec<double> b)
            __attribute__((always_inline)) { add(s, a, b); });
  }
};

// 1 - <x, y>, at least zero: rows of unit length.
struct Cosine {
  COTERIE_INLINE static void add(Vec<double>& s, Vec<double> a, Vec<double> b) { s += a * b; }
  COTERIE_INLINE static void fuse(Vec<double>& s, Vec<double> a, Vec<double> b) {
    s = madd(a, b, s);
  }
  COTERIE_INLINE static Group below(Group sum, index depth) {
    const Vec<double> one = splat(1 - rounding_share(depth));
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) sum.v[i] = higher(one - sum.v[i], Vec<double>{});
    return sum;
  }
  COTERIE_INLINE static Group screen(const double* x, const double* panel, index depth) {
    return fused_screen<Cosine>(x, panel, depth);
  }
  COTERIE_INLINE static Group of(const double* x, const double* panel, index depth) {
    Group e = over_features(
        x, panel, depth,
        [](Vec<double> & s, Vec<double> a, Vec<double> b)
            __attribute__((always_inline)) { add(s, a, b); });
    return from_one(e);
  }
  COTERIE_INLINE static Group from_one(Group e) {
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) e.v[i] = higher(splat(1.0) - e.v[i], Vec<double>{});
    return e;
  }
};

COTERIE_INLINE Vec<double> ones_where(VecInt<double> mask) {
  return (Vec<double>)(mask & (VecInt<double>)splat(1.0));
}

struct Hamming {
  COTERIE_INLINE static Group screen(const double* x, const double* panel, index depth) {
    return of(x, panel, depth);
  }
  COTERIE_INLINE static Group of(const double* x, const double* panel, index depth) {
    Group e = over_features(
        x, panel, depth,
        [](Vec<double> & s, Vec<double> a, Vec<double> b)
            __attribute__((always_inline)) { s += ones_where(a != b); });
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) e.v[i] /= splat(double(depth));
    return e;
  }
};

// Unequal features among those that are not zero in both; 0 where there is none.
struct Jaccard {
  COTERIE_INLINE static Group screen(const double* x, const double* panel, index depth) {
    return of(x, panel, depth);
  }
  COTERIE_INLINE static Group of(const double* x, const double* panel, index depth) {
    Group unequal = {}, present = {};
#pragma GCC unroll 1
    for (index p = 0; p < depth; ++p) {
      const Vec<double> a = broadcast(x + p), zero{};
#pragma GCC unroll 16
      for (int i = 0; i < kPanelParts; ++i) {
        const Vec<double> b = load(panel + p * kPanelPoints + i * width<double>);
        unequal.v[i] += ones_where(a != b);
        present.v[i] += ones_where((a != zero) | (b != zero));
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) unequal.v[i] /= higher(present.v[i], splat(1.0));
    return unequal;
  }
};

// out[i] = the distance to point i: whole panels are written.
template <class Metric, bool root>
void pair_distances(const PairTask& task, double* out) {
  const PairTask t = task;  // a store could otherwise have changed the task
  for (index p = 0; p * kPanelPoints < t.count; ++p) {
    double* to = out + p * kPanelPoints;
    store_group(to, Metric::of(t.x, t.panels + p * kPanelPoints * t.depth, t.depth));
    for (int l = 0; root && l < kPanelPoints; ++l) to[l] = __builtin_sqrt(to[l]);
  }
}

// How far clusters are apart, from the sums of a panel: plain, or about what the clusters weigh.
struct Plain {
  COTERIE_INLINE static Group of(const PairNearestTask&, Group e, index, index) { return e; }
};
// + spread_x + spread_y
struct Spread {
  COTERIE_INLINE static Group of(const PairNearestTask& t, Group e, index q, index at) {
    const Vec<double> own = broadcast(t.term + q);
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) e.v[i] += own + load(t.terms + at + i * width<double>);
    return e;
  }
};
// 2 s / (1/n_x + 1/n_y)
struct Ward {
  COTERIE_INLINE static Group of(const PairNearestTask& t, Group e, index q, index at) {
    const Vec<double> own = broadcast(t.term + q);
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i)
      e.v[i] = (e.v[i] + e.v[i]) / (own + load(t.terms + at + i * width<double>));
    return e;
  }
};

// Could one of the panel be as near as `limit`? For Ward without its division, with room for the
// rounding.
template <class Form>
COTERIE_INLINE bool within(const PairNearestTask& t, const Group& sums, index q, index at,
                           double limit) {
  if constexpr (__is_same(Form, Ward)) {
    const Vec<double> own = broadcast(t.term + q), bound = splat(limit * (1 + 1e-12));
    bool some = false;
#pragma GCC unroll 16
    for (int i = 0; i < kPanelParts; ++i) {
      const Vec<double> both = own + load(t.terms + at + i * width<double>);
      some = some || any_not_greater(sums.v[i] + sums.v[i], bound * both);
    }
    return some;
  }
  return any_not_above(Form::of(t, sums, q, at), group_of(limit));
}

// Queries that are screened side by side: as many as leave the sums in registers.
constexpr int kSideBySide = kPanelParts <= 2 ? 4 : kPanelParts <= 4 ? 2 : 1;

// The points of a panel that are nearer to query q than what it has, in order of (distance, index).
template <class Metric, class Form>
void insert_near(const PairNearestTask& t, index q, index at) {
  double* distance = t.distance + q * t.keep;
  index* nearest = t.nearest + q * t.keep;
  const double* panel = t.panels + at * t.depth;
  const Group d = Form::of(t, Metric::of(t.x + q * t.depth, panel, t.depth), q, at);
  for (int part = 0; part < kPanelParts; ++part) {
    unsigned near = not_at_least(d.v[part], broadcast(distance + t.keep - 1));
    for (; near != 0; near &= near - 1) {
      const index l = __builtin_ctz(near), i = at + part * width<double> + l;
      const double value = d.v[part][l];
      if (i >= t.count || !(value < distance[t.keep - 1]) || t.first + i == t.self[q]) continue;
      index to = t.keep - 1;
      for (; to > 0 && distance[to - 1] > value; --to)
        distance[to] = distance[to - 1], nearest[to] = nearest[to - 1];
      distance[to] = value, nearest[to] = t.first + i;
    }
  }
}

template <class Metric, class Form, int Q>
COTERIE_INLINE void near_panel(const PairNearestTask& t, index first, index at) {
  const double* x[Q];
  Group sums[Q];
  for (int q = 0; q < Q; ++q) x[q] = t.x + (first + q) * t.depth;
  fused_sums<Metric>(x, t.panels + at * t.depth, t.depth, sums);
#pragma GCC unroll 4
  for (index q = 0; q < Q; ++q)
    if (within<Form>(t, Metric::below(sums[q], t.depth), first + q, at,
                     t.distance[(first + q) * t.keep + t.keep - 1]))
      insert_near<Metric, Form>(t, first + q, at);
}

// The `keep` nearest points of every query but itself: ascending calls over ranges of points find
// those of all.
template <class Metric, class Form>
void pair_nearest(const PairNearestTask& task) {
  const PairNearestTask t = task;  // a store could otherwise have changed the task
  for (index at = 0; at < t.count; at += kPanelPoints) {
    index q = 0;
    for (; q + kSideBySide <= t.queries; q += kSideBySide)
      near_panel<Metric, Form, kSideBySide>(t, q, at);
    for (; q < t.queries; ++q) near_panel<Metric, Form, 1>(t, q, at);
  }
}

// best[i], from[i]: the nearest so far of point i and who that is. Lowers them where point `id` is
// nearer. ids: returns the point of lowest (best, lower id, higher id); null: returns -1.
template <class Metric>
index pair_lower(const PairLowerTask& task) {
  const PairLowerTask t = task;
  double least = __builtin_inf();
  index at_least = -1;
  for (index at = 0; at < t.count; at += kPanelPoints) {
    const double* panel = t.panels + at * t.depth;
    const index lanes = t.count - at < kPanelPoints ? t.count - at : kPanelPoints;
    if (any_not_above(Metric::screen(t.x, panel, t.depth), load_group(t.best + at))) {
      double v[kPanelPoints];
      store_group(v, Metric::of(t.x, panel, t.depth));
      for (index i = at; i < at + lanes; ++i) {
        const double value = v[i - at];
        if (value > t.best[i] || (value == t.best[i] && t.from[i] <= t.id)) continue;
        t.best[i] = value, t.from[i] = t.id;
        if (t.copy) t.copy[i] = value;
      }
    }
    if (t.ids == nullptr || !any_not_above(load_group(t.best + at), group_of(least))) continue;
    for (index i = at; i < at + lanes; ++i) {
      if (t.best[i] > least) continue;
      const auto low = [&](index j) { return t.ids[j] < t.from[j] ? t.ids[j] : t.from[j]; };
      const auto high = [&](index j) { return t.ids[j] < t.from[j] ? t.from[j] : t.ids[j]; };
      if (t.best[i] == least && at_least >= 0 &&
          (low(i) > low(at_least) || (low(i) == low(at_least) && high(i) > high(at_least))))
        continue;
      least = t.best[i], at_least = i;
    }
  }
  return at_least;
}

// The first index of the least of v[0, count), -1 where none is below infinity.
template <class T>
index least_of(const T* v, index count) {
  constexpr int w = width<T>, step = 4 * w;
  T least = T(__builtin_inf());
  index at = -1, i = 0;
  for (; i + step <= count; i += step) {
    Vec<T> low = load(v + i);
#pragma GCC unroll 3
    for (int q = 1; q < 4; ++q) low = lower(low, load(v + i + q * w));
    if (!any_not_greater(low, splat(least))) continue;
    for (index l = i; l < i + step; ++l)
      if (v[l] < least) least = v[l], at = l;
  }
  for (; i < count; ++i)
    if (v[i] < least) least = v[i], at = i;
  return at;
}

constexpr PairKernels pair_kernels() {
  return {{pair_distances<SqEuclidean, true>, pair_distances<SqEuclidean, false>,
           pair_distances<Cityblock, false>, pair_distances<Chebyshev, false>,
           pair_distances<Cosine, false>, pair_distances<Hamming, false>,
           pair_distances<Jaccard, false>},
          {pair_lower<SqEuclidean>, pair_lower<SqEuclidean>, pair_lower<Cityblock>,
           pair_lower<Chebyshev>, pair_lower<Cosine>, pair_lower<Hamming>, pair_lower<Jaccard>},
          pair_nearest<SqEuclidean, Plain>,
          pair_nearest<SqEuclidean, Spread>,
          pair_nearest<SqEuclidean, Ward>,
          pair_nearest<Cosine, Plain>};
}

}  // namespace coterie::COTERIE_ISA
