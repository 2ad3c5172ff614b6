// The leaves of top-N, gathered into their part of an ISA's table.
#include "exact.hpp"
#include "nth_largest.hpp"
#include "top_n_int8.hpp"
#include "top_n_rows.hpp"
#include "top_n_tile.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
void scaled(const ScaleTask<T>& t) {
  for (index r = 0; r < t.rows; ++r) {
    const double scale = t.scale[r];
    const T* __restrict x = t.x + r * t.ld;
    float* __restrict out = t.out + r * t.depth;
    for (index p = 0; p < t.depth; ++p) out[p] = float((double(x[p]) - t.shift[p]) * scale);
  }
}

// <x, y> in float64, in the order of exact.hpp: the same bits on every ISA.
template <class T>
double exact_dot(const T* x, index depth, const double* y) {
  const index whole = depth / kLanes * kLanes;
  Eight sum = {};
  const auto add = [&](const Eight& row, index p) __attribute__((always_inline)) {
    const Eight other = load8(y + p);
#pragma GCC unroll 8
    for (int i = 0; i < kParts; ++i) sum.v[i] += row.v[i] * other.v[i];
  };
  for (index p = 0; p < whole; p += kLanes) add(load8(x + p), p);
  if (whole < depth) add(load_tail(x + whole, depth - whole), whole);
  double lane[width<double>];
  store(lane, halve(sum));
  for (int h = width<double> / 2; h > 0; h /= 2)
    for (int i = 0; i < h; ++i) lane[i] += lane[i + h];
  return lane[0];
}

extern const TopNTable top_n_table;
#ifdef COTERIE_BYTE_DOT
constexpr ByteKernels kFastBytes = {top_n_int8<FastByteDot>, top_n_int8_both<FastByteDot>};
#else
constexpr ByteKernels kFastBytes = {nullptr, nullptr};
#endif
constexpr TopNTable kTopNTable = {{scaled<float>, exact_dot<float>, top_n_rows<float>},
                                  {scaled<double>, exact_dot<double>, top_n_rows<double>},
                                  top_n_rows<std::uint16_t>,
                                  top_n_panel<false>,
                                  top_n_panel<true>,
                                  top_n_peaks,
                                  quantise_row,
                                  nth_largest,
                                  {top_n_int8<ByteDot>, top_n_int8_both<ByteDot>},
                                  kFastBytes};
const TopNTable top_n_table = kTopNTable;

}  // namespace coterie::COTERIE_ISA
