// A net as it runs: steps with their buffers in a tile, and how a batch is cut.
#pragma once
#include <algorithm>

#include "../../base/buffer.hpp"
#include "../../base/crew.hpp"
#include "../../engine/isa.hpp"
#include "nn.hpp"

namespace coterie::nn {

template <class T>
const Kernels<T>& kernels();
template <>
inline const Kernels<float>& kernels<float>() {
  return isa::table().nn->f32;
}
template <>
inline const Kernels<double>& kernels<double>() {
  return isa::table().nn->f64;
}

inline index round_up_to(index n, index to) { return (n + to - 1) / to * to; }

// The derivative is formed from the inputs of the activation, not from its outputs.
inline bool needs_inputs(Activation a) {
  return a == Activation::step || a == Activation::gelu || a == Activation::gelu_tanh;
}

constexpr index kUnit = 16;  // columns: a line of the cache, and a multiple of every width

// Multiply-adds in the time of one value on its way through an elementwise step, or somewhat more.
constexpr double kPassage = 100;

// The threads that share a tile, or one alone. What lies between calls is done by all of them.
struct Team {
  threads::Crew::Member* member = nullptr;  // null: one thread
  index size() const { return member ? member->size() : 1; }

  // f(k) for 0 <= k < count, those from b count / size() on by thread b if it can. Interrupts come
  // between them.
  template <class F>
  void each(index count, const F& f) const {
    const index n = size();
    if (!member)
      for (index k = 0; k < count; ++k) f(k), threads::answer_interrupt();
    else
      member->stage([&](index b) { return (b + 1) * count / n - b * count / n; },
                    [&](index b, index k) { f(b * count / n + k), threads::answer_interrupt(); });
  }

  // f(begin, end) over pieces of [0, count), cut at multiples of `grain`. An item takes `work`
  // multiply-adds; pieces are worth giving away, and take some hundredths of a second at most.
  template <class F>
  void pieces(index count, index grain, double work, const F& f) const {
    constexpr double least = 1 << 18, most = 1e9;
    const double total = double(count) * work;
    if (!member && total < 2 * most) return f(index(0), count);
    const double wanted = total / (member ? least : most);
    const index grains = (count + grain - 1) / grain;
    index n = std::max<index>(1, wanted < double(grains) ? index(wanted) : grains);
    if (n > size()) n = n / size() * size();
    each(n, [&](index k) {
      f(k * grains / n * grain, std::min(count, (k + 1) * grains / n * grain));
    });
  }
};

// Where a step's lines stand in a tile, in lines from its start.
struct Step {
  Op op;
  index out;            // of its outputs
  index z = -1;         // of the inputs of its activation, where they are needed
  index gradient = -1;  // of dL/d(outputs), where it is needed; steps between dense ones share it
  index turned = 0;     // columns of gradients kept as rows before its own
};

struct Penalised {
  index offset, size;
  double l1, l2;
};

// A penalty of mean activities of lines [out, out + outputs): of all rows, not of a tile's.
struct Sparse {
  index out, outputs;
  double target, weight;
};

struct Plan {
  // training: dropout, noise and batches' statistics; the last activation may become part of the
  // loss.
  Plan(const Net& net, const Objective* objective, bool training);

  std::vector<Step> steps;
  std::vector<Penalised> segments;  // of theta, those that are trained: no other is penalised
  std::vector<Penalised> rest;      // of segments, those of no dense step
  std::vector<Sparse> sparse;       // outside of training, where batches are cut
  Loss loss = Loss::mse;
  Activation fused = Activation::linear;  // what the loss does in place of the last step
  bool training = false, whole_batch = false, penalties = false;
  bool apart = true;               // rows never meet before the gradients of parameters
  bool streams = false;            // the last step goes forward and backward by columns
  index inputs, outputs, targets;  // lines of x, of the output, of y
  index lowest = 0;                // the first step with parameters to train
  index lines = 0;                 // of a tile
  index widest = 0;                // lines of a step
  index turned = 0;                // columns of all steps' gradients kept as rows
  index params = 0;
  index halves = 0;  // lines of sums' second halves
  double flops = 0;  // of a row, forward and backward

  index at_p;  // lines of probabilities

 private:
  void place_gradients(bool over);  // over: the outputs
};

// Columns of the output whose losses are summed apart from others.
inline index cells_of(const Plan& plan) { return (plan.outputs + kUnit - 1) / kUnit; }

// Where a tile keeps its gradients, long sums are cut in two: each half then belongs to the threads
// that formed what it sums, and weights stay in the caches of a core.
inline bool halved(index depth) { return depth >= 16 * kUnit; }
// Where share b of n begins.
inline index cut_at(index count, index b, index n) {
  return std::min(count, (count + kUnit - 1) / kUnit * b / n * kUnit);
}
// A layer that narrows is shared by its inputs, others by their outputs.
inline bool by_inputs(const Op& op) { return op.inputs >= 2 * op.outputs; }
inline bool halved_forward(const Op& op, bool keeps) {
  return keeps && by_inputs(op) && halved(op.inputs);
}
inline bool halved_backward(const Op& op, bool keeps) {
  return keeps && !by_inputs(op) && halved(op.outputs);
}

// Neighbours with the same penalties as one.
std::vector<Penalised> merged(const std::vector<Penalised>& segments);

// How a batch of `rows` is cut: chunks of `chunk` rows, `shards` of consecutive chunks that share a
// partial gradient.
struct Cut {
  index chunk, chunks, shards, per_shard;
  bool layers;  // one gradient, formed of all rows of a tile, rather than partial ones
};
template <class T>
Cut cut_of(const Plan& plan, index rows);

// The most of each that any batch of up to `rows` is cut into: a smaller batch may have larger
// chunks, and more shards.
struct Room {
  index chunk, chunks, shards;
};
template <class T>
Room room_of(const Plan& plan, index rows);

}  // namespace coterie::nn
