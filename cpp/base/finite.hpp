// What to say of rows in whose results no finite number came out; and the sum of weights.
#pragma once
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "check.hpp"
#include "view.hpp"

namespace coterie {

// Whether n values are: x - x is 0 for these alone. Without a way out, so that it is vector code.
template <class T>
bool all_finite(const T* x, index n) {
  std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> others = 0;
  for (index i = 0; i < n; ++i) others |= x[i] - x[i] != 0;
  return others == 0;
}

inline double total_weight(const double* weights, index rows) {
  if (weights == nullptr) return static_cast<double>(rows);
  double total = 0;
  for (index i = 0; i < rows; ++i) total += weights[i];
  return total;
}

[[noreturn]] inline void refuse_found(index bad, index row, index column, double value, index overflow) {
  if (bad > 0)
    refuse("X", "finite values", std::isnan(value) ? "NaN" : "inf", " at row ", row, ", column ", column,
           " (", bad, " in all)");
  if (overflow < 0) refuse("X", "values whose squares fit float64", "an overflow");
  refuse("X", "values whose squared distances fit float64", "an overflow at row ", overflow);
}

// Throws for an X that is not finite, saying where and how often; or, where all of it is, for the overflow
// that brought us here (in row `overflow`, -1: somewhere).
template <class T>
[[noreturn]] void refuse_values(const View<T>& x, index overflow) {
  index bad = 0, row = -1, column = -1;
  for (index i = 0; i < x.rows; ++i)
    for (index f = 0; f < x.cols; ++f)
      if (!std::isfinite(x.row(i)[f]) && bad++ == 0) row = i, column = f;
  refuse_found(bad, row, column, bad ? x.row(row)[column] : T(0), overflow);
}
template <class T>
[[noreturn]] void refuse_values(const Csr<T>& x, index overflow) {
  index bad = 0, row = -1, entry = -1;
  for (index i = 0; i < x.rows; ++i)
    for (index e = x.start[i]; e < x.start[i + 1]; ++e)
      if (!std::isfinite(x.value[e]) && bad++ == 0) row = i, entry = e;
  refuse_found(bad, row, bad ? x.column[entry] : -1, bad ? x.value[entry] : T(0), overflow);
}

}  // namespace coterie
