// Divisive analysis, DIANA: one cluster of all rows, divided until every row is alone.
//
// The widest cluster C is next. Its row with the largest mean distance to the others leaves and
// founds S; then, while the largest gain
//
//   mean of d(i, j), j in C \ S other than i  -  mean of d(i, j), j in S
//
// is above zero and C \ S keeps a row, the row i with that gain follows. The height of a division
// is the diameter of C, the largest distance within it: no part is wider than the whole.
//
// Source: Kaufman & Rousseeuw, Finding Groups in Data, Wiley (1990), chapter 6.
#pragma once
#include <cmath>

#include "../../base/view.hpp"

namespace coterie::diana {

// Distances of n rows, those of i < j one row after another: n (n - 1) / 2 values.
struct Condensed {
  const double* data;
  index n;
  index rows() const { return n; }
  double asymmetry(index, index) const { return 0; }
  double operator()(index i, index j) const {
    if (i == j) return 0;
    const index low = i < j ? i : j, high = i < j ? j : i;
    return data[low * (2 * n - low - 1) / 2 + high - low - 1];
  }
};

// The same as a matrix: what lies above the diagonal counts, what lies below must agree and the
// diagonal be zero, but for rounding.
struct Square {
  View<double> matrix;
  index rows() const { return matrix.rows; }
  double asymmetry(index i, index j) const {
    return std::abs(i == j ? matrix.row(i)[i] : matrix.row(i)[j] - matrix.row(j)[i]);
  }
  double operator()(index i, index j) const {
    return i == j ? 0 : i < j ? matrix.row(i)[j] : matrix.row(j)[i];
  }
};

// Written for n rows. The division of row t of `merges` makes two of cluster n + t; order gives the
// rows as they stand below the tree, and cuts[t] where in it the second part begins.
struct Divisions {
  double* merges;  // (n - 1) x 4, SciPy's linkage matrix: two ids, the lower first; height; rows
  index* order;    // n
  index* cuts;     // n - 1
};

// n >= 2. Of equals, the cluster with the lowest row and the lowest row within it come first. Sums
// carry their rounding errors along, so that small integers give exact ties. Throws
// std::invalid_argument, naming X, for distances that are negative, not finite, so large that their
// sums overflow, or not symmetric. O(n) memory; O(n^2) operations for each level of an even tree,
// O(n^3) for a chain. Same result for any number of threads.
template <class Distances>
void divide(const Distances& distances, const Divisions& out, int n_threads);

}  // namespace coterie::diana
