// Top-N's first pass in bytes: a quarter of the traffic, and four products a lane and instruction.
//
// A row z is kept as t a, a in [-127, 127], with r >= |z - t a|. For a query p ~ t_p b, r_p:
//   |<z, p> - t t_p <a, b>| <= r |p| + |t a| r_p,   |t a| <= |z| + r        (Cauchy & Schwarz)
// so what falls below the threshold by more than that cannot be among the best.
#pragma once
#include "collect.hpp"

namespace coterie::COTERIE_ISA {

using Int32 = std::int32_t;

template <class Dot>
COTERIE_INLINE void int8_tile(const TopNInt8Task& t, index j0, Vec<Int32> (&acc)[NR][NV]) {
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) acc[j][i] = broadcast(t.start + j0 + j);
  const Int32 *a = t.items, *b = t.queries + j0 * t.words;
#pragma GCC unroll 1
  for (index p = 0; p < t.words; ++p, a += MR<float>, b += NR) {
    Vec<Int32> av[NV];
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) av[i] = load(a + i * width<float>);
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) {
      const Vec<Int32> bv = broadcast(b + j);
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = Dot::add(acc[j][i], av[i], bv);
    }
  }
}

// Upper bounds of the products, but for what the thresholds allow for: of the items of lane vector
// i, from their sums with query j.
COTERIE_INLINE Vec<float> int8_score(const TopNInt8Task& t, index j, int i, Vec<float> sums) {
  const index at = i * width<float>;
  return madd(sums * load(t.item_scale + at), broadcast(t.query_scale + j),
              madd(load(t.item_radius + at), broadcast(t.query_norm + j), load(t.item_bias + at)));
}

template <class Dot>
COTERIE_INLINE void int8_scores(const TopNInt8Task& t, index j0, Acc<float>& acc) {
  Vec<Int32> sums[NR][NV];
  int8_tile<Dot>(t, j0, sums);
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j)
      acc[j][i] = int8_score(t, j0 + j, i, __builtin_convertvector(sums[j][i], Vec<float>));
}

COTERIE_INLINE float highest_lane(Vec<float> v) {
  float best = v[0];
  for (int i = 1; i < width<float>; ++i) best = best < v[i] ? v[i] : best;
  return best;
}

// A coarser test that costs two operations a vector of sums instead of five:
//   t_item I < (threshold - r |query|) / t_query   with the panel's largest r: no item reaches it.
// What falls short of a threshold by kSlack does so after all roundings, too.
constexpr float kSlack = 0x1p-19f;

struct Coarse {
  Vec<float> scale[NV], bias[NV];  // bias: 0, or the lowest of all for what is excluded
  float radius;

  explicit Coarse(const TopNInt8Task& t) {
    Vec<float> widest{};
    for (int i = 0; i < NV; ++i) {
      scale[i] = load(t.item_scale + i * width<float>);
      bias[i] = load(t.item_bias + i * width<float>);
      widest = higher(widest, load(t.item_radius + i * width<float>));
    }
    radius = highest_lane(widest);
  }
  // Of a tile's queries, a whole vector or more.
  COTERIE_INLINE void limits(const TopNInt8Task& t, index j0, float* out) const {
    for (int j = 0; j < NR; j += width<float>) {
      const Vec<float> thresholds = load(t.of_queries.thresholds + j0 + j);
      const Vec<float> apart = thresholds - splat(radius) * load(t.query_norm + j0 + j);
      store(out + j, (apart - splat(kSlack)) / load(t.query_scale + j0 + j));
    }
  }
};

// One bit a query: may one of its scores be at the threshold?
COTERIE_INLINE unsigned may_reach(const Coarse& coarse, const float* limits,
                                  const Acc<float>& sums) {
  unsigned hits = 0;
#pragma GCC unroll 16
  for (int j = 0; j < NR; ++j) {
    Vec<float> best = madd(sums[j][0], coarse.scale[0], coarse.bias[0]);
#pragma GCC unroll 8
    for (int i = 1; i < NV; ++i)
      best = higher(best, madd(sums[j][i], coarse.scale[i], coarse.bias[i]));
    hits |= unsigned(not_at_least(best, broadcast(limits + j)) != kAllLanes) << j;
  }
  return hits;
}

// A line of sums into scores for the query.
COTERIE_INLINE void query_scores(const TopNInt8Task& t, index j, float* line) {
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) {
    float* at = line + i * width<float>;
    store(at, int8_score(t, j, i, load(at)));
  }
}

template <class Dot>
void top_n_int8_flat(const TopNInt8Task& t) {
  const Coarse coarse(t);
  for (index j0 = 0; j0 < t.n_queries; j0 += NR) {
    Vec<Int32> sums[NR][NV];
    int8_tile<Dot>(t, j0, sums);
    Acc<float> acc;
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) acc[j][i] = __builtin_convertvector(sums[j][i], Vec<float>);
    float limits[NR + width<float>];
    coarse.limits(t, j0, limits);
    unsigned hits = may_reach(coarse, limits, acc);
    if (hits == 0) continue;
    Spilled spilled;
    spill(acc, spilled);
    for (; hits != 0; hits &= hits - 1) {
      const int j = __builtin_ctz(hits);
      query_scores(t, j0 + j, spilled.score[j]);
      collect_query(spilled.score[j], t.of_queries, j0 + j, lanes_of(t.n_items), t.first);
    }
  }
}

// What reaches coarse limits, by its own radius.
[[gnu::noinline]] inline void collect_int8_both(const TopNInt8Task& t, const Spilled& products,
                                                index j0, unsigned queries, unsigned items) {
  collect_with(t, products, j0, queries, [&](index j, index at) {
    return madd(load(t.item_radius + at), broadcast(t.query_norm + j), load(t.item_bias + at));
  });
  collect_lanes_with(t, products, j0, items, [&](index j, index at) {
    return madd(load(t.item_norm + at), broadcast(t.query_radius + j), broadcast(t.query_bias + j));
  });
}

// Both ways; limits are the thresholds less the largest radius on the other side.
template <class Dot>
void top_n_int8_both(const TopNInt8Task& t) {
  constexpr int w = width<float>;
  const float item_radius = Coarse(t).radius;
  float query_radius = 0, item_limits[MR<float>], query_limits[NR + w];
  for (index j = 0; j < t.n_queries; ++j)
    query_radius = query_radius < t.query_radius[j] ? t.query_radius[j] : query_radius;
  const auto limit = [](const float* thresholds, const float* norms, float radius) {
    return load(thresholds) - splat(radius) * load(norms) - splat(kSlack);
  };
  for (int at = 0; at < MR<float>; at += w)
    store(item_limits + at, limit(t.of_items.thresholds + at, t.item_norm + at, query_radius));
  for (index j0 = 0; j0 < t.n_queries; j0 += NR) {
    Vec<Int32> sums[NR][NV];
    int8_tile<Dot>(t, j0, sums);
    Acc<float> acc;
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < NR; ++j)
        acc[j][i] = __builtin_convertvector(sums[j][i], Vec<float>) * load(t.item_scale + i * w) *
                    broadcast(t.query_scale + j0 + j);
    for (int j = 0; j < NR; j += w)
      store(query_limits + j, limit(t.of_queries.thresholds + j0 + j, t.query_norm + j0 + j,
                                    item_radius));
    const unsigned queries = reaching<true>(acc, query_limits, t.item_bias);
    const unsigned items = reaching_lanes_of(acc, item_limits, t.query_bias + j0);
    if ((queries | items) == 0) continue;
    Spilled products;
    spill(acc, products);
    collect_int8_both(t, products, j0, queries, items);
  }
}

template <class Dot>
void top_n_int8(const TopNInt8Task& t, float* peaks) {
  if (peaks == nullptr && t.flat) return top_n_int8_flat<Dot>(t);
  for (index j0 = 0; j0 < t.n_queries; j0 += NR) {
    Acc<float> acc;
    int8_scores<Dot>(t, j0, acc);
    if (peaks != nullptr) {
      raise_peaks(acc, peaks + j0 * width<float>);
      continue;
    }
    const unsigned hits = reaching(acc, t.of_queries.thresholds + j0);
    if (__builtin_expect(hits != 0, 0)) {
      Spilled spilled;
      spill(acc, spilled);
      collect(t, spilled, j0, hits);
    }
  }
}

// Vectors over a row; the last one, partial, is read through a copy.
template <class F>
COTERIE_INLINE void over_row(const float* x, index depth, const F& f) {
  constexpr int w = width<float>;
  index p = 0;
  for (; p + w <= depth; p += w) f(load(x + p), p, index(w));
  if (p < depth) {
    float tail[w] = {};
    for (index i = 0; p + i < depth; ++i) tail[i] = x[p + i];
    f(load(tail), p, depth - p);
  }
}

// A row to bytes, four at a time (TopNTable::quantise).
inline void quantise_row(const float* x, index depth, index step, int offset, std::uint8_t* out,
                         float* t, float* squares) {
  constexpr int w = width<float>;
  constexpr int word = w < 4 ? w : 4;
  typedef std::uint8_t Bytes __attribute__((vector_size(w)));
  Vec<float> top{}, sum{};
  over_row(
      x, depth, [&](Vec<float> v, index, index) __attribute__((always_inline)) {
        top = higher(top, higher(v, -v));
      });
  *t = highest_lane(top) / 127;
  // Below this the quotient would overflow: the row becomes zero, and all of it is residual.
  const Vec<float> inverse = splat(*t > 1e-37f ? 1 / *t : 0.0f), magic = splat(0x1.8p23f);
  over_row(
      x, depth, [&](Vec<float> v, index p, index n) __attribute__((always_inline)) {
        const Vec<float> shifted = madd(v, inverse, magic), whole = shifted - magic;
        const Vec<float> apart = v - whole * splat(*t);
        sum = madd(apart, apart, sum);
        const VecInt<float> a =
            (VecInt<float>)shifted + splat(offset);  // the integer is in the low bits
        const Bytes bytes = __builtin_convertvector(a, Bytes);
        for (index i = 0; i < n; i += word)
          std::memcpy(out + (p + i) / 4 * step + (p + i) % 4,
                      reinterpret_cast<const std::uint8_t*>(&bytes) + i, word);
      });
  *squares = 0;
  for (int i = 0; i < w; ++i) *squares += sum[i];
}

}  // namespace coterie::COTERIE_ISA
