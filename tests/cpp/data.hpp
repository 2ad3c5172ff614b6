// Rows of small integers held in floats: every product and sum of them is exact, so the expected
// answer is a plain double loop and the comparison is equality.
#pragma once
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "../../cpp/base/random.hpp"
#include "../../cpp/base/view.hpp"
#include "guard.hpp"

namespace tests {

template <class T>
const char* type_name() {
  return sizeof(T) == 4 ? "float" : "double";
}

// An integer in [-bound, bound].
inline int small_integer(std::uint64_t seed, index i, int bound) {
  const std::uint64_t draw = coterie::mix(seed * 1000003 + static_cast<std::uint64_t>(i) + 1);
  return static_cast<int>(draw % static_cast<std::uint64_t>(2 * bound + 1)) - bound;
}

// rows x depth with a row stride; between the rows lies NaN, beyond the last one a forbidden page.
template <class T>
struct Rows {
  Rows(index n, index d, index ld, Edge edge)
      : rows(n), depth(d), stride(ld), memory(n > 0 ? (n - 1) * ld + d : 0, edge) {}
  Rows(index n, index d, index ld, Edge edge, std::uint64_t seed, int bound)
      : Rows(n, d, ld, edge) {
    for (index i = 0; i < n; ++i)
      for (index f = 0; f < d; ++f)
        at(i, f) = static_cast<T>(small_integer(seed, i * d + f, bound));
  }
  T& at(index i, index f) { return memory[i * stride + f]; }
  double get(index i, index f) const { return static_cast<double>(memory[i * stride + f]); }
  index readable() const { return memory.size(); }
  coterie::View<T> view() const { return {memory.data(), rows, depth, stride}; }
  void affine(double scale, double offset) {
    for (index i = 0; i < rows; ++i)
      for (index f = 0; f < depth; ++f) at(i, f) = static_cast<T>(get(i, f) * scale + offset);
  }

  const index rows, depth, stride;
  Guarded<T> memory;
};

// The same rows, zeros left out.
template <class T>
struct SparseRows {
  explicit SparseRows(const Rows<T>& dense, Edge edge = Edge::end)
      : rows(dense.rows),
        cols(dense.depth),
        value(count(dense), edge),
        column(value.size(), edge),
        start(rows + 1, edge) {
    index at = 0;
    for (index i = 0; i < rows; ++i) {
      start[i] = at;
      for (index f = 0; f < cols; ++f)
        if (dense.get(i, f) != 0) {
          value[at] = static_cast<T>(dense.get(i, f));
          column[at++] = static_cast<std::int32_t>(f);
        }
    }
    start[rows] = at;
  }
  static index count(const Rows<T>& dense) {
    index n = 0;
    for (index i = 0; i < dense.rows; ++i)
      for (index f = 0; f < dense.depth; ++f) n += dense.get(i, f) != 0;
    return n;
  }
  coterie::Csr<T> csr() const { return {value.data(), column.data(), start.data(), rows, cols}; }
  index longest() const {
    index n = 0;
    for (index i = 0; i < rows; ++i) n = std::max(n, start[i + 1] - start[i]);
    return n;
  }

  index rows, cols;
  Guarded<T> value;
  Guarded<std::int32_t> column;
  Guarded<std::int64_t> start;
};

template <class T>
double sq_distance(const Rows<T>& x, index i, const T* center) {
  double sum = 0;
  for (index f = 0; f < x.depth; ++f) {
    const double d = x.get(i, f) - static_cast<double>(center[f]);
    sum += d * d;
  }
  return sum;
}

// Nearest of k centres, ties to the lowest index.
template <class T>
std::int32_t naive_label(const Rows<T>& x, index i, const T* centers, index k) {
  index best = 0;
  for (index j = 1; j < k; ++j)
    if (sq_distance(x, i, centers + j * x.depth) < sq_distance(x, i, centers + best * x.depth))
      best = j;
  return static_cast<std::int32_t>(best);
}

// The positive ones, ascending, each once.
inline std::vector<index> sizes(std::initializer_list<index> values) {
  std::set<index> sorted(values);
  std::vector<index> out;
  for (const index v : sorted)
    if (v > 0) out.push_back(v);
  return out;
}

constexpr Edge kEdges[] = {Edge::start, Edge::end};

inline index round_up(index n, index to) { return (n + to - 1) / to * to; }

}  // namespace tests
