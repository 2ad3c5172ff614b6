// The table of the sparse leaves (engine/leaf/sparse.cpp): what Table points at, one an ISA.
#pragma once
#include <cstdint>

namespace coterie {

// CSR rows against `lanes` vectors side by side, float64: for each row r and lane w the sum of
// value * factor * panel over the row's entries as they stand, one rounding a product and one a
// sum: the same bits on every ISA. The leaf stops at a row with a hit, a lane where
//
//     sum > lane_slope[w] * row_level[r] + (lane_floor[w] + row_floor[r]).
template <class T>
struct PanelTask {
  const T* value;
  const std::int32_t* column;
  const std::int64_t* start;
  const double* factor;      // one a row
  const std::int32_t* slot;  // line of the panel a column has, 0: none; null: column c has line c
  const double* panel;       // lines of `lanes` values; with slots, line 0 is not read
  const double *lane_slope, *lane_floor;
  const double *row_level, *row_floor;
};

template <class T>
struct SparseKernels {
  std::int64_t lanes;
  // First row of [first, last) with a hit, or last; of it all sums, and a bit for each lane hit.
  std::int64_t (*panel_hit)(const PanelTask<T>& task, std::int64_t first, std::int64_t last,
                            double* sums, std::uint32_t* hits);
  // sums[i] += factor * line[i], one rounding a product and one a sum.
  void (*add_line)(double* sums, const T* line, double factor, std::int64_t count);
};

struct SparseTable {
  SparseKernels<float> f32;
  SparseKernels<double> f64;
  // First i of [first, count) with sums[i] > slope * level[i] + floor, or count.
  std::int64_t (*first_above)(const double* sums, const double* level, double slope, double floor,
                              std::int64_t first, std::int64_t count);
};

}  // namespace coterie
