// The one table through which baseline code calls the leaves: a struct of function pointers an ISA.
//
// Plain structs and raw pointers only: this header is read by code compiled with and without ISA
// flags, so it must not contain a function body or a type whose layout depends on them.
#pragma once
#include <cstdint>

#include "linkage_table.hpp"

namespace coterie {

namespace nn {
struct Table;  // engine/nn_table.hpp
}

// A block of rows against packed columns: the scores  bias_j + <x - shift, y_j>.
template <class T>
struct RowsTask {
  const T* x;              // rows x depth, unit column stride
  std::int64_t ld;         // row stride of x
  std::int64_t rows;
  std::int64_t depth;
  std::int64_t readable;   // elements of memory that may be read from x on
  const T* shift;          // depth values
  const T* columns;        // packed by the packer that belongs to the kernel
  const T* bias;           // one a column, padded columns +huge
  std::int64_t n_columns;  // without padding
  T* scratch;              // what the kernel asks for, 64-byte aligned
};

// Best column of each row, the lowest score winning.
//
// A row is *near a tie* when the runner-up's score is within `band * (10 |x|^2 + 8 best) + floor` of the
// best (x after the shift; |x|^2 + 2 best is the squared distance): the rounding of this kernel could
// then have changed the winner, so the row is listed in `near` and the caller decides it exactly.
// A NaN or an infinity in a row always lists it.
template <class T>
struct ArgminTask : RowsTask<T> {
  T band, floor;
  std::int32_t* labels;  // rows, out
  std::int32_t* near;    // rows, out: the listed rows, ascending
};

// The same for CSR rows, without a shift. columns: depth lines of `stride` values, one a column.
template <class T>
struct SparseArgminTask {
  const T* value;
  const std::int32_t* column;
  const std::int64_t* start;  // of the block's first row
  std::int64_t rows;
  const T* columns;
  std::int64_t stride;        // a multiple of sparse_columns
  const T* bias;
  std::int64_t n_columns;
  T band, floor;
  std::int32_t* labels;
  std::int32_t* near;
};

// Candidates that may lie closer to a row than its threshold (engine/leaf/screen.hpp).
template <class T>
struct ScreenTask {
  const T* x;  // rows x depth
  std::int64_t ld;
  std::int64_t rows, depth;
  const T* columns;        // candidates, `width` at a time: depth lines of `width` values
  const T* bias;           // one a candidate, padded +huge to a multiple of width
  std::int64_t n_columns;  // <= 16
  const T* threshold;      // rows
  std::uint16_t* masks;    // rows, out
};

// out(rows, columns) = x(rows, depth) y(depth, columns), y packed in lanes panels.
template <class T>
struct StoreTask {
  const T* x;
  std::int64_t ld;
  std::int64_t rows, depth, columns;
  const T* y;  // ceil(columns / MR) panels, each depth x MR
  T* out;
  std::int64_t out_ld;
};

// The same for at most 4 rows and an y that is not packed: C-ordered, depth x columns, row stride y_ld.
template <class T>
struct StoreFewTask {
  const T* x;
  std::int64_t ld;
  std::int64_t rows, depth, columns;
  const T* y;
  std::int64_t y_ld;
  T* out;
  std::int64_t out_ld;
};

// Weighted sums of rows in float64, by label; the same bits on every ISA.
template <class T>
struct SumTask {
  const T* x;  // rows x depth
  std::int64_t ld;
  std::int64_t rows, depth;
  std::int64_t readable;       // elements of memory that may be read from x on
  const double* shift;         // subtracted from each row; padded with zeros to a multiple of 8
  const double* weights;       // rows, or null
  const std::int32_t* labels;  // rows: which row of sums; null: the first
  const std::int64_t* order;   // row r of the task is x's (and weights', labels') row order[r]; null: r
  double* sums;                // rows of `stride` doubles: depth sums, then the total weight
  std::int64_t stride;         // multiple of 8, > depth
};

// out[r] = |x_r - c_label(r)|^2 in float64 from differences; the same bits on every ISA.
template <class T>
struct LabelledTask {
  const T* x;  // rows x depth
  std::int64_t ld;
  std::int64_t rows, depth;
  std::int64_t readable;  // elements of memory that may be read from x on
  const double* centers;  // lines of `stride` doubles, a multiple of 8, zero beyond depth
  std::int64_t stride;
  const std::int32_t* labels;
  double* out;
};

// Rows to fetch into the cache on the way.
template <class T>
struct FetchTask {
  const T* x;
  std::int64_t ld, depth, rows;
  const std::int32_t* order;  // or null: as they come
  std::int64_t done;          // of rows; the leaves count on
};

// A component whose logit is so little below what counts is one of the set that a row is marked by.
// Thus rows that are marked alike do not part as soon as parameters move.
constexpr double kMarkMargin = 2;

// What is known of panels of rows that stay together from pass to pass (engine/leaf/gauss_bounds.hpp).
struct PanelBounds {
  std::int64_t stride;  // of lines: k, and padding
  float* lines;         // one a panel
  std::int32_t* owner;  // of each panel: the component c that has all its rows (c), or had (-2 - c); -1: none
  float* radius;        // of panels with an owner: no row is farther from it
  const float *reach, *own_reach;  // k and padding: twice that of MixtureTask, with and without kMarkMargin
  const float* constants;  // k: twice the logit at the mean
};
// What a pass's parameters make of them: a distance d becomes at least ratio d - step and at most
// grow d + far.
struct CarryTask {
  PanelBounds bounds;
  std::int64_t n_panels;
  const float *ratio, *step, *grow, *far;  // k and padding
};
template <class T>
struct GaussBounds : PanelBounds {
  const std::int32_t* ids;  // the block's panels; null: no bounds are kept
  bool known;               // or else nothing is known yet
  T *squares, *gaps;        // scratch: k vectors each
  float* found;             // scratch: 2 (k + width)
};

// A block of rows and k Gaussians (engine/leaf/gauss.hpp, engine/leaf/scatter.hpp).
template <class T>
struct MixtureTask {
  const T* panels;  // n_panels of depth x MR: rows in lanes, less the shift, padding anything finite
  std::int64_t n_panels, depth, k;
  const T* means;     // k x depth, less the shift
  const T* factors;   // k triangles of factor_size values, or k x depth inverse deviations
  const T* offsets;   // full and diag: k lines of offset_size values, -T_c mean_c
  std::int64_t offset_size;
  std::int64_t factor_size;
  const T* constants;  // k
  const T* scale;      // k
  T* z;                // scratch: as many values as (depth + 4) lines of the block
  T* logits;           // k lines of n_panels * MR; scatter: responsibilities times weight
  T* tops;              // gauss, out: each row's highest logit
  std::int32_t *reached, *n_reached;  // gauss, out: each panel's components that were not given up
  T* whitened;         // gauss_whiten: the panels, in place
  const std::int32_t* hints;   // components to look at first, none twice in a panel
  const std::int32_t* hint_at;  // where each panel's begin, and the end of all; null: no hints
  FetchTask<T>* fetch;
  const T* reach;  // k: with it instead of its constant, a logit that is below the best need not be exact
  std::int32_t* active;  // scratch: k times one more than there are vectors of rows, and one
  std::int32_t* turns;   // scratch: k
  GaussBounds<T> bounds;
  double *n, *s1, *s2;   // scatter: totals, added to
};

// k lines of logits to responsibilities (engine/leaf/gauss.hpp).
template <class T>
struct SoftmaxTask {
  T* logits;
  std::int64_t ld, rows, k;  // rows: whole panels
  const std::int32_t *reached, *n_reached;  // of each panel, of k: the components whose logits count
  const T* weights;          // rows
  const T* tops;             // rows: the highest logits
  const T* lowest;  // k: of what counts, less the best: -708 (float: -87) or above
  T *log_sums, *entropies;   // rows, out
  std::int32_t *labels, *sets;  // rows, out: the best, a mark of those within kMarkMargin of what counts
  std::int32_t* active;         // scratch, k
  FetchTask<T>* fetch;
};

// A point against `count` points in panels of 16 (engine/leaf/pairs.hpp).
struct PairTask {
  const double* x;       // depth
  const double* panels;  // ceil(count / 16) of depth x 16
  std::int64_t depth, count;
};
// The same for several points: x is queries x depth.
struct PairNearestTask : PairTask {
  std::int64_t queries, keep;  // how many of the nearest each query keeps
  std::int64_t first;          // the index of point 0
  const std::int64_t* self;    // of each query: the index that does not count
  const double* term;          // of each query: 1 / size or spread of its cluster
  const double* terms;         // of the points, whole panels
  double* distance;            // queries x keep, ascending; infinity where there is none yet
  std::int64_t* nearest;       // queries x keep
};
struct PairLowerTask : PairTask {
  std::int64_t id;         // of x
  double* best;            // the points' nearest so far, whole panels; what is negative stays
  std::int64_t* from;      // and whose distance that is
  const std::int64_t* ids;  // of the points, or null
  double* copy;            // where lowered values go as well, or null
};

enum class PairMetric { euclidean, sqeuclidean, cityblock, chebyshev, cosine, hamming, jaccard };
constexpr int kPairMetrics = 7;

// cosine: rows of unit length. `lower` takes euclidean as sqeuclidean.
struct PairKernels {
  void (*distances[kPairMetrics])(const PairTask&, double* out);
  std::int64_t (*lower[kPairMetrics])(const PairLowerTask&);
  void (*nearest_plain)(const PairNearestTask&);
  void (*nearest_spread)(const PairNearestTask&);
  void (*nearest_ward)(const PairNearestTask&);
  void (*nearest_cosine)(const PairNearestTask&);
};

template <class T>
struct Kernels {
  std::int64_t mr, nr, width;
  std::int64_t rows_columns, sparse_columns;  // argmin_rows, argmin_sparse pad to a multiple of these

  // Panels (engine/leaf/pack.hpp).
  void (*pack_lanes)(const T* x, std::int64_t ld, std::int64_t rows, std::int64_t depth,
                     std::int64_t readable, const T* shift, T* panel, T* sq_norms);
  void (*pack_picked)(const T* x, std::int64_t ld, const std::int32_t* order, std::int64_t rows,
                      std::int64_t depth, std::int64_t readable, const T* shift, T* panel);
  void (*pack_lanes_t)(const T* y, std::int64_t ld, std::int64_t depth, std::int64_t columns, T* panel);
  void (*pack_columns)(const T* y, std::int64_t ld, std::int64_t rows, std::int64_t depth, T* panel);

  // argmin over columns; each returns the number of rows listed in `near`.
  std::int64_t (*argmin_tile)(const ArgminTask<T>&);     // columns: pack_columns panels of nr
  std::int64_t (*argmin_rows)(const ArgminTask<T>&);     // columns: C-ordered, padded to width
  std::int64_t (*argmin_low[12])(const ArgminTask<T>&);  // depth d: [d - 1]; columns: C-ordered
  std::int64_t (*argmin_sparse)(const SparseArgminTask<T>&);
  std::int64_t (*tile_scratch)(std::int64_t depth);      // elements of scratch argmin_tile needs

  void (*screen)(const ScreenTask<T>&);
  void (*store)(const StoreTask<T>&);
  void (*store_few)(const StoreFewTask<T>&);

  // engine/leaf/gauss.hpp, engine/leaf/scatter.hpp
  std::int64_t triangle_rows;  // rows of a packed triangle that stand side by side
  std::int64_t pair_columns;   // scatter_full's tiles of s2: 4 x pair_columns
  void (*gauss_full)(const MixtureTask<T>&);
  void (*gauss_diag)(const MixtureTask<T>&);
  void (*gauss_plain)(const MixtureTask<T>&);
  void (*gauss_whiten)(const MixtureTask<T>&);
  void (*carry_bounds)(const CarryTask&);
  void (*softmax)(const SoftmaxTask<T>&);
  void (*scatter_full)(const MixtureTask<T>&);
  void (*scatter_diag)(const MixtureTask<T>&);
  void (*scatter_first)(const MixtureTask<T>&);

  // engine/leaf/exact.hpp
  void (*distances)(const T* x, std::int64_t depth, const double* centers, std::int64_t stride,
                    std::int64_t k, double* out);
  double (*distance)(const T* x, std::int64_t depth, const double* center);
  void (*labelled)(const LabelledTask<T>&);
  void (*accumulate)(const SumTask<T>&);
  void (*moments)(const SumTask<T>&, double* s1, double* s2);

  std::int64_t (*least)(const T* values, std::int64_t count);  // engine/leaf/pairs.hpp

  // engine/leaf/gauge.hpp, for the benches
  T (*gauge_fma)(std::int64_t loops, const T* start);
  T (*gauge_tile)(std::int64_t loops, const T* x, const T* y, std::int64_t depth);
};

struct SparseTable;  // engine/sparse_table.hpp
struct TopNTable;  // engine/top_n_table.hpp

struct Table {
  const char* name;
  Kernels<float> f32;
  Kernels<double> f64;
  PairKernels pairs;
  void (*min_plus)(const StoreTask<double>&);  // engine/leaf/min_plus.hpp
  const LinkageTable* linkage;
  const nn::Table* nn;
  const TopNTable* top_n;
  const SparseTable* sparse;
};

}  // namespace coterie
