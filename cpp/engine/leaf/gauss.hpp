// Log densities of a block of rows under k Gaussians, up to what the caller puts in `constants`:
//
//   logits(c, r) = constants_c + scale_c |T_c (x_r - mean_c)|^2
//
// with T_c lower triangular (full), diagonal, or the identity (plain). The difference is formed before the
// product, so nothing cancels; |T z|^2 is summed in registers, so T z is never stored.
#pragma once
#include "../table.hpp"
#include "explog.hpp"
#include "tile.hpp"

namespace coterie::COTERIE_ISA {

// Rows of a triangle at a time: narrower tiles than NR waste less of it (bench: gmm).
constexpr int GN = 4;

template <class T>
using Panel = Vec<T>[NV];

template <class T>
COTERIE_INLINE void put_logits(const MixtureTask<T>& t, index panel, index c, const Panel<T>& squares) {
  T* to = t.logits + c * t.n_panels * MR<T> + panel * MR<T>;
  const Vec<T> constant = broadcast(t.constants + c), scale = broadcast(t.scale + c);
  for (int i = 0; i < NV; ++i) store(to + i * width<T>, madd(scale, squares[i], constant));
}

// One panel's |T z|^2. factor: GN rows of T at a time, column by column, up to the diagonal.
template <class T>
COTERIE_INLINE void triangle(const T* z, const T* factor, index depth, Panel<T>& squares) {
  for (index j = 0; j < depth; j += GN) {
    const index below = j + GN < depth ? j + GN : depth;
    Vec<T> y[GN][NV] = {};
    tile<T>(z, PanelColumns<T, GN>{factor}, below, y);
    factor += below * GN;
#pragma GCC unroll 4
    for (int q = 0; q < GN; ++q)
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) squares[i] = madd(y[q][i], y[q][i], squares[i]);
  }
}

template <class T>
void gauss_full(const MixtureTask<T>& t) {
  const index triangle_size = t.factor_size;
  for (index p = 0; p < t.n_panels; ++p) {
    const T* x = t.panels + p * t.depth * MR<T>;
    for (index c = 0; c < t.k; ++c) {
      for (index f = 0; f < t.depth; ++f) {
        const Vec<T> mean = broadcast(t.means + c * t.depth + f);
#pragma GCC unroll 8
        for (int i = 0; i < NV; ++i)
          store(t.z + f * MR<T> + i * width<T>, load(x + f * MR<T> + i * width<T>) - mean);
      }
      Panel<T> squares = {};
      triangle<T>(t.z, t.factors + c * triangle_size, t.depth, squares);
      put_logits<T>(t, p, c, squares);
    }
  }
}

// Diagonal (scaled) or identity T: GN components share each read of x.
template <class T, bool scaled>
COTERIE_INLINE void gauss_diagonal(const MixtureTask<T>& t) {
  for (index p = 0; p < t.n_panels; ++p) {
    const T* x = t.panels + p * t.depth * MR<T>;
    for (index c0 = 0; c0 < t.k; c0 += GN) {
      index at[GN];
      for (int q = 0; q < GN; ++q) at[q] = (c0 + q < t.k ? c0 + q : c0) * t.depth;
      Panel<T> squares[GN] = {};
#pragma GCC unroll 1
      for (index f = 0; f < t.depth; ++f) {
        Vec<T> v[NV];
#pragma GCC unroll 8
        for (int i = 0; i < NV; ++i) v[i] = load(x + f * MR<T> + i * width<T>);
#pragma GCC unroll 4
        for (int q = 0; q < GN; ++q) {
          const Vec<T> mean = broadcast(t.means + at[q] + f);
#pragma GCC unroll 8
          for (int i = 0; i < NV; ++i) {
            Vec<T> z = v[i] - mean;
            if (scaled) z *= broadcast(t.factors + at[q] + f);
            squares[q][i] = madd(z, z, squares[q][i]);
          }
        }
      }
      for (int q = 0; q < GN && c0 + q < t.k; ++q) put_logits<T>(t, p, c0 + q, squares[q]);
    }
  }
}
template <class T>
void gauss_diag(const MixtureTask<T>& t) {
  gauss_diagonal<T, true>(t);
}
template <class T>
void gauss_plain(const MixtureTask<T>& t) {
  gauss_diagonal<T, false>(t);
}

// The rows themselves through one triangle, in place: x <- T x, so that a covariance all components share
// is dealt with once. The last rows of T first: its row j needs x only up to j.
template <class T>
void gauss_whiten(const MixtureTask<T>& t) {
  const index rest = t.depth % GN == 0 ? GN : t.depth % GN;
  for (index p = 0; p < t.n_panels; ++p) {
    T* x = t.whitened + p * t.depth * MR<T>;
    const T* factor = t.factors + t.factor_size;
    for (index j = t.depth - rest; j >= 0; j -= GN) {
      const index below = j + GN < t.depth ? j + GN : t.depth;
      factor -= below * GN;
      Vec<T> y[GN][NV] = {};
      tile<T>(x, PanelColumns<T, GN>{factor}, below, y);
      for (int q = 0; q < GN && j + q < t.depth; ++q)
        for (int i = 0; i < NV; ++i) store(x + (j + q) * MR<T> + i * width<T>, y[q][i]);
    }
  }
}

// Logits to responsibilities times the row's weight, in place, and each row's ln sum exp and entropy
// -sum r ln r. Weights of rows that are padding are zero.
template <class T>
void softmax(const SoftmaxTask<T>& t) {
  const Vec<T> lowest = splat(ExpLog<T>::lowest);
  for (index r = 0; r < t.rows; r += width<T>) {
    Vec<T> top = load(t.logits + r);
    for (index c = 1; c < t.k; ++c) top = higher(top, load(t.logits + c * t.ld + r));
    Vec<T> sum{}, cross{};
    for (index c = 0; c < t.k; ++c) {
      const Vec<T> x = higher(load(t.logits + c * t.ld + r) - top, lowest), e = exp_of<T>(x);
      sum += e;
      cross = madd(e, x, cross);
      store(t.logits + c * t.ld + r, e);
    }
    const Vec<T> log_sum = log_of<T>(sum), share = load(t.weights + r) / sum;
    store(t.log_sums + r, top + log_sum);
    store(t.entropies + r, log_sum - cross / sum);
    for (index c = 0; c < t.k; ++c) {
      T* to = t.logits + c * t.ld + r;
      store(to, load(to) * share);
    }
  }
}

}  // namespace coterie::COTERIE_ISA
