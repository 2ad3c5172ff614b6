// Rows of a matrix of distances when clusters merge: the same bits on every ISA.
#pragma once
#include "../linkage_table.hpp"
#include "buckets.hpp"

namespace coterie::COTERIE_ISA {

COTERIE_INLINE Vec<double> load_wide(const double* p) { return load(p); }
COTERIE_INLINE Vec<double> load_wide(const float* p) { return to_double(load_part(p)); }
COTERIE_INLINE void store_wide(double* p, Vec<double> v) { store(p, v); }
COTERIE_INLINE void store_wide(float* p, Vec<double> v) { store_part(p, to_float(v)); }

// Replaces the entries of each pair in the row of a cluster of n_other points.
template <class T, Update update>
void replace_pairs(const PairsTask& task, double n_other, T* row) {
  const PairsTask t = task;  // a store could otherwise have changed the task
  constexpr int w = width<double>;
  for (index first = 0; first < t.count; first += w) {
    const std::int32_t *low = t.low + first, *high = t.high + first;
    Vec<double> a{}, b{};
#pragma GCC unroll 8
    for (int l = 0; l < w; ++l) a[l] = double(row[low[l]]), b[l] = double(row[high[l]]);
    alignas(64) double d[w];
    store(d, from_union<update>(a, b, load(t.apart + first), load(t.n_low + first),
                                load(t.n_high + first), splat(n_other)));
    const int last = t.count - first < w ? int(t.count - first) : w;
    if (last == w) {
#pragma GCC unroll 8
      for (int l = 0; l < w; ++l) row[high[l]] = T(d[l]), row[low[l]] = T(__builtin_inf());
    } else {
      for (int l = 0; l < last; ++l) row[high[l]] = T(d[l]), row[low[l]] = T(__builtin_inf());
    }
  }
}

// The row of a union, in the place of that of its later part. n_other: of each column, null where
// the method does not ask.
template <class T, Update update>
void unite_rows(const T* low, T* high, const double* n_other, index count, double apart,
                double n_low, double n_high) {
  constexpr int w = width<double>;
  for (index i = 0; i < count; i += w)
    store_wide(high + i,
               from_union<update>(load_wide(low + i), load_wide(high + i), splat(apart),
                                  splat(n_low), splat(n_high),
                                  update == Update::ward ? load(n_other + i) : Vec<double>{}));
}

template <class T>
constexpr RowKernels<T> row_kernels() {
  return {{replace_pairs<T, Update::complete>, replace_pairs<T, Update::average>,
           replace_pairs<T, Update::weighted>, replace_pairs<T, Update::ward>},
          {unite_rows<T, Update::complete>, unite_rows<T, Update::average>,
           unite_rows<T, Update::weighted>, unite_rows<T, Update::ward>}};
}

}  // namespace coterie::COTERIE_ISA
