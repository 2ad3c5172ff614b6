// What crosses from algo/nn to the leaves of networks: tasks and a table of their own.
//
// A *tile* is a block of rows turned: feature f's values of all rows form a line at data + f * ld,
// rows in lanes. `lanes` is the number of rows rounded up to the width; what stands beyond the rows
// is finite or NaN but never counts. So one product serves forward and backward at any layer width,
// with weights broadcast from where they lie, and layers of width 1 or 10 waste no lane.
#pragma once
#include <cstdint>

namespace coterie::nn {

enum class Activation : std::int32_t {
  linear,
  step,
  relu,
  leaky_relu,
  elu,
  selu,
  gelu,
  gelu_tanh,
  sigmoid,
  tanh,
  softplus,
  softmax
};

// *_logits: of what goes into the last sigmoid or softmax.
enum class Loss : std::int32_t {
  mse,
  half_squared,
  mae,
  huber,
  binary,
  binary_logits,
  categorical,
  categorical_logits,
  sparse,
  sparse_logits,
  kl_divergence
};

enum class Metric : std::int32_t {
  binary_accuracy,
  categorical_accuracy,
  sparse_accuracy,
  mse,
  mae
};

enum class Rule : std::int32_t {
  sgd,
  momentum,
  nesterov,
  adagrad,
  rmsprop,
  rmsprop_momentum,
  adam
};

// out(f, r) = x(order[r], f): rows to lines, or lines to rows; a transposition.
template <class T>
struct TurnTask {
  const T* x;
  std::int64_t ld;
  const std::int64_t* order;  // null: r
  std::int64_t rows, depth;
  T* out;  // depth lines
  std::int64_t out_ld;
  std::int64_t lanes;  // values from `rows` up to here become zero
};

// out(j, r) = finish(bias_j + sum_p w(p, j) x(p, r))
template <class T>
struct DenseTask {
  const T* x;
  std::int64_t x_ld, lanes, depth, columns;
  const T* w;  // depth x columns
  std::int64_t w_ld;
  bool turned;    // w is columns x depth: w(p, j) stands where w(j, p) would
  const T* bias;  // columns, or null: 0
  T* out;
  std::int64_t out_ld;
  Activation activation;  // finish: activation(v) ...
  T alpha;
  const T* outputs;  // ... or, where not null: v activation'(.), from the activation's own outputs
  std::int64_t outputs_ld;
};

// Weights from partial gradients: g = scale * clip(sum of parts + penalties), then the rule.
template <class T>
struct UpdateTask {
  Rule rule;
  T* w;
  const T* parts;
  std::int64_t n_parts, part_stride;
  T *slot0, *slot1;
  std::int64_t size;
  T l1, l2;  // l1 sign(w) + 2 l2 w
  T clip;    // |g| at most; infinity: no limit
  T scale;
  T rate;  // adam: with the bias corrections
  T keep;  // w *= keep first: decoupled decay
  T momentum, rho, beta1, beta2, epsilon;
  std::int64_t rows = 1, ld = 0, part_ld = 0;  // so many times `size` values, as far apart
};

// dw(i, j) = sum_r x(i, r) d(j, r). Only what the kernel asks for need be set.
template <class T>
struct WeightsTask {
  const T* x;
  std::int64_t x_ld, inputs;
  const T* d;  // lines (dot), or turned to rows of d_ld values, a multiple of the width (outer)
  std::int64_t d_ld, outputs;
  std::int64_t rows;  // dot: lanes, and d is zero beyond the rows
  T* dw;              // inputs x outputs
  std::int64_t dw_ld;
  bool add;       // to what dw and db hold
  const T* ones;  // as many as there are lanes; or null, and then no db
  T* db;          // sum_r d(j, r): an input that is always 1
  // outer: null, or two tasks, of the weights and of b: gradients go there and are not stored.
  const UpdateTask<T>* update;
  std::int64_t d_room;  // outer: columns of d that may be read, more than `outputs` or as many
};

// Lines z to lines a = activation(z), or lines of dL/da to dL/dz, in place or not.
template <class T>
struct ActivationTask {
  Activation activation;
  T alpha;
  std::int64_t lanes, columns;
  const T* z;  // derive: the outputs a; for step and the two gelus the inputs z
  std::int64_t z_ld;
  T* out;  // derive: in and out
  std::int64_t out_ld;
};

template <class T>
struct LossTask {
  Loss loss;
  T delta;                        // huber
  T target_scale, target_offset;  // y * scale + offset, label smoothing
  std::int64_t lanes, columns;
  const T* p;  // outputs, or logits
  std::int64_t p_ld;
  const T* y;  // targets; sparse: one line of labels
  std::int64_t y_ld;
  const T* scale;  // lanes: gradients are multiplied by it; where it is 0 they are 0
  T* gradient;     // lines, or null
  std::int64_t gradient_ld;
  T* outputs;  // *_logits: lines of probabilities, or null
  std::int64_t outputs_ld;
  T* values;  // lanes: the loss of each row
  // Squared losses: these columns alone, -1: all.
  std::int64_t begin = 0, end = -1;
};

template <class T>
struct MetricTask {
  Metric metric;
  std::int64_t lanes, columns;
  const T* p;
  std::int64_t p_ld;
  const T* y;
  std::int64_t y_ld;
  T* values;  // lanes
};

template <class T>
struct NoiseTask {
  std::int64_t rows, columns;
  const std::uint64_t* keys;  // rows
  T rate;                     // of dropout; noise: the deviation
  const T* x;
  std::int64_t x_ld;
  T* out;
  std::int64_t out_ld;
};

// One line, as engine/leaf/norm.hpp has it.
template <class T>
struct LineTask {
  std::int64_t rows, lanes;
  const T* x;
  T* out;  // gradients: in and out
  T center, factor, shift, slope;
};

template <class T>
struct Kernels {
  std::int64_t width;
  void (*turn)(const TurnTask<T>&);
  bool (*finite)(const T* x, std::int64_t ld, std::int64_t lanes, std::int64_t lines);
  void (*dense)(const DenseTask<T>&);
  void (*weights_dot)(const WeightsTask<T>&);
  void (*weights_outer)(const WeightsTask<T>&);
  void (*activate)(const ActivationTask<T>&);
  void (*derive)(const ActivationTask<T>&);
  void (*loss)(const LossTask<T>&);
  void (*metric)(const MetricTask<T>&);
  void (*update)(const UpdateTask<T>&);
  void (*reduce)(const UpdateTask<T>&, T* out);  // g alone, without clip and scale
  void (*dropout)(const NoiseTask<T>&);
  void (*noise)(const NoiseTask<T>&);
  void (*moments)(const LineTask<T>&, double* out);
  void (*normalize)(const LineTask<T>&);
  void (*norm_sums)(const LineTask<T>&, double* out);
  void (*norm_gradient)(const LineTask<T>&);
  void (*sizes)(const LineTask<T>&, double* out);
  void (*penalize)(const LineTask<T>&);
};

struct Table {
  Kernels<float> f32;
  Kernels<double> f64;
};

}  // namespace coterie::nn
