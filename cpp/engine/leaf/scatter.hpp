// Weighted sums of a block of rows about k means, added to float64 totals: the M-step while rows
// are hot.
//
//   n_c += sum rho     s1_c += sum rho z     s2_c += sum rho z z^T (full: its lower triangle) or
//   z^2 (diag)
//
// with z = x - mean_c and rho the responsibilities of component c, a line of `ld` values. Rows
// stand in lanes; sums of a block are added across lanes once.
#pragma once
#include "../table.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kPairs =
    NV * NR >= 24 ? 4 : 2;  // with 4 lines on the other side: 16 sums need 32 registers

template <class T>
COTERIE_INLINE double lane_total(Vec<T> v) {
  double sum = 0;
  for (int l = 0; l < width<T>; ++l) sum += double(v[l]);
  return sum;
}

// out[i * kPairs + j] = sum over rows of a_i b_j.
template <class T>
COTERIE_INLINE void pair_sums(const T* const (&a)[4], const T* const (&b)[kPairs], index rows,
                              T* out) {
  constexpr int w = width<T>, sums = 4 * kPairs;
  Vec<T> acc[sums];
#pragma GCC unroll 16
  for (auto& s : acc) s = Vec<T>{};
#pragma GCC unroll 1
  for (index r = 0; r < rows; r += w) {
    Vec<T> bv[kPairs];
#pragma GCC unroll 4
    for (int j = 0; j < kPairs; ++j) bv[j] = load(b[j] + r);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec<T> av = load(a[i] + r);
#pragma GCC unroll 4
      for (int j = 0; j < kPairs; ++j) acc[i * kPairs + j] = madd(av, bv[j], acc[i * kPairs + j]);
    }
  }
#pragma GCC unroll 16
  for (int g = 0; g < sums; g += w) {
    Vec<T> group[w];
#pragma GCC unroll 16
    for (int i = 0; i < w; ++i) group[i] = acc[g + i];
    store(out + g, sum_lanes<T>(group));
  }
}

// A block's vectors of rows in which a component has any weight, and that weight in all: what is
// zero is not summed.
template <class T>
struct Active {
  static constexpr T kLeast = sizeof(T) == 4 ? T(1e-45) : T(5e-324);  // above zero
  std::int32_t* vectors;
  index count = 0;
  double total = 0;

  Active(const MixtureTask<T>& t, index c, std::int32_t* list) : vectors(list) {
    const T* rho = t.logits + c * t.n_panels * MR<T>;
    const Vec<T> least = splat(kLeast);
    Vec<T> sum{};
    for (index v = 0; v < t.n_panels * NV; ++v) {
      const Vec<T> line = load(rho + v * width<T>);
      sum += line;
      vectors[count] = std::int32_t(v);  // without a branch, which could not be foreseen
      count += any_not_greater(least, line);
    }
    if (count > 0) total = lane_total<T>(sum);
  }
};

// Where vector v of a panel's feature begins.
template <class T>
COTERIE_INLINE index lanes_of(std::int32_t vector, index feature, index depth) {
  const unsigned v = unsigned(vector);
  return (v / NV * depth + feature) * MR<T> + v % NV * width<T>;
}

// totals[i] = the sum of v[i]'s lanes.
template <class T, int N>
COTERIE_INLINE void line_totals(const Vec<T> (&v)[N], double (&totals)[N]) {
  constexpr int w = width<T>;
  if constexpr (N % w != 0) {
    for (int i = 0; i < N; ++i) totals[i] = lane_total<T>(v[i]);
  } else {
#pragma GCC unroll 16
    for (int g = 0; g < N; g += w) {
      Vec<T> group[w];
#pragma GCC unroll 16
      for (int i = 0; i < w; ++i) group[i] = v[g + i];
      store_double(totals + g, sum_lanes<T>(group));
    }
  }
}

// Added to N values at `to`.
template <int N>
COTERIE_INLINE void add_totals(const double* totals, double* to) {
  constexpr int w = N % width<double> == 0 ? width<double> : 1;
#pragma GCC unroll 8
  for (int l = 0; l < N; l += w) {
    if constexpr (w == 1)
      to[l] += totals[l];
    else
      store(to + l, load(to + l) + load(totals + l));
  }
}

// z = sqrt(rho) (x - mean) of features f to f + N - 1 in the active vectors, lines of `ld` values;
// s1 on the way. One product of weighted lines, rather than z and rho z: two sets of lines fall out
// of the cache, which costs more than the roots (bench: gmm, full, 5 %).
template <class T, int N>
COTERIE_INLINE void weighted_lines(const MixtureTask<T>& t, index c, const Active<T>& active,
                                   const T* root, index ld, index f) {
  constexpr int w = width<T>;
  Vec<T> sums[N], mean[N];
#pragma GCC unroll 8
  for (int l = 0; l < N; ++l)
    sums[l] = Vec<T>{}, mean[l] = broadcast(t.means + c * t.depth + f + l);
#pragma GCC unroll 1
  for (index q = 0; q < active.count; ++q) {
    const T* x = t.panels + lanes_of<T>(active.vectors[q], f, t.depth);
    T* z = t.z + f * ld + q * w;
    const Vec<T> weight = load(root + q * w);
#pragma GCC unroll 8
    for (int l = 0; l < N; ++l) {
      const Vec<T> line = (load(x + l * MR<T>) - mean[l]) * weight;
      store(z + l * ld, line);
      sums[l] = madd(line, weight, sums[l]);
    }
  }
  double totals[N];
  line_totals<T>(sums, totals);
  add_totals<N>(totals, t.s1 + c * t.depth + f);
}

constexpr int kLines = 2 * kPairs;  // features side by side

// s2: k squares of `stride` x `stride`, stride the depth rounded up to 4. z: (stride + 1) lines of
// a block and a vector.
template <class T>
void scatter_full(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  const index stride = (t.depth + 3) / 4 * 4;
  T* root = t.z + stride * (t.n_panels * MR<T> + width<T>);
  for (index c = 0; c < t.k; ++c) {
    const Active<T> active(t, c, t.active);
    if (active.count == 0) continue;
    t.n[c] += active.total;
    // An odd number of vectors: lines a power of two apart would fall into one set of the cache.
    const index rows = active.count * width<T>, ld = rows + (active.count + 1) % 2 * width<T>;
    for (index q = 0; q < active.count; ++q) {
      const T* rho = t.logits + c * t.n_panels * MR<T> + active.vectors[q] * width<T>;
      store(root + q * width<T>, load(rho));
    }
    for (index r = 0; r < rows; ++r) root[r] = square_root(root[r]);
    index f = 0;
    for (; f + kLines <= t.depth; f += kLines) weighted_lines<T, kLines>(t, c, active, root, ld, f);
    for (; f < t.depth; ++f) weighted_lines<T, 1>(t, c, active, root, ld, f);
    for (index e = t.depth * ld; e < stride * ld; ++e) t.z[e] = T(0);
    double* s2 = t.s2 + c * (stride / 4) * (stride / 4 + 1) * 8;
    for (index i = 0; i < stride; i += 4) {
      const T* const a[4] = {t.z + i * ld, t.z + (i + 1) * ld, t.z + (i + 2) * ld,
                             t.z + (i + 3) * ld};
      for (index j = 0; j < i + 4; j += kPairs) {
        const T* b[kPairs];
        for (int q = 0; q < kPairs; ++q) b[q] = t.z + (j + q) * ld;
        T sums[4 * kPairs];
        pair_sums<T>(a, b, rows, sums);
        for (int e = 0; e < 4 * kPairs; ++e) s2[e] += double(sums[e]);
        s2 += 4 * kPairs;
      }
    }
  }
}

// s1 and s2 of features f to f + N - 1, which share each read of rho.
template <class T, int N>
COTERIE_INLINE void diagonal_sums(const MixtureTask<T>& t, index c, const std::int32_t* vectors,
                                  index count, index f) {
  const T* rho = t.logits + c * t.n_panels * MR<T>;
  Vec<T> sums[2 * N], mean[N];
#pragma GCC unroll 16
  for (auto& s : sums) s = Vec<T>{};
#pragma GCC unroll 8
  for (int l = 0; l < N; ++l) mean[l] = broadcast(t.means + c * t.depth + f + l);
#pragma GCC unroll 1
  for (index q = 0; q < count; ++q) {
    const std::int32_t v = vectors[q];
    const T* x = t.panels + lanes_of<T>(v, f, t.depth);
    const Vec<T> weight = load(rho + v * width<T>);
#pragma GCC unroll 8
    for (int l = 0; l < N; ++l) {
      const Vec<T> z = load(x + l * MR<T>) - mean[l], rz = z * weight;
      sums[l] += rz;
      sums[N + l] = madd(rz, z, sums[N + l]);
    }
  }
  double totals[2 * N];
  line_totals<T>(sums, totals);
  add_totals<N>(totals, t.s1 + c * t.depth + f);
  add_totals<N>(totals + N, t.s2 + c * t.depth + f);
}

template <class T, int N>
COTERIE_INLINE void diagonal_sums(const MixtureTask<T>& t, index f) {
  const std::int32_t* list = t.active;
  for (index c = 0; c < t.k; ++c) {
    const std::int32_t count = *list++;
    if (count > 0) diagonal_sums<T, N>(t, c, list, count, f);
    list += count;
  }
}

// s2: k lines of `depth`. All components for some features, which stay in the nearest cache, rather
// than all features for one.
template <class T>
void scatter_diag(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  std::int32_t* list = t.active;
  for (index c = 0; c < t.k; ++c) {
    const Active<T> active(t, c, list + 1);
    if (active.count > 0) t.n[c] += active.total;
    *list = std::int32_t(active.count);
    list += 1 + active.count;
  }
  index f = 0;
  for (; f + kLines <= t.depth; f += kLines) diagonal_sums<T, kLines>(t, f);
  for (; f < t.depth; ++f) diagonal_sums<T, 1>(t, f);
}

// Four components share each read of x. Lines of those beyond k repeat the first and are not added.
template <class T>
struct FourLines {
  const T *rho[4], *mean[4];
  index components, count = 0;  // count: panels in which any of the four has weight

  FourLines(const MixtureTask<T>& t, index c) : components(t.k - c < 4 ? t.k - c : 4) {
    const Vec<T> least = splat(Active<T>::kLeast);
    Vec<T> total[4] = {};
    for (int q = 0; q < 4; ++q) {
      rho[q] = t.logits + (q < components ? c + q : c) * t.n_panels * MR<T>;
      mean[q] = t.means + (q < components ? c + q : c) * t.depth;
    }
    for (index p = 0; p < t.n_panels; ++p) {
      Vec<T> any{};
      for (int q = 0; q < 4; ++q) {
        Vec<T> sum{};
        for (int i = 0; i < NV; ++i) sum += load(rho[q] + p * MR<T> + i * width<T>);
        total[q] += sum;
        any = higher(any, sum);
      }
      if (any_not_greater(least, any)) t.active[count++] = std::int32_t(p);
    }
    for (int q = 0; q < components; ++q) t.n[c + q] += lane_total<T>(total[q]);
  }
};

// n and s1 alone, about zero: a product of the lines of rho with the block's features.
template <class T>
void scatter_first(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  for (index c = 0; c < t.k; c += 4) {
    const FourLines<T> four(t, c);
    for (index f = 0; f < t.depth && four.count > 0; f += kPairs) {
      Vec<T> acc[4][kPairs] = {};
      for (index at = 0; at < four.count; ++at) {
        const index p = t.active[at];
        const T* b[kPairs];
        for (int s = 0; s < kPairs; ++s)
          b[s] = t.panels + (p * t.depth + (f + s < t.depth ? f + s : f)) * MR<T>;
#pragma GCC unroll 1
        for (int i = 0; i < NV; ++i) {
          Vec<T> bv[kPairs];
#pragma GCC unroll 4
          for (int s = 0; s < kPairs; ++s) bv[s] = load(b[s] + i * width<T>);
#pragma GCC unroll 4
          for (int q = 0; q < 4; ++q) {
            const Vec<T> av = load(four.rho[q] + p * MR<T> + i * width<T>);
#pragma GCC unroll 4
            for (int s = 0; s < kPairs; ++s) acc[q][s] = madd(av, bv[s], acc[q][s]);
          }
        }
      }
      for (int q = 0; q < four.components; ++q)
        for (int s = 0; s < kPairs && f + s < t.depth; ++s)
          t.s1[(c + q) * t.depth + f + s] += lane_total<T>(acc[q][s]);
    }
  }
}

}  // namespace coterie::COTERIE_ISA
