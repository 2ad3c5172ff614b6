// A tile goes backward through the steps: gradients of its rows, and of the parameters.
#include "pass.hpp"

namespace coterie::nn {

namespace {

// Adding lanes at the end of each sum against turning the gradient first, in multiply-adds of
// vectors, of which two take the time of a shuffle, a load or a store (bench: nn). By the tile's
// room, which parts of it have in common.
template <class T>
bool lanes_at_the_end(const Op& op, const Tile<T>& tile) {
  const index w = kernels<T>().width, vectors = (op.outputs + w - 1) / w, steps = tile.room / w;
  index moves = 2;  // of a vector: a load, a store, log2(w) shuffles
  for (index q = 1; q < w; q *= 2) ++moves;
  const index dot = round_up_to(op.inputs + 1, 4) * op.outputs * (steps + 2);
  const index outer = ((op.inputs + 1) * tile.room + 2 * steps * w * moves) * vectors;
  return dot < outer;
}

}  // namespace

template <class T>
UpdateTask<T> shifted(UpdateTask<T> task, index by) {
  task.w += by;
  task.parts += by;
  if (task.slot0) task.slot0 += by;
  if (task.slot1) task.slot1 += by;
  return task;
}

template <class T>
void turn_gradient(const Step& s, const Tile<T>& tile, const T* d, index j0, index j1,
                   const Team& team) {
  if (lanes_at_the_end(s.op, tile)) return;
  const index w = kernels<T>().width, wide = turned_stride<T>(s.op.outputs);
  team.pieces(tile.rows, 4 * w, kPassage * double(j1 - j0), [&](index r0, index r1) {
    kernels<T>().turn({d + j0 * tile.ld + r0, tile.ld, nullptr, j1 - j0, r1 - r0,
                       tile.turned_of(s) + r0 * wide + j0, wide,
                       j1 == s.op.outputs ? wide - j0 : j1 - j0});
  });
}

template <class T>
index output_grain(const Op& op, const Tile<T>& tile) {
  const index block = 4 * kernels<T>().width;
  return lanes_at_the_end(op, tile) ? op.outputs : block;
}

template <class T>
void weights_gradient(const Step& s, const Tile<T>& tile, const T* x, const T* d, Piece piece,
                      T* dw, T* db, bool add, const UpdateTask<T>* rules) {
  const Kernels<T>& k = kernels<T>();
  const Op& op = s.op;
  const auto [i0, i1, j0, j1] = piece;
  const bool dot = lanes_at_the_end(op, tile), last = i1 == op.inputs && db != nullptr;
  const index from = i0 * op.outputs + j0, wide = turned_stride<T>(op.outputs);
  UpdateTask<T> here[2];
  if (rules) here[0] = shifted(rules[0], from);
  if (rules && db) here[1] = shifted(rules[1], j0);
  const WeightsTask<T> t{x + i0 * tile.ld,
                         tile.ld,
                         i1 - i0,
                         dot ? d + j0 * tile.ld : tile.turned_of(s) + j0,
                         dot ? tile.ld : wide,
                         j1 - j0,
                         dot ? tile.lanes : tile.rows,
                         dw + from,
                         op.outputs,
                         add,
                         last ? tile.ones : nullptr,
                         db + (last ? j0 : 0),
                         rules && !dot ? here : nullptr,
                         wide - j0};
  (dot ? k.weights_dot : k.weights_outer)(t);
  if (!rules || !dot) return;
  here[0].size = (i1 - i0) * op.outputs;
  here[1].size = op.outputs;
  k.update(here[0]);
  if (last) k.update(here[1]);
}

template <class T>
void weights_gradient(const Step& s, const Tile<T>& tile, const T* x, const T* d, T* dw, T* db,
                      bool add, const Team& team) {
  turn_gradient(s, tile, d, 0, s.op.outputs, team);
  team.pieces(s.op.inputs, kInputs, double(s.op.outputs) * double(tile.rows),
              [&](index i0, index i1) {
                weights_gradient<T>(s, tile, x, d, {i0, i1, 0, s.op.outputs}, dw, db, add, nullptr);
              });
}

template <class T>
void derive(const Op& op, Tile<T>& tile, const T* from, T* g, const Team& team) {
  if (op.activation == Activation::linear) return;
  team.pieces(
      tile.lanes, kernels<T>().width, kPassage * double(op.outputs), [&](index r0, index r1) {
        kernels<T>().derive(
            {op.activation, T(op.alpha), r1 - r0, op.outputs, from + r0, tile.ld, g + r0, tile.ld});
      });
}

namespace {

// The derivative of `below` may be formed where dL/d(its output) is: nothing comes between.
bool derives_in_product(const Step& below) {
  return (below.op.kind == Kind::dense || below.op.kind == Kind::activation) &&
         below.op.activation != Activation::softmax && below.op.activity_l1 == 0 &&
         below.op.activity_l2 == 0;
}

// dL/da of what is below dense step i; its derivative is formed at once where that may be.
template <class T>
DenseTask<T> backward_task(const Plan& plan, const Weights<T>& weights, const Tile<T>& tile,
                           index i) {
  const Step &s = plan.steps[i], &below = plan.steps[i - 1];
  const bool derived = derives_in_product(below);
  return {tile.line(s.gradient),
          tile.ld,
          tile.lanes,
          s.op.outputs,
          s.op.inputs,
          weights.theta + s.op.weights,
          s.op.outputs,
          true,
          nullptr,
          tile.line(below.gradient),
          tile.ld,
          derived ? below.op.activation : Activation::linear,
          T(below.op.alpha),
          derived ? tile.line(below.z >= 0 ? below.z : below.out) : nullptr,
          tile.ld};
}

}  // namespace

template <class T>
void stream_tile(const Plan& plan, const Objective& objective, const Weights<T>& weights,
                 Tile<T>& tile, const Team& team) {
  // What is formed of so few columns is still in the L1 cache when its loss is taken; weights and
  // lines of the more are still in the L2 cache on the way back.
  constexpr index few = 48, more = 4 * few;
  const index last = static_cast<index>(plan.steps.size()) - 1;
  const Step& s = plan.steps[last];
  const Op& op = s.op;
  DenseTask<T> back = backward_task(plan, weights, tile, last);
  for (index j0 = 0; j0 < op.outputs; j0 += few) {
    const index j1 = std::min(op.outputs, j0 + few);
    product<T>({tile.line(plan.steps[last - 1].out), tile.ld, tile.lanes, op.inputs, j1 - j0,
                weights.theta + op.weights + j0, op.outputs, false,
                op.bias >= 0 ? weights.theta + op.bias + j0 : nullptr, tile.line(s.out + j0),
                tile.ld, Activation::linear, T(op.alpha), nullptr, 0},
               team);
    loss_columns(plan, objective, true, j0, j1, tile, team);
    if (op.trainable) turn_gradient(s, tile, tile.line(s.gradient), j0, j1, team);
    if (j1 < op.outputs && (j1 % more != 0 || op.outputs - j1 < 2 * few)) continue;
    answer_interrupt(plan, tile.rows);
    back.to = j1;
    product(back, team);
    back.from = j1;
  }
}

template <class T>
void backward_tile(const Plan& plan, const Weights<T>& weights, const Batch<T>& batch, index begin,
                   T* gradient, bool add, Tile<T>& tile, const Team& team) {
  index i = static_cast<index>(plan.steps.size()) - 1;
  bool derived = plan.streams && derives_in_product(plan.steps[i - 1]);
  if (plan.streams) --i;
  for (; i >= plan.lowest; --i) {
    const Step& s = plan.steps[i];
    answer_interrupt(plan, tile.rows);
    const T* in = tile.line(i > 0 ? plan.steps[i - 1].out : 0);
    T* g = tile.line(s.gradient);
    activity_gradient(plan, s, batch.rows, tile, tile.line(s.out), g);
    if (s.op.kind == Kind::dense || s.op.kind == Kind::activation) {
      if (!derived) derive(s.op, tile, tile.line(s.z >= 0 ? s.z : s.out), g, team);
      derived = false;
    }
    if (s.op.kind == Kind::dropout) random_step(s, batch, begin, tile, g, g, s.op.outputs, team);
    if (s.op.kind == Kind::batch_norm)
      norm_backward(plan, s, weights, tile, in, g, tile.stats + 2 * i * plan.widest, gradient, add);
    if (s.op.kind != Kind::dense) continue;
    if (s.op.trainable && tile.keeps)
      turn_gradient(s, tile, g, 0, s.op.outputs, team);
    else if (s.op.trainable)
      weights_gradient(s, tile, in, g, gradient + s.op.weights,
                       s.op.bias >= 0 ? gradient + s.op.bias : nullptr, add, team);
    if (i == plan.lowest) break;
    answer_interrupt(plan, tile.rows);
    derived = derives_in_product(plan.steps[i - 1]);
    product(backward_task(plan, weights, tile, i), team);
  }
}

#define COTERIE_INSTANTIATE(T)                                                                   \
  template UpdateTask<T> shifted(UpdateTask<T>, index);                                          \
  template void turn_gradient(const Step&, const Tile<T>&, const T*, index, index, const Team&); \
  template void stream_tile(const Plan&, const Objective&, const Weights<T>&, Tile<T>&,          \
                            const Team&);                                                        \
  template index output_grain(const Op&, const Tile<T>&);                                        \
  template void weights_gradient(const Step&, const Tile<T>&, const T*, const T*, Piece, T*, T*, \
                                 bool, const UpdateTask<T>*);                                    \
  template void weights_gradient(const Step&, const Tile<T>&, const T*, const T*, T*, T*, bool,  \
                                 const Team&);                                                   \
  template void derive(const Op&, Tile<T>&, const T*, T*, const Team&);                          \
  template void backward_tile(const Plan&, const Weights<T>&, const Batch<T>&, index, T*, bool,  \
                              Tile<T>&, const Team&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
