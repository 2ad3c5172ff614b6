// Top-N for one query or a few: rows are read once, where they lie, depth in lanes. Memory is the
// limit.
#pragma once
#include "collect.hpp"
#include "exact.hpp"

namespace coterie::COTERIE_ISA {

COTERIE_INLINE Vec<float> as_float(const float* p) { return load(p); }
COTERIE_INLINE Vec<float> as_float(const double* p) {
  typedef double Wide __attribute__((vector_size(width<float> * 8), aligned(8), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Wide*>(p), Vec<float>);
}

constexpr index kAheadRows =
    16;  // how far rows are fetched ahead of their use (bench: top_n, one query)

// The products of `width` rows with one query, one a lane.
template <class T>
COTERIE_INLINE Vec<float> rows_product(const T* x, index ld, index rows, index depth, bool safe,
                                       const float* query) {
  constexpr int w = width<float>;
  Vec<float> sums[w];
#pragma GCC unroll 1
  for (int r0 = 0; r0 < w; r0 += 4) {
    const T* row[4];
    Vec<float> sum[4] = {};
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) row[r] = x + (r0 + r < rows ? r0 + r : 0) * ld;
    index p = 0;
    for (; p + w <= depth; p += w) {
      const Vec<float> q = load(query + p);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        __builtin_prefetch(row[r] + kAheadRows * ld + p);
        sum[r] = madd(as_float(row[r] + p), q, sum[r]);
      }
    }
    if (p < depth) {
      const Vec<float> q = load(query + p);  // zero beyond depth
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        T tail[w] = {};
        if (!safe)
          for (index i = 0; p + i < depth; ++i) tail[i] = row[r][p + i];
        sum[r] = madd(as_float(safe ? row[r] + p : tail), q, sum[r]);
      }
    }
    for (int r = 0; r < (w < 4 ? w : 4); ++r) sums[r0 + r] = sum[r];
  }
  return sum_lanes<float>(sums);
}

// At most MR rows. A score's list is chosen as by `collect`, one lane vector at a time.
template <class T>
void top_n_rows(const TopNRowsTask<T>& t) {
  constexpr int w = width<float>;
  for (index r = 0; r < t.rows; r += w) {
    const index rows = t.rows - r < w ? t.rows - r : w;
    const bool safe =
        t.ld == t.depth && t.readable - r * t.ld >= (rows - 1) * t.ld + (t.depth + w - 1) / w * w;
    for (index j = 0; j < t.n_queries; ++j) {
      const Vec<float> score =
          madd(rows_product(t.x + r * t.ld, t.ld, rows, t.depth, safe, t.queries + j * t.line),
               load(t.scale + r), load(t.bias + r));
      unsigned bits = kAllLanes & ~not_at_least(score, broadcast(t.of_queries.thresholds + j));
      if (__builtin_expect(bits == 0, 1)) continue;
      float lane[w];
      store(lane, score);
      Candidate* list = t.of_queries.lists + j * t.of_queries.capacity;
      for (; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        if (l >= rows) break;
        list[t.of_queries.counts[j]++] = {lane[l], t.first + std::uint32_t(r + l)};
      }
    }
  }
}

}  // namespace coterie::COTERIE_ISA
