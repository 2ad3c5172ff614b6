// Gaussian mixtures by expectation maximisation, for dense rows of float32 or float64.
//
//   E:  r_ic = pi_c N(x_i | mu_c, S_c) / sum_m pi_m N(x_i | mu_m, S_m)
//   M:  N_c = sum_i w_i r_ic,  mu_c = sum_i w_i r_ic x_i / N_c,
//       S_c = sum_i w_i r_ic (x_i - mu_c)(x_i - mu_c)^T / N_c + reg I,  pi_c = N_c / sum_i w_i
//
// Source: Dempster, Laird & Rubin, JRSS B 39 (1977); Bishop, Pattern Recognition and Machine
// Learning, 9.2.
//
// Both steps are one pass over X: a block of rows is packed once, scored under all components,
// turned into responsibilities and summed while it is in cache. Nothing of size n x k or n x d is
// allocated. Differences from the means are formed before products, so nothing cancels; sums of a
// block are in X's type, all others float64. Results have the same bits for any number of threads.
#pragma once
#include <functional>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"

namespace coterie::gmm {

using Values = std::vector<double>;

enum class Covariance { full, tied, diag, spherical };

// k Gaussians. factors: T with S^-1 = T^T T, lower triangular: k x d x d (full), d x d (tied), k x
// d (diag: inverse deviations), k (spherical).
struct Model {
  Covariance type;
  index k, depth;
  Values weights, means, factors, covariances;  // covariances: shaped like factors
  Values constants;  // what the E-step adds to -|T z|^2 / 2: ln weight + ln |T| - d/2 ln 2 pi
};
index factors_of(Covariance type, index k, index depth);  // how many values
void set_constants(Model& model);                         // from weights and factors

// What a pass gathers, about `centers`: n (k), s1 (k x d), s2 (full: k x D x D, lower triangle, D
// the depth rounded up to 4; diag and spherical: k x d; tied: none).
struct Sums {
  Values n, s1, s2, centers;
  double log_likelihood = 0;  // sum of w ln p(x)
  double entropy = 0;         // -sum of w r ln r
  index worst = -1;           // the row of lowest density
};
inline index square_stride(index depth) { return (depth + 3) / 4 * 4; }

// What the pass before has found of every row: its component (lower half), and a mark of that and
// of the set of components that share it (upper half). Rows alike stand together within their
// shard, so that components out of reach are given up early and zeros are not summed. At first all
// zero.
using Groups = Buffer<std::uint32_t>;
inline index component_of(std::uint32_t group) { return group & 0xffff; }
inline std::uint32_t group_of(index component, std::uint32_t set) {
  const auto c = static_cast<std::uint32_t>(component < 0xffff ? component : 0xffff);
  return ((set + c * 0x9e3779b1u) & 0xffff0000u) | c;
}

template <class T>
class Bounds;  // bounds.hpp

// shift: d values amid the data. Responsibilities below pi_c eps / 256 of the largest are taken as
// zero. within: gather s2 as for full covariances, whatever the model's are.
// Throws std::invalid_argument where a row has no finite density.
template <class T>
Sums expect(const View<T>& x, const double* weights, const Values& shift, const Model& model,
            Groups& groups, int n_threads, bool within = false, Bounds<T>* bounds = nullptr);

// The sums for given responsibilities, n x k, or labels (negative: none; null: all zero), about
// `centers` (k x d).
template <class T>
struct Given {
  const T* responsibilities = nullptr;
  const std::int32_t* labels = nullptr;
};
template <class T>
Sums gather(const View<T>& x, const double* weights, const Values& shift, Covariance type, index k,
            const Given<T>& given, const Values& centers, int n_threads);

// Each may be null: ln p(x_i), responsibilities (n x k), the most likely component (ties: the
// lowest).
template <class T>
struct Scores {
  double* log_density = nullptr;
  T* responsibilities = nullptr;
  std::int32_t* labels = nullptr;
};
template <class T>
void score(const View<T>& x, const Model& model, const Scores<T>& out, int n_threads);

struct Options {
  std::int64_t max_iter;
  double tol, reg_covar;
  int n_threads;
  std::function<bool(std::int64_t, double, double)>
      progress;  // (iteration, bound, change) -> stop?
};

struct Result {
  bool converged = false;
  Values lower_bounds;                       // mean of ln p(x), before each M-step
  std::vector<index> regularised, reseeded;  // components that collapsed, ascending
};

// What is asked of X once: weighted mean and variance of each column. Neither: `fit` reads them off
// its first pass, unless covariances are tied.
struct Columns {
  Values mean, variance;
};

// The first model, from responsibilities or labels. Its weights are N_c / sum w, not normalised
// further.
template <class T>
Result start(const View<T>& x, const double* weights, const Columns& columns, const Given<T>& given,
             const Options& options, Model& model);

// EM from `model`, in place. before: the bound an earlier run ended with, or -inf.
template <class T>
Result fit(const View<T>& x, const double* weights, const Columns& columns, double before,
           const Options& options, Model& model);

}  // namespace coterie::gmm
