// The argmin leaves are filters: a row's label is right or the row is listed. With integers the
// exact scores are known, so both halves can be asked for: rows well apart must not be listed, ties
// must be.
#include <limits>

#include "../../cpp/engine/isa.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

enum class Kind { low, rows, tile, sparse };

template <class T>
constexpr T kHuge = sizeof(T) == 4 ? T(3e38) : T(1e308);

template <class T>
T band_for(
    index depth) {  // the tags' 128 half-ulps and one a rounding, as engine/nearest.cpp has it
  return static_cast<T>(static_cast<double>(depth + 132) * std::numeric_limits<T>::epsilon() / 2 *
                        1.01);
}

template <class T>
index multiple_of(Kind kind) {
  const Kernels<T>& kernels = isa::kernels<T>();
  return kind == Kind::low      ? 4
         : kind == Kind::rows   ? kernels.rows_columns
         : kind == Kind::sparse ? kernels.sparse_columns
                                : kernels.nr;
}

// -(center - shift), laid out for the kernel, and |center - shift|^2 / 2.
template <class T>
struct Columns {
  Columns(Kind kind, const Rows<T>& centers, const Guarded<T>& shift, Edge edge);

  index padded, line;  // columns with padding; elements a column takes
  Guarded<T> values, bias;
};

template <class T>
Columns<T>::Columns(Kind kind, const Rows<T>& centers, const Guarded<T>& shift, Edge edge)
    : padded(round_up(centers.rows, multiple_of<T>(kind))),
      line(kind == Kind::rows ? round_up(centers.depth, isa::kernels<T>().width) : centers.depth),
      values(padded * line, edge),
      bias(padded, edge) {
  const index k = centers.rows, depth = centers.depth, to = multiple_of<T>(kind);
  values.fill(T(0));
  bias.fill(kHuge<T>);
  for (index j = 0; j < k; ++j) {
    double norm = 0;
    for (index f = 0; f < depth; ++f) {
      const double y = static_cast<double>(shift[f]) - centers.get(j, f);
      norm += y * y;
      const index at = kind == Kind::tile     ? j / to * to * depth + f * to + j % to
                       : kind == Kind::sparse ? f * padded + j
                                              : j * line + f;
      values[at] = static_cast<T>(y);
    }
    bias[j] = static_cast<T>(norm / 2);
  }
}

struct Exact {
  double best, second, sq_norm;
  std::int32_t label;
};

template <class T>
Exact exact_scores(const Rows<T>& x, index i, const Rows<T>& centers, const Guarded<T>& shift) {
  Exact e{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity(), 0, 0};
  for (index f = 0; f < x.depth; ++f) {
    const double v = x.get(i, f) - static_cast<double>(shift[f]);
    e.sq_norm += v * v;
  }
  for (index j = 0; j < centers.rows; ++j) {
    double score = 0;
    for (index f = 0; f < x.depth; ++f) {
      const double c = centers.get(j, f) - static_cast<double>(shift[f]);
      score += c * c / 2 - (x.get(i, f) - static_cast<double>(shift[f])) * c;
    }
    if (score < e.best) {
      e.second = e.best;
      e.best = score;
      e.label = static_cast<std::int32_t>(j);
    } else {
      e.second = std::min(e.second, score);
    }
  }
  return e;
}

template <class T>
void judge(Kind kind, const Rows<T>& x, const Rows<T>& centers, const Guarded<T>& shift, T band,
           T floor, const Guarded<std::int32_t>& labels, const Guarded<std::int32_t>& near,
           index listed) {
  CHECK(listed >= 0 && listed <= x.rows);
  index at = 0;
  for (index i = 0; i < x.rows; ++i) {
    const Exact e = exact_scores(x, i, centers, shift);
    const bool in_doubt = at < listed && near[at] == i;
    if (in_doubt) ++at;
    const double gap = e.second - e.best;
    const double wide =
        (10 * e.sq_norm + 8 * e.best) * static_cast<double>(band) + static_cast<double>(floor);
    CHECK(labels[i] >= 0 && labels[i] < centers.rows);
    if (!in_doubt) CHECK_EQUAL(labels[i], e.label);
    if (gap == 0) CHECK(in_doubt);
    if (gap > 4 * wide) CHECK(!in_doubt);
    // Without tags, integer scores are exact and the rule is the lowest index.
    if (kind == Kind::rows || kind == Kind::sparse) CHECK_EQUAL(labels[i], e.label);
  }
  CHECK_EQUAL(at, listed);  // ascending, each once
}

template <class T>
void check_dense(Kind kind, index rows, index depth, index k, index ld, Edge edge, int bound = 4) {
  const Kernels<T>& kernels = isa::kernels<T>();
  About about(type_name<T>(), " kind ", static_cast<int>(kind), " rows ", rows, " depth ", depth,
              " k ", k, " ld ", ld, edge == Edge::end ? " end" : " start");
  const Rows<T> x(rows, depth, ld, edge, 11, bound), centers(k, depth, depth, edge, 12, bound);
  Guarded<T> shift(depth, edge);
  for (index f = 0; f < depth; ++f) shift[f] = static_cast<T>(small_integer(13, f, 1));
  const Columns<T> columns(kind, centers, shift, edge);
  const index scratch_size = kind == Kind::low    ? depth * round_up(rows, kernels.width)
                             : kind == Kind::tile ? kernels.tile_scratch(depth)
                                                  : 0;
  Guarded<T> scratch(scratch_size, edge, 64);
  Guarded<std::int32_t> labels(rows, edge), near(rows, edge);
  ArgminTask<T> task;
  task.x = x.memory.data();
  task.ld = ld;
  task.rows = rows;
  task.depth = depth;
  task.readable = x.readable();
  task.shift = shift.data();
  task.columns = columns.values.data();
  task.bias = columns.bias.data();
  task.n_columns = k;
  task.band = band_for<T>(depth);
  task.floor = std::numeric_limits<T>::min();
  task.scratch = scratch.data();
  task.labels = labels.data();
  task.near = near.data();
  const index listed = kind == Kind::low    ? kernels.argmin_low[depth - 1](task)
                       : kind == Kind::rows ? kernels.argmin_rows(task)
                                            : kernels.argmin_tile(task);
  judge(kind, x, centers, shift, task.band, task.floor, labels, near, listed);
}

template <class T>
void check_low() {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index w = kernels.width;
  for (const Edge edge : kEdges)
    for (index depth = 1; depth <= 12; ++depth)
      for (const index rows : sizes({1, w - 1, w, w + 1, 2 * w, 4 * w - 1, 4 * w + 1, 5 * w + 3}))
        for (const index k : {1, 2, 3, 4, 5, 63, 64, 65, 130})
          check_dense<T>(Kind::low, rows, depth, k, depth + (rows + k) % 3, edge, 20);
}

// Where a deeper panel needs partial tiles: the first depth whose scratch holds more than the
// panel.
template <class T>
index depth_limit() {
  const Kernels<T>& kernels = isa::kernels<T>();
  index depth = 1;
  while (kernels.tile_scratch(depth) == kernels.mr * depth) ++depth;
  return depth - 1;
}

template <class T>
void check_tile() {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index mr = kernels.mr, nr = kernels.nr, w = kernels.width, deep = depth_limit<T>();
  for (const Edge edge : kEdges) {
    for (const index rows : sizes({1, mr - 1, mr, mr + 1, 2 * mr - 1, 2 * mr, 2 * mr + 1}))
      for (const index k : sizes({1, nr - 1, nr, nr + 1, 2 * nr + 1, 60, 61, 64, 65, 130}))
        for (const index depth : sizes({1, w - 1, w + 1, 13}))
          check_dense<T>(Kind::tile, rows, depth, k, depth + (rows + k) % 3, edge);
    for (const index depth : sizes({deep - 1, deep, deep + 1, 2 * deep + 1}))
      for (const index k : {nr + 1, index{66}})
        check_dense<T>(Kind::tile, mr + 1, depth, k, depth + 1, edge, 2);
  }
}

template <class T>
void check_rows() {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index w = kernels.width, rc = kernels.rows_columns;
  for (const Edge edge : kEdges)
    for (const index rows : {1, 2, 3, 4, 5, 9})
      for (const index k : sizes({1, rc - 1, rc, rc + 1, 20}))
        for (const index depth : sizes({1, w - 1, w, w + 1, 127, 128, 131}))
          check_dense<T>(Kind::rows, rows, depth, k, depth + (rows + k) % 3, edge);
}

template <class T>
void check_sparse() {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index to = kernels.sparse_columns;
  for (const Edge edge : kEdges)
    for (const index rows : {1, 2, 9})
      for (const index k : sizes({1, 2, to - 1, to, to + 1, 2 * to + 1}))
        for (const index depth : {1, 7, 40}) {
          About about(type_name<T>(), " sparse rows ", rows, " k ", k, " depth ", depth);
          Rows<T> x(rows, depth, depth, edge, 14, 1);
          for (index f = 0; f < depth; ++f) x.at(0, f) = T(0);  // a row without a value
          const Rows<T> centers(k, depth, depth, edge, 15, 3);
          const SparseRows<T> csr(x, edge);
          Guarded<T> zero(depth, edge);
          zero.fill(T(0));
          const Columns<T> columns(Kind::sparse, centers, zero, edge);
          Guarded<std::int32_t> labels(rows, edge), near(rows, edge);
          const SparseArgminTask<T> task{csr.value.data(),      csr.column.data(),
                                         csr.start.data(),      rows,
                                         columns.values.data(), columns.padded,
                                         columns.bias.data(),   k,
                                         band_for<T>(depth),    std::numeric_limits<T>::min(),
                                         labels.data(),         near.data()};
          const index listed = kernels.argmin_sparse(task);
          judge(Kind::sparse, x, centers, zero, task.band, task.floor, labels, near, listed);
        }
}

}  // namespace

TEST(argmin, low_float) { check_low<float>(); }
TEST(argmin, low_double) { check_low<double>(); }
TEST(argmin, tile_float) { check_tile<float>(); }
TEST(argmin, tile_double) { check_tile<double>(); }
TEST(argmin, rows_float) { check_rows<float>(); }
TEST(argmin, rows_double) { check_rows<double>(); }
TEST(argmin, sparse_float) { check_sparse<float>(); }
TEST(argmin, sparse_double) { check_sparse<double>(); }

}  // namespace tests
