// Nearest and SparseNearest: the argmin of float64 distances from differences, ties to the lowest
// index, whatever kernel the shape chose.
#include <limits>

#include "../../cpp/engine/nearest.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

struct Labels {
  std::vector<std::int32_t> of;
  index bad = -1;
};

template <class T, class Near, class X>
Labels run_blocks(Near& nearest, const X& x, const Rows<T>& centers) {
  nearest.set(centers.memory.data());
  auto scratch = nearest.scratch();
  Labels labels{std::vector<std::int32_t>(static_cast<std::size_t>(x.rows)), -1};
  for (index i = 0; i < x.rows && labels.bad < 0; i += kBlockRows)
    labels.bad =
        nearest.block(x, i, std::min(kBlockRows, x.rows - i), labels.of.data() + i, scratch);
  return labels;
}

template <class T>
Labels dense(const Rows<T>& x, const Rows<T>& centers, double middle = 0) {
  std::vector<double> shift(static_cast<std::size_t>(x.depth), middle);
  Nearest<T> nearest(centers.rows, x.depth, shift.data());
  return run_blocks(nearest, x.view(), centers);
}

template <class T>
Labels sparse(const Rows<T>& x, const Rows<T>& centers) {
  const SparseRows<T> rows(x);
  SparseNearest<T> nearest(centers.rows, x.depth, rows.longest());
  return run_blocks(nearest, rows.csr(), centers);
}

template <class T>
void compare(const Labels& labels, const Rows<T>& x, const Rows<T>& centers) {
  CHECK_EQUAL(labels.bad, -1);
  for (index i = 0; i < x.rows; ++i)
    CHECK_EQUAL(labels.of[static_cast<std::size_t>(i)],
                naive_label(x, i, centers.memory.data(), centers.rows));
}

// How integers are turned into data: scale * integer + offset, all exact in T.
struct Place {
  const char* name;
  double scale, offset;
};
template <class T>
std::vector<Place> places() {
  if (sizeof(T) == 4)
    return {{"plain", 1, 0},
            {"shifted by 1e3", 1, 1e3},
            {"tiny", 0x1p-100, 0},
            {"subnormal squares", 0x1p-70, 0},
            {"huge", 0x1p100, 0}};
  return {{"plain", 1, 0},
          {"shifted by 1e6", 1, 1e6},
          {"tiny", 0x1p-100, 0},
          {"subnormal squares", 0x1p-515, 0},
          {"huge", 0x1p480, 0}};
}

template <class T>
void check_places(index n, index depth, index k, int bound) {
  for (const Place& place : places<T>()) {
    About about(type_name<T>(), " ", place.name, " n ", n, " depth ", depth, " k ", k);
    Rows<T> x(n, depth, depth + n % 2, Edge::end, 41, bound),
        centers(k, depth, depth, Edge::end, 42, bound);
    for (index j = 2; j < k; j += 3)  // duplicates: the first of them wins
      for (index f = 0; f < depth; ++f) centers.at(j, f) = centers.at(j - 1, f);
    x.affine(place.scale, place.offset), centers.affine(place.scale, place.offset);
    compare(dense(x, centers, place.offset), x, centers);
    compare(dense(x, centers, 0), x, centers);  // a bad shift costs time, not answers
    if (place.offset == 0) compare(sparse(x, centers), x, centers);
  }
}

template <class T>
void check_grids() {
  for (const index depth : {1, 2, 3, 12, 13, 40, 127, 128, 130})
    for (const index k : {1, 2, 3, 20, 21, 65})
      check_places<T>(depth < 40 ? 530 : 70, depth, k, static_cast<int>(1 + k % 3));
  check_places<T>(600, 2, 130, 4);
}

// Rows and centres from 1 to 1e30 of one matrix, dimensions far apart: scores overflow, distances
// do not.
template <class T>
void check_mixed_magnitudes() {
  const int step = sizeof(T) == 4 ? 10 : 60;  // powers of two up to 2^110, 2^480
  for (const index depth : {2, 20, 130}) {
    constexpr index k = 12;
    About about(type_name<T>(), " depth ", depth);
    Rows<T> x(60, depth, depth, Edge::end, 43, 3), centers(k, depth, depth, Edge::end, 44, 3);
    const auto stretch = [&](Rows<T>& rows, int first) {
      for (index i = 0; i < rows.rows; ++i)
        for (index f = 0; f < depth; ++f) {
          const int power =
              static_cast<int>((i + f * f) % (sizeof(T) == 4 ? 12 : 9)) * step + first;
          rows.at(i, f) = static_cast<T>(std::ldexp(rows.get(i, f), std::min(power, 480)));
        }
    };
    stretch(x, 0), stretch(centers, 2);
    for (index f = 0; f < depth; ++f) centers.at(k - 1, f) = T(1), centers.at(k - 2, f) = T(0);
    compare(dense(x, centers), x, centers);
    compare(sparse(x, centers), x, centers);
  }
}

// One centre so far out that its scores overflow must not draw the rows near the others.
template <class T>
void check_far_centre() {
  const double far = sizeof(T) == 4 ? 1e30 : 1e210, reach = sizeof(T) == 4 ? 1e15 : 1e100;
  for (const index depth : {1, 2, 20, 130})
    for (const double sign : {-1.0, 1.0})
      for (const double scale : {1.0, 1e-5, 1e-8, 1e-10, 1e-11}) {
        About about(type_name<T>(), " depth ", depth, " sign ", sign, " scale ", scale);
        Rows<T> x(30, depth, depth, Edge::end, 45, 3), centers(3, depth, depth, Edge::end, 46, 3);
        x.affine(reach, 0), centers.affine(reach, 0);
        centers.at(1, 0) = static_cast<T>(sign * far * scale);
        compare(dense(x, centers), x, centers);
        compare(sparse(x, centers), x, centers);
      }
}

// Centres whose halved squares stand just below what the bias may hold.
void check_bias_limit() {
  for (const index depth : {1, 2, 20, 130})
    for (int far = 100; far <= 250; far += 5) {
      About about("depth ", depth, " far ", far);
      Rows<float> x(40, depth, depth, Edge::end, 47, 2), centers(6, depth, depth, Edge::end, 48, 2);
      x.affine(0x1p60, 0), centers.affine(0x1p59, 0);
      centers.at(0, 0) = 0x1p59f;
      centers.at(1, 0) = static_cast<float>(-far * 1e17),
                    centers.at(4, 0) = static_cast<float>(far * 1e17);
      compare(dense(x, centers), x, centers);
      compare(sparse(x, centers), x, centers);
    }
}

template <class T>
void check_not_finite() {
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               inf = std::numeric_limits<double>::infinity();
  const double overflow = sizeof(T) == 4 ? inf : 1e200;  // a float's square always fits a double
  for (const index depth : {1, 3, 12, 13, 130})
    for (const index k : {1, 5, 30})
      for (const double value : {nan, inf, -inf, overflow})
        for (const index row : {0, 1, 511, 512, 540}) {
          About about(type_name<T>(), " depth ", depth, " k ", k, " value ", value, " row ", row);
          Rows<T> x(541, depth, depth, Edge::end, 49, 3);
          const Rows<T> centers(k, depth, depth, Edge::end, 50, 3);
          x.at(row, depth / 2) = static_cast<T>(value);
          if (row < 540) x.at(540, 0) = static_cast<T>(value);
          CHECK_EQUAL(dense(x, centers).bad, row);
          CHECK_EQUAL(sparse(x, centers).bad, row);
        }
}

}  // namespace

TEST(nearest, grids_float) { check_grids<float>(); }
TEST(nearest, grids_double) { check_grids<double>(); }
TEST(nearest, mixed_magnitudes_float) { check_mixed_magnitudes<float>(); }
TEST(nearest, mixed_magnitudes_double) { check_mixed_magnitudes<double>(); }
TEST(nearest, far_centre_float) { check_far_centre<float>(); }
TEST(nearest, far_centre_double) { check_far_centre<double>(); }
TEST(nearest, bias_limit) { check_bias_limit(); }
TEST(nearest, not_finite_float) { check_not_finite<float>(); }
TEST(nearest, not_finite_double) { check_not_finite<double>(); }

}  // namespace tests
