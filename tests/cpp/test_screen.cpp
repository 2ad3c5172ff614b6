// The screen leaf in front of k-means++ may err only towards yes; with integers it does not err at
// all.
#include <limits>

#include "../../cpp/engine/isa.hpp"
#include "../../cpp/engine/screen.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

template <class T>
void check_leaf(index rows, index depth, index k, index gap, Edge edge) {
  const index w = isa::kernels<T>().width;
  About about(type_name<T>(), " rows ", rows, " depth ", depth, " k ", k, " gap ", gap);
  const Rows<T> x(rows, depth, depth + gap, edge, 91, 9), candidates(k, depth, depth, edge, 92, 9);
  Guarded<T> columns(round_up(k, w) * depth, edge), bias(round_up(k, w), edge);
  Guarded<T> threshold(rows, edge);
  Guarded<std::uint16_t> masks(rows, edge);
  columns.fill(T(0)), bias.fill(sizeof(T) == 4 ? T(3e38) : T(1e308));
  for (index j = 0; j < k; ++j) {
    bias[j] = static_cast<T>(small_integer(93, j, 99));
    for (index f = 0; f < depth; ++f)
      columns[(j / w * depth + f) * w + j % w] = static_cast<T>(candidates.get(j, f));
  }
  for (index i = 0; i < rows; ++i) threshold[i] = static_cast<T>(small_integer(94, i, 60));
  threshold[rows - 1] = std::numeric_limits<T>::quiet_NaN();
  isa::kernels<T>().screen({x.memory.data(), x.stride, rows, depth, columns.data(), bias.data(), k,
                            threshold.data(), masks.data()});
  for (index i = 0; i < rows; ++i) {
    unsigned wanted = 0;
    for (index j = 0; j < k; ++j) {
      double score = static_cast<double>(bias[j]);
      for (index f = 0; f < depth; ++f) score += x.get(i, f) * candidates.get(j, f);
      if (!(score >= static_cast<double>(threshold[i]))) wanted |= 1u << j;
    }
    CHECK_EQUAL(masks[i] & ((1u << k) - 1), wanted);  // beyond k anything may stand
  }
}

template <class T>
void check_leaves() {
  for (const Edge edge : kEdges)
    for (const index rows : {1, 7, 8, 9, 17, 40})
      for (const index depth : {1, 2, 5, 16, 33})
        for (const index k : {1, 2, 3, 4, 5, 8, 9, 15, 16})
          check_leaf<T>(rows, depth, k, (rows + k) % 3, edge);
}

// Never a no for a candidate that is closer, whatever the magnitudes.
template <class T>
void check_certain(double scale, double offset) {
  About about(type_name<T>(), " scale ", scale, " offset ", offset);
  constexpr index n = 200, d = 7, k = 16;
  Rows<T> x(n, d, d, Edge::end, 95, 5), candidates(k, d, d, Edge::end, 96, 5);
  x.affine(scale, offset), candidates.affine(scale, offset);
  const std::vector<double> shift(static_cast<std::size_t>(d), offset);
  Screen<T> screen(d, shift.data());
  screen.set(candidates.memory.data(), k);
  std::vector<T> thresholds;
  std::vector<double> closest;
  for (index i = 0; i < n; ++i) {
    double sq_norm = 0;
    for (index f = 0; f < d; ++f) sq_norm += (x.get(i, f) - offset) * (x.get(i, f) - offset);
    const T* other = &x.memory[(i * 7 + 3) % n * d];
    closest.push_back(sq_distance(x, i, other));
    thresholds.push_back(screen.threshold(sq_norm, closest.back()));
  }
  std::vector<std::uint16_t> masks(static_cast<std::size_t>(n));
  screen.block(x.view(), 0, n, thresholds.data(), masks.data());
  for (index i = 0; i < n; ++i)
    for (index j = 0; j < k; ++j)
      if (sq_distance(x, i, candidates.memory.data() + j * d) <
          closest[static_cast<std::size_t>(i)])
        CHECK((masks[static_cast<std::size_t>(i)] >> j & 1) == 1);
}

}  // namespace

TEST(screen, leaf_float) { check_leaves<float>(); }
TEST(screen, leaf_double) { check_leaves<double>(); }
TEST(screen, certain_float) {
  for (int power = -120; power <= 120; power += 4) check_certain<float>(std::ldexp(1.0, power), 0);
  for (const double offset : {10.0, 1e3, 1e6}) check_certain<float>(1, offset);
}
TEST(screen, certain_double) {
  for (int power = -500; power <= 500; power += 20)
    check_certain<double>(std::ldexp(1.0, power), 0);
  for (const double offset : {10.0, 1e3, 1e6, 1e12}) check_certain<double>(1, offset);
}

}  // namespace tests
