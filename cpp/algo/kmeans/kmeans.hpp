// k-means: Lloyd's algorithm and its seedings, for dense and CSR rows of float32 or float64.
//
//   J = sum_i w_i |x_i - c_label(i)|^2
//
// Sources: Lloyd, IEEE Trans. Inf. Theory 28 (1982); Arthur & Vassilvitskii, SODA 2007 (k-means++);
// Bahmani et al., PVLDB 5 (2012) (k-means||).
//
// X is View<T> or Csr<T>; weights: one a row, finite, >= 0, or null for ones; centres: k x depth,
// C-ordered, in X's own type. Every result has the same bits for any number of threads and on any ISA.
#pragma once
#include <functional>
#include <vector>

#include "../../base/view.hpp"

namespace coterie::kmeans {

// Weighted mean and population variance of each column. Throws std::invalid_argument, naming X, row and
// column, where X is not finite.
struct Moments {
  std::vector<double> mean, variance;
};
template <class X>
Moments moments(const X& x, const double* weights, int n_threads);

enum class Empty { relocate, keep, error };

struct Options {
  std::int64_t max_iter;
  double tol;  // stop when the summed squared centre shift is <= tol
  Empty empty;
  int n_threads;
  // After each iteration: (iteration, inertia, shift) -> stop?
  std::function<bool(std::int64_t, double, double)> progress;
};

struct Iteration {
  double inertia, shift;
};

struct Result {
  double inertia = 0;  // of the labels returned, against the centres returned
  std::vector<Iteration> history;
};

// centers: start in, final out. labels: out, always the assignment to the final centres.
template <class X, class T>
Result lloyd(const X& x, const double* weights, const Moments& moments, T* centers, index k,
             std::int32_t* labels, const Options& options);

// Nearest centre of each row; sq_distances may be null.
template <class X, class T>
void assign(const X& x, const T* centers, index k, std::int32_t* labels, double* sq_distances,
            int n_threads);

// One E-step and the sums of the M-step: sums (k x depth) of w x, totals (k) of w. Returns the inertia.
template <class X, class T>
double step(const X& x, const double* weights, const T* centers, index k, std::int32_t* labels,
            double* sums, double* totals, int n_threads);

// out (rows x k): Euclidean distances.
template <class X, class T>
void distances(const X& x, const T* centers, index k, T* out, int n_threads);

// Greedy k-means++ from given draws: uniforms is (k - 1) x trials in [0, 1). indices: k rows of x.
// Once no mass is left (fewer distinct rows than k) the remaining entries repeat the first.
template <class X>
void plus_plus(const X& x, const double* weights, index first, const double* uniforms, index k,
               index trials, index* indices, int n_threads);

// k-means||: candidate rows, and the weight of the rows nearest to each.
struct Candidates {
  std::vector<index> rows;
  std::vector<double> weights;
};
template <class X>
Candidates parallel_seeding(const X& x, const double* weights, index first, std::uint64_t seed,
                            double oversampling, int rounds, int n_threads);

}  // namespace coterie::kmeans
