// Weighted sums of a block of rows about k means, added to float64 totals: the M-step while rows are hot.
//
//   n_c += sum rho     s1_c += sum rho z     s2_c += sum rho z z^T (full: its lower triangle) or z^2 (diag)
//
// with z = x - mean_c and rho the responsibilities of component c, a line of `ld` values. Rows stand in
// lanes; sums of a block are added across lanes once.
#pragma once
#include "../table.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

constexpr int kPairs = NV * NR >= 24 ? 4 : 2;  // with 4 lines on the other side: 16 sums need 32 registers

template <class T>
COTERIE_INLINE double lane_total(Vec<T> v) {
  double sum = 0;
  for (int l = 0; l < width<T>; ++l) sum += double(v[l]);
  return sum;
}

// out[i * kPairs + j] = sum over rows of a_i b_j.
template <class T>
COTERIE_INLINE void pair_sums(const T* const (&a)[4], const T* const (&b)[kPairs], index rows, T* out) {
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

// Sum of a component's line; its square roots, in full, go to `root`.
template <class T>
COTERIE_INLINE double line_total(const T* rho, index rows, T* root) {
  Vec<T> sum{};
  for (index r = 0; r < rows; r += width<T>) sum += load(rho + r);
  if (root)
    for (index r = 0; r < rows; ++r) root[r] = __builtin_sqrt(rho[r]);
  return lane_total<T>(sum);
}
template <>
COTERIE_INLINE double line_total(const float* rho, index rows, float* root) {
  Vec<float> sum{};
  for (index r = 0; r < rows; r += width<float>) sum += load(rho + r);
  if (root)
    for (index r = 0; r < rows; ++r) root[r] = __builtin_sqrtf(rho[r]);
  return lane_total<float>(sum);
}

// z = sqrt(rho) (x - mean), one line a feature; s1 on the way.
template <class T>
COTERIE_INLINE void weighted_lines(const MixtureTask<T>& t, index c, const T* root, double* s1) {
  const index rows = t.n_panels * MR<T>;
  for (index f = 0; f < t.depth; ++f) {
    const Vec<T> mean = broadcast(t.means + c * t.depth + f);
    Vec<T> sum[NV] = {};
    for (index p = 0; p < t.n_panels; ++p) {
      const T* x = t.panels + (p * t.depth + f) * MR<T>;
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) {
        const Vec<T> weight = load(root + p * MR<T> + i * width<T>);
        const Vec<T> z = (load(x + i * width<T>) - mean) * weight;
        store(t.z + f * rows + p * MR<T> + i * width<T>, z);
        sum[i] = madd(z, weight, sum[i]);
      }
    }
    for (int i = 1; i < NV; ++i) sum[0] += sum[i];
    s1[f] += lane_total<T>(sum[0]);
  }
}

// s2: k squares of `stride` x `stride`, stride the depth rounded up to 4. z: (stride + 1) lines.
template <class T>
void scatter_full(const MixtureTask<T>& t) {
  const index rows = t.n_panels * MR<T>, stride = (t.depth + 3) / 4 * 4;
  T* root = t.z + stride * rows;
  for (index e = t.depth * rows; e < stride * rows; ++e) t.z[e] = T(0);
  for (index c = 0; c < t.k; ++c) {
    const double total = line_total<T>(t.logits + c * rows, rows, root);
    if (total == 0) continue;
    t.n[c] += total;
    weighted_lines<T>(t, c, root, t.s1 + c * t.depth);
    double* s2 = t.s2 + c * stride * stride;
    for (index i = 0; i < stride; i += 4) {
      const T* const a[4] = {t.z + i * rows, t.z + (i + 1) * rows, t.z + (i + 2) * rows,
                             t.z + (i + 3) * rows};
      for (index j = 0; j < i + 4; j += kPairs) {
        const T* b[kPairs];
        for (int q = 0; q < kPairs; ++q) b[q] = t.z + (j + q) * rows;
        T sums[4 * kPairs];
        pair_sums<T>(a, b, rows, sums);
        for (int q = 0; q < 4; ++q)
          for (int s = 0; s < kPairs; ++s)
            s2[(i + q) * stride + j + s] += double(sums[q * kPairs + s]);
      }
    }
  }
}

// s2: k lines of `depth`.
template <class T>
void scatter_diag(const MixtureTask<T>& t) {
  const index rows = t.n_panels * MR<T>;
  for (index c = 0; c < t.k; ++c) {
    const T* rho = t.logits + c * rows;
    const double total = line_total<T>(rho, rows, nullptr);
    if (total == 0) continue;
    t.n[c] += total;
    for (index f = 0; f < t.depth; ++f) {
      const Vec<T> mean = broadcast(t.means + c * t.depth + f);
      Vec<T> first[NV] = {}, second[NV] = {};
      for (index p = 0; p < t.n_panels; ++p) {
        const T* x = t.panels + (p * t.depth + f) * MR<T>;
#pragma GCC unroll 8
        for (int i = 0; i < NV; ++i) {
          const Vec<T> z = load(x + i * width<T>) - mean, rz = z * load(rho + p * MR<T> + i * width<T>);
          first[i] += rz;
          second[i] = madd(rz, z, second[i]);
        }
      }
      for (int i = 1; i < NV; ++i) first[0] += first[i], second[0] += second[i];
      t.s1[c * t.depth + f] += lane_total<T>(first[0]);
      t.s2[c * t.depth + f] += lane_total<T>(second[0]);
    }
  }
}

// n and s1 alone, about zero: a product of the k lines of rho with the block's features.
template <class T>
void scatter_first(const MixtureTask<T>& t) {
  const index rows = t.n_panels * MR<T>;
  for (index c = 0; c < t.k; ++c) t.n[c] += line_total<T>(t.logits + c * rows, rows, nullptr);
  for (index c = 0; c < t.k; c += 4)
    for (index f = 0; f < t.depth; f += kPairs) {
      Vec<T> acc[4][kPairs] = {};
      const T *a[4], *b[kPairs];
      for (int q = 0; q < 4; ++q) a[q] = t.logits + (c + q < t.k ? c + q : c) * rows;
      for (index p = 0; p < t.n_panels; ++p) {
        for (int s = 0; s < kPairs; ++s)
          b[s] = t.panels + (p * t.depth + (f + s < t.depth ? f + s : f)) * MR<T>;
#pragma GCC unroll 1
        for (int i = 0; i < NV; ++i) {
          Vec<T> bv[kPairs];
#pragma GCC unroll 4
          for (int s = 0; s < kPairs; ++s) bv[s] = load(b[s] + i * width<T>);
#pragma GCC unroll 4
          for (int q = 0; q < 4; ++q) {
            const Vec<T> av = load(a[q] + p * MR<T> + i * width<T>);
#pragma GCC unroll 4
            for (int s = 0; s < kPairs; ++s) acc[q][s] = madd(av, bv[s], acc[q][s]);
          }
        }
      }
      for (int q = 0; q < 4 && c + q < t.k; ++q)
        for (int s = 0; s < kPairs && f + s < t.depth; ++s)
          t.s1[(c + q) * t.depth + f + s] += lane_total<T>(acc[q][s]);
    }
}

}  // namespace coterie::COTERIE_ISA
