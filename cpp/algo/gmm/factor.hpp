// Cholesky factors of small symmetric matrices, C-ordered d x d, in float64.
// Source: Golub & Van Loan, Matrix Computations, 4.2.
#pragma once
#include "../../base/view.hpp"

namespace coterie::gmm {

// inverse <- L^-1, lower triangular with zeros above, where s = L L^T (its lower triangle is read).
// False where a pivot is not above d * eps * the largest diagonal entry: s is singular, or not
// finite.
bool inverse_cholesky(const double* s, index d, double* inverse);

}  // namespace coterie::gmm
