// A chunk of rows through the net: forward, loss, backward.
#pragma once
#include <atomic>

#include "plan.hpp"

namespace coterie::nn {

// Values between lines of a tile of `lanes` lanes. An odd number of vectors: a power of two would
// crowd a few sets of the cache.
template <class T>
index line_stride(index lanes);
// The same between rows of gradients.
template <class T>
index turned_stride(index outputs) {
  const index w = kernels<T>().width;
  return ((outputs + w - 1) / w | 1) * w;
}

// One chunk, or lanes of it. A line holds one feature's values of all its rows.
template <class T>
struct Tile {
  T* line(index i) const { return i < inputs ? x + i * ld : memory + (i - inputs) * ld; }
  // The gradient of a step as rows.
  T* turned_of(const Step& step) const {
    const index before = keeps ? room * step.turned : 0;
    return turned + before + first * turned_stride<T>(step.op.outputs);
  }
  Tile lanes_of(index begin, index end) const;
  index inputs, ld, room, first = 0, rows = 0, lanes = 0;
  bool keeps;           // the gradients of all steps, not of one at a time
  T *x, *y;             // lines of inputs and targets: own, or kept by whoever set them
  T* memory;            // lines of what comes after the inputs
  T *scale, *values;    // lanes: of the rows' gradients, the rows' losses
  T* cells;             // of a plan that streams: the rows' losses of kUnit columns at a time
  const T* ones;        // lanes
  T *turned, *stats;    // gradients as rows; batch norm's means and inverse deviations
  T* half;              // lines: the second halves of long sums, while they are formed
  std::uint64_t* keys;  // of the rows' random numbers
};
// The same with its memory.
template <class T>
struct OwnTile : Tile<T> {
  OwnTile(const Plan& plan, index chunk, bool keeps = false);
  Buffer<T> lines, own, vectors, gradients, moments, halves;
  Buffer<std::uint64_t> random;
};

// The parameters and the moving statistics.
template <class T>
struct Weights {
  const T* theta;
  T* state;
};

// Rows of a batch.
template <class T>
struct Batch {
  const Data<T>* data;
  const index* order;  // rows of the data, or null: first, first + 1, ...
  index first, rows;
  double divisor;  // of the sum of losses
  std::uint64_t seed;
  index epoch;
  std::atomic<bool>* not_finite = nullptr;  // where not null: set by values that are not finite
};

struct Sums {
  double loss = 0, activity = 0;
  double metrics[kMaxMetrics] = {};
  void add(const Sums& other);
};

// Between the products of a tile that takes milliseconds; shorter ones are asked about elsewhere.
inline void answer_interrupt(const Plan& plan, index rows) {
  constexpr double long_work = 1e8;
  if (plan.flops * double(rows) >= long_work) threads::answer_interrupt();
}

// Rows [begin, begin + rows) of the batch into the tile.
template <class T>
void load_tile(const Batch<T>& batch, index begin, index rows, bool with_targets, Tile<T>& tile,
               const Team& team);
template <class T>
void forward_tile(const Plan& plan, const Weights<T>& weights, const Batch<T>& batch, index begin,
                  Tile<T>& tile, const Team& team);
// Of columns [j0, j1) of the output, -1: all, and lanes [r0, r1).
template <class T>
void take_loss(const Plan& plan, const Objective& objective, bool with_gradient, index j0, index j1,
               index r0, index r1, const Tile<T>& tile, T* values);
// Of a plan that streams: the last step forward and the loss, some columns at a time, so that they
// are still in the cache when their loss is taken. Between loss_values and loss_sums.
template <class T>
void stream_step(const Plan& plan, const Objective& objective, const Weights<T>& weights,
                 const Tile<T>& tile, const Team& team);
// Of every row, but for a plan that streams. with_gradient: dL/d(output) into the tile's first
// gradient.
template <class T>
void loss_values(const Plan& plan, const Objective& objective, const Batch<T>& batch, index begin,
                 bool with_gradient, Tile<T>& tile, const Team& team);
// Over the rows, with metrics, for which the values of the losses make way.
template <class T>
Sums loss_sums(const Plan& plan, const Objective& objective, const Batch<T>& batch, index begin,
               Tile<T>& tile);
// dL/d(theta) of the tile into `gradient`, shaped like theta, or added to it; of a tile that keeps
// the gradients of all steps those of weights come later, by weights_gradient.
template <class T>
void backward_tile(const Plan& plan, const Weights<T>& weights, const Batch<T>& batch, index begin,
                   T* gradient, bool add, Tile<T>& tile, const Team& team);

// ---- the parts

constexpr index kInputs = 24;  // a multiple of most blocks of inputs (engine/leaf/weights.hpp)
struct Piece {
  index i0, i1, j0, j1;  // inputs and outputs of a dense step
};

// A piece of dW = X^T D, with the last inputs db unless it is null; add: to what they hold.
// rules: null, or the updates of W and b, which are then made at once.
template <class T>
void weights_gradient(const Step& step, const Tile<T>& tile, const T* x, const T* d, Piece piece,
                      T* dw, T* db, bool add, const UpdateTask<T>* rules);
// How outputs of a step may be cut, in multiples of these.
template <class T>
index output_grain(const Op& op, const Tile<T>& tile);
// All of it.
template <class T>
void weights_gradient(const Step& step, const Tile<T>& tile, const T* x, const T* d, T* dw, T* db,
                      bool add, const Team& team);
template <class T>
UpdateTask<T> shifted(UpdateTask<T> task, index by);
// g, lines of dL/da, to dL/dz; from: outputs or inputs of the activation.
template <class T>
void derive(const Op& op, const Tile<T>& tile, const T* from, T* g, const Team& team);
// Dropout or noise; lanes beyond the rows become 0, so that they never count.
template <class T>
void random_step(const Step& step, const Batch<T>& batch, index begin, Tile<T>& tile, const T* in,
                 T* out, index columns, const Team& team);

// algo/nn/norm.cpp
template <class T>
void norm_forward(const Plan& plan, const Step& step, const Weights<T>& weights, Tile<T>& tile,
                  const T* x, T* out, T* stats, const Team& team);
template <class T>
void norm_backward(const Plan& plan, const Step& step, const Weights<T>& weights, Tile<T>& tile,
                   const T* x, T* g, const T* stats, T* gradient, bool add, const Team& team);
template <class T>
void activity_gradient(const Plan& plan, const Step& step, index batch_rows, Tile<T>& tile,
                       const T* a, T* g, const Team& team);
template <class T>
double activity_penalty(const Step& step, index batch_rows, const Tile<T>& tile, const T* a);
// Of plan.sparse: sums of a tile's activities, line by line, and the penalty from those of all
// rows.
template <class T>
void sparse_sums(const Plan& plan, Tile<T>& tile, double* out);
double sparse_penalty(const Plan& plan, const double* sums, index rows);

}  // namespace coterie::nn
