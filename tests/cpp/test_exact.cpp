// Distances, sums and moments in float64: with integers, equal to a plain loop.
#include "../../cpp/engine/isa.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

// k lines of doubles as the leaves want them: zeros up to a multiple of 8.
struct Lines {
  Lines(index k, index depth, Edge edge) : stride(round_up(depth, 8)), memory(k * stride, edge) {
    memory.fill(0);
    for (index j = 0; j < k; ++j)
      for (index f = 0; f < depth; ++f)
        memory[j * stride + f] = small_integer(21, j * depth + f, 9);
  }
  index stride;
  Guarded<double> memory;
};

template <class T>
double naive(const Rows<T>& x, index i, const Lines& centers, index j) {
  double sum = 0;
  for (index f = 0; f < x.depth; ++f) {
    const double d = x.get(i, f) - centers.memory[j * centers.stride + f];
    sum += d * d;
  }
  return sum;
}

const std::vector<index>& depths() {
  static const std::vector<index> all = {1, 2, 3, 4, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 100};
  return all;
}

template <class T>
void check_distances() {
  for (const Edge edge : kEdges)
    for (const index depth : depths())
      for (const index k : {1, 2, 3, 4, 5, 7, 8, 9, 17}) {
        About about(type_name<T>(), " depth ", depth, " k ", k);
        const Rows<T> x(1, depth, depth, edge, 22, 9);
        const Lines centers(k, depth, edge);
        Guarded<double> out(k, edge);
        isa::kernels<T>().distances(x.memory.data(), depth, centers.memory.data(), centers.stride,
                                    k, out.data());
        for (index j = 0; j < k; ++j) CHECK_EQUAL(out[j], naive(x, 0, centers, j));
      }
}

template <class T>
void check_labelled() {
  constexpr index k = 5;
  for (const Edge edge : kEdges)
    for (const index depth : depths())
      for (const index rows : {1, 2, 3, 7, 8, 9, 20})
        for (const index gap : {0, 1, 5, 9}) {
          About about(type_name<T>(), " depth ", depth, " rows ", rows, " gap ", gap);
          const Rows<T> x(rows, depth, depth + gap, edge, 23, 9);
          const Lines centers(k, depth, edge);
          Guarded<std::int32_t> labels(rows, edge);
          for (index i = 0; i < rows; ++i) labels[i] = static_cast<std::int32_t>((i * 3 + 1) % k);
          Guarded<double> out(rows, edge);
          isa::kernels<T>().labelled({x.memory.data(), x.stride, rows, depth, x.readable(),
                                      centers.memory.data(), centers.stride, labels.data(),
                                      out.data()});
          for (index i = 0; i < rows; ++i) CHECK_EQUAL(out[i], naive(x, i, centers, labels[i]));
        }
}

struct Way {  // how a SumTask is given
  bool weighted, labelled, listed;
};

template <class T>
void check_sums(index rows, index depth, index gap, Edge edge, Way way) {
  About about(type_name<T>(), " depth ", depth, " rows ", rows, " gap ", gap, " ", way.weighted,
              way.labelled, way.listed);
  const index k = way.labelled ? 3 : 1, stride = round_up(depth + 1, 8);
  const Rows<T> x(rows, depth, depth + gap, edge, 24, 9);
  Guarded<double> shift(round_up(depth, 8), edge), weights(rows, edge), sums(k * stride, edge);
  Guarded<std::int32_t> labels(rows, edge);
  Guarded<std::int64_t> order(rows, edge);
  shift.fill(0);
  for (index f = 0; f < depth; ++f) shift[f] = small_integer(25, f, 3);
  std::vector<double> wanted(static_cast<std::size_t>(k * stride), 0.0);
  for (index i = 0; i < rows; ++i) {
    weights[i] = small_integer(26, i, 2) + 2;
    labels[i] = static_cast<std::int32_t>(i % k);
    order[i] = rows - 1 - i;
    double* line = wanted.data() + (way.labelled ? labels[i] * stride : 0);
    const double w = way.weighted ? weights[i] : 1;
    for (index f = 0; f < depth; ++f) line[f] += w * (x.get(i, f) - shift[f]);
    line[depth] += w;
  }
  sums.fill(0);
  isa::kernels<T>().accumulate({x.memory.data(), x.stride, rows, depth, x.readable(), shift.data(),
                                way.weighted ? weights.data() : nullptr,
                                way.labelled ? labels.data() : nullptr,
                                way.listed ? order.data() : nullptr, sums.data(), stride});
  for (index e = 0; e < k * stride; ++e) CHECK_EQUAL(sums[e], wanted[static_cast<std::size_t>(e)]);
}

template <class T>
void check_accumulate() {
  for (const Edge edge : kEdges)
    for (const index depth : depths())
      for (const index rows : {0, 1, 2, 9})
        for (const index gap : {0, 1, 9})
          for (int way = 0; way < 8; ++way)
            check_sums<T>(rows, depth, gap, edge, {(way & 1) != 0, (way & 2) != 0, (way & 4) != 0});
}

template <class T>
void check_moments() {
  for (const Edge edge : kEdges)
    for (const index depth : depths())
      for (const index rows : {0, 1, 2, 9})
        for (const index gap : {0, 1, 9})
          for (const bool weighted : {false, true}) {
            About about(type_name<T>(), " depth ", depth, " rows ", rows, " gap ", gap);
            const Rows<T> x(rows, depth, depth + gap, edge, 27, 9);
            const index padded = round_up(depth, 8);
            Guarded<double> shift(padded, edge), weights(rows, edge), s1(padded, edge),
                s2(padded, edge);
            shift.fill(0), s1.fill(1), s2.fill(2);
            for (index f = 0; f < depth; ++f) shift[f] = small_integer(28, f, 3);
            for (index i = 0; i < rows; ++i) weights[i] = small_integer(29, i, 2) + 2;
            isa::kernels<T>().moments(
                {x.memory.data(), x.stride, rows, depth, x.readable(), shift.data(),
                 weighted ? weights.data() : nullptr, nullptr, nullptr, nullptr, 0},
                s1.data(), s2.data());
            for (index f = 0; f < depth; ++f) {
              double first = 1, second = 2;
              for (index i = 0; i < rows; ++i) {
                const double d = x.get(i, f) - shift[f], w = weighted ? weights[i] : 1;
                first += w * d;
                second += w * d * d;
              }
              CHECK_EQUAL(s1[f], first);
              CHECK_EQUAL(s2[f], second);
            }
          }
}

}  // namespace

TEST(exact, distances_float) { check_distances<float>(); }
TEST(exact, distances_double) { check_distances<double>(); }
TEST(exact, labelled_float) { check_labelled<float>(); }
TEST(exact, labelled_double) { check_labelled<double>(); }
TEST(exact, accumulate_float) { check_accumulate<float>(); }
TEST(exact, accumulate_double) { check_accumulate<double>(); }
TEST(exact, moments_float) { check_moments<float>(); }
TEST(exact, moments_double) { check_moments<double>(); }

}  // namespace tests
