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

COTERIE_INLINE float square_root(float v) { return __builtin_sqrtf(v); }
COTERIE_INLINE double square_root(double v) { return __builtin_sqrt(v); }

// The panels in which a component has any weight, and its total: what is zero is not summed.
template <class T>
COTERIE_INLINE index active_panels(const MixtureTask<T>& t, index c, std::int32_t* active,
                                   double& total) {
  const T* rho = t.logits + c * t.n_panels * MR<T>;
  index count = 0;
  for (index p = 0; p < t.n_panels; ++p) {
    Vec<T> sum{};
    for (int i = 0; i < NV; ++i) sum += load(rho + p * MR<T> + i * width<T>);
    const double of_panel = lane_total<T>(sum);
    if (of_panel == 0) continue;
    total += of_panel;
    active[count++] = std::int32_t(p);
  }
  return count;
}

// One product of weighted lines, rather than z and rho z: two sets of lines fall out of the cache,
// which costs more than the roots (bench: gmm, full, 5 %). z = sqrt(rho) (x - mean) in the active
// panels, one line of `count` panels a feature; s1 on the way.
template <class T>
COTERIE_INLINE void weighted_lines(const MixtureTask<T>& t, index c, const std::int32_t* active,
                                   index count, T* root, double* s1) {
  const index rows = count * MR<T>;
  for (index q = 0; q < count; ++q) {
    const T* rho = t.logits + (c * t.n_panels + active[q]) * MR<T>;
    for (int r = 0; r < MR<T>; ++r) root[q * MR<T> + r] = square_root(rho[r]);
  }
  for (index f = 0; f < t.depth; ++f) {
    const Vec<T> mean = broadcast(t.means + c * t.depth + f);
    Vec<T> sum[NV] = {};
    for (index q = 0; q < count; ++q) {
      const T* x = t.panels + (active[q] * t.depth + f) * MR<T>;
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) {
        const Vec<T> weight = load(root + q * MR<T> + i * width<T>);
        const Vec<T> z = (load(x + i * width<T>) - mean) * weight;
        store(t.z + f * rows + q * MR<T> + i * width<T>, z);
        sum[i] = madd(z, weight, sum[i]);
      }
    }
    for (int i = 1; i < NV; ++i) sum[0] += sum[i];
    s1[f] += lane_total<T>(sum[0]);
  }
}

// s2: k squares of `stride` x `stride`, stride the depth rounded up to 4. z: (stride + 1) lines of
// a block.
template <class T>
void scatter_full(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  const index stride = (t.depth + 3) / 4 * 4;
  T* root = t.z + stride * t.n_panels * MR<T>;
  for (index c = 0; c < t.k; ++c) {
    double total = 0;
    const index count = active_panels<T>(t, c, t.active, total), rows = count * MR<T>;
    if (count == 0) continue;
    t.n[c] += total;
    weighted_lines<T>(t, c, t.active, count, root, t.s1 + c * t.depth);
    for (index e = t.depth * rows; e < stride * rows; ++e) t.z[e] = T(0);
    double* s2 = t.s2 + c * (stride / 4) * (stride / 4 + 1) * 8;
    for (index i = 0; i < stride; i += 4) {
      const T* const a[4] = {t.z + i * rows, t.z + (i + 1) * rows, t.z + (i + 2) * rows,
                             t.z + (i + 3) * rows};
      for (index j = 0; j < i + 4; j += kPairs) {
        const T* b[kPairs];
        for (int q = 0; q < kPairs; ++q) b[q] = t.z + (j + q) * rows;
        T sums[4 * kPairs];
        pair_sums<T>(a, b, rows, sums);
        for (int e = 0; e < 4 * kPairs; ++e) s2[e] += double(sums[e]);
        s2 += 4 * kPairs;
      }
    }
  }
}

// Four components share each read of x. Lines of those beyond k repeat the first and are not added.
template <class T>
struct FourLines {
  const T *rho[4], *mean[4];
  index components, count = 0;  // count: panels in which any of the four has weight

  FourLines(const MixtureTask<T>& t, index c) : components(t.k - c < 4 ? t.k - c : 4) {
    for (int q = 0; q < 4; ++q) {
      rho[q] = t.logits + (q < components ? c + q : c) * t.n_panels * MR<T>;
      mean[q] = t.means + (q < components ? c + q : c) * t.depth;
    }
    for (index p = 0; p < t.n_panels; ++p) {
      double any = 0;
      for (int q = 0; q < components; ++q) {
        Vec<T> sum{};
        for (int i = 0; i < NV; ++i) sum += load(rho[q] + p * MR<T> + i * width<T>);
        const double total = lane_total<T>(sum);
        t.n[c + q] += total;
        any += total;
      }
      if (any != 0) t.active[count++] = std::int32_t(p);
    }
  }
};

// s2: k lines of `depth`.
template <class T>
void scatter_diag(const MixtureTask<T>& task) {
  const MixtureTask<T> t = task;  // a store of T could otherwise have changed the task
  for (index c = 0; c < t.k; c += 4) {
    const FourLines<T> four(t, c);
    for (index f = 0; f < t.depth && four.count > 0; ++f) {
      Vec<T> first[4] = {}, second[4] = {}, mean[4];
      for (int q = 0; q < 4; ++q) mean[q] = broadcast(four.mean[q] + f);
      for (index at = 0; at < four.count; ++at) {
        const index p = t.active[at];
        const T* x = t.panels + (p * t.depth + f) * MR<T>;
#pragma GCC unroll 8
        for (int i = 0; i < NV; ++i) {
          const Vec<T> xv = load(x + i * width<T>);
#pragma GCC unroll 4
          for (int q = 0; q < 4; ++q) {
            const Vec<T> z = xv - mean[q], rz = z * load(four.rho[q] + p * MR<T> + i * width<T>);
            first[q] += rz;
            second[q] = madd(rz, z, second[q]);
          }
        }
      }
      for (int q = 0; q < four.components; ++q) {
        t.s1[(c + q) * t.depth + f] += lane_total<T>(first[q]);
        t.s2[(c + q) * t.depth + f] += lane_total<T>(second[q]);
      }
    }
  }
}

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
