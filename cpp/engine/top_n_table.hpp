// Leaves of top-N (engine/leaf/top_n.cpp): tasks, and their part of an ISA's table.
#pragma once
#include <cstdint>

namespace coterie {

struct Candidate {
  float score;
  std::uint32_t item;
};

// The lists of some queries, or of some items: a score that reaches a list's threshold is appended
// to it.
struct CandidateLists {
  const float* thresholds;  // whole tiles, and MR more; +infinity where there is no list
  Candidate* lists;         // lines of `capacity`
  std::int64_t capacity;
  std::int32_t* counts;
};

// One panel of items against packed queries. Every list has room for whatever the task may add: MR
// entries for a query, n_queries for an item.
struct TopNTask {
  const float* items;    // depth x MR: items in lanes, zero where there is none
  const float* queries;  // ceil(n_queries / NR) panels of depth x NR
  const float* zeros;    // whole tiles
  std::int64_t depth, n_queries;
  std::uint32_t first;     // lane 0's item
  std::int64_t n_items;    // lanes that hold one
  const float* item_bias;  // MR, added to products; null: none (not with top_n_both)
  CandidateLists of_queries;
  float* scratch;  // tile_scratch(depth) values
  // top_n_both, where the queries are items too:
  CandidateLists of_items;
  std::uint32_t first_query;
  const float* query_bias;  // whole tiles
};

// The same in int8: I = sum of a_i b_i, exact; the score t_item t_query I + r_item |query| +
// bias_item is an upper bound of the product, but for what the thresholds allow for.
struct TopNInt8Task {
  const std::int32_t* items;    // `words` lines of MR words of four bytes a_i + 128
  const std::int32_t* queries;  // panels of `words` lines of NR words of four bytes b_i
  std::int64_t words;
  std::int64_t n_queries;
  std::uint32_t first;
  std::int64_t n_items;
  CandidateLists of_queries;
  const std::int32_t* start;                          // of the queries: -128 times the sum of b_i
  const float *query_scale, *query_norm;              // whole tiles, and MR more can be read
  const float *item_scale, *item_radius, *item_bias;  // MR
  bool flat;  // the biases are 0, but for -FLT_MAX where an item is excluded
  // top_n_int8_both, where the queries are items too:
  CandidateLists of_items;
  std::uint32_t first_query;
  const float *query_bias, *query_radius, *item_norm;  // whole tiles; whole tiles; MR
};

// A few queries against at most MR rows that lie in C order: score = scale_r <x_r, q> + bias_r.
template <class T>
struct TopNRowsTask {
  const T* x;
  std::int64_t ld, rows, depth, readable;
  const float *scale, *bias;  // rows, readable to whole vectors
  const float* queries;       // n_queries lines of `line` values, zero beyond depth
  std::int64_t line, n_queries;
  std::uint32_t first;
  CandidateLists of_queries;
};

// rows of x as float32: (x - shift) * scale, one scale a row.
template <class T>
struct ScaleTask {
  const T* x;
  std::int64_t ld, rows, depth;
  const double *shift, *scale;
  float* out;  // rows x depth
};

template <class T>
struct TopNKernels {
  void (*scaled)(const ScaleTask<T>&);
  double (*dot)(const T* x, std::int64_t depth, const double* y);  // y: zero beyond depth, to 8
  void (*top_n_rows)(const TopNRowsTask<T>&);
};

struct ByteKernels {
  void (*top_n)(const TopNInt8Task&, float* peaks);  // null: collect
  void (*top_n_both)(const TopNInt8Task&);
};

struct TopNTable {
  TopNKernels<float> f32;
  TopNKernels<double> f64;
  // Rows that are the upper halves of float32 values.
  void (*top_n_halves)(const TopNRowsTask<std::uint16_t>&);
  void (*top_n)(const TopNTask&);
  void (*top_n_both)(const TopNTask&);
  // Instead of collecting: the best of each lane over the panels of several tasks, `width` values a
  // query.
  void (*top_n_peaks)(const TopNTask&, float* peaks);
  // One row to bytes, x ~ t a: a_i + offset goes to out[(i / 4) * step + i % 4]; squares = |x - t
  // a|^2, rounded. Beyond depth, up to a multiple of 4, anything may be written.
  void (*quantise)(const float* x, std::int64_t depth, std::int64_t step, int offset,
                   std::uint8_t* out, float* t, float* squares);
  // The n-th largest of v[0, count), exact. v is overwritten, to a multiple of 16 values.
  float (*nth_largest)(float* v, std::int64_t count, std::int64_t n);
  ByteKernels bytes, bytes_dot;  // the latter with the CPU's byte dot product, null where an ISA
                                 // has none
};

}  // namespace coterie
