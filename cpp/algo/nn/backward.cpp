// A tile goes backward through the steps: gradients of its rows, and of the parameters.
#include "pass.hpp"

namespace coterie::nn {

namespace {

// Adding lanes at the end of each sum against turning the gradient first, in multiply-adds of
// vectors, of which two take the time of a shuffle, a load or a store (bench: nn).
template <class T>
bool lanes_at_the_end(const Op& op, const Tile<T>& tile) {
  const index w = kernels<T>().width, vectors = (op.outputs + w - 1) / w, steps = tile.lanes / w;
  index moves = 2;  // of a vector: a load, a store, log2(w) shuffles
  for (index q = 1; q < w; q *= 2) ++moves;
  const index dot = round_up_to(op.inputs + 1, 4) * op.outputs * (steps + 2);
  const index outer = ((op.inputs + 1) * tile.rows + 2 * steps * w * moves) * vectors;
  return dot < outer;
}

}  // namespace

template <class T>
void weights_gradient(const Op& op, Tile<T>& tile, const T* x, const T* d, T* dw, T* db, bool add,
                      const Team& team) {
  const Kernels<T>& k = kernels<T>();
  const bool dot = lanes_at_the_end(op, tile);
  const index wide = round_up_to(op.outputs, k.width);
  if (!dot)
    team.pieces(tile.rows, 4 * k.width, [&](index r0, index r1) {
      k.turn({d + r0, tile.ld, nullptr, op.outputs, r1 - r0, tile.turned.data() + r0 * wide, wide,
              wide});
    });
  team.pieces(op.inputs, 12, [&](index i0, index i1) {
    const bool last = i1 == op.inputs && db != nullptr;
    WeightsTask<T> t{x + i0 * tile.ld,
                     tile.ld,
                     i1 - i0,
                     dot ? d : tile.turned.data(),
                     dot ? tile.ld : wide,
                     op.outputs,
                     dot ? tile.lanes : tile.rows,
                     dw + i0 * op.outputs,
                     op.outputs,
                     add,
                     last ? tile.ones.data() : nullptr,
                     db};
    (dot ? k.weights_dot : k.weights_outer)(t);
  });
}

template <class T>
void derive(const Op& op, Tile<T>& tile, const T* from, T* g, const Team& team) {
  if (op.activation == Activation::linear) return;
  team.pieces(tile.lanes, kernels<T>().width, [&](index r0, index r1) {
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

}  // namespace

template <class T>
void backward_tile(const Plan& plan, const Weights<T>& weights, const Batch<T>& batch, index begin,
                   T* gradient, bool add, Tile<T>& tile, const Team& team) {
  T *g = tile.line(plan.at_gradient), *other = tile.line(plan.at_gradient + plan.widest);
  bool derived = false;
  for (index i = static_cast<index>(plan.steps.size()) - 1; i >= plan.lowest; --i) {
    const Step& s = plan.steps[i];
    answer_interrupt(plan, tile.rows);
    const T* in = tile.line(i > 0 ? plan.steps[i - 1].out : 0);
    activity_gradient(plan, s, batch.rows, tile, tile.line(s.out), g);
    if (s.op.kind == Kind::dense || s.op.kind == Kind::activation) {
      if (!derived) derive(s.op, tile, tile.line(s.z >= 0 ? s.z : s.out), g, team);
      derived = false;
    }
    if (s.op.kind == Kind::dropout) random_step(s, batch, begin, tile, g, g, s.op.outputs, team);
    if (s.op.kind == Kind::batch_norm)
      norm_backward(plan, s, weights, tile, in, g, tile.stats.data() + 2 * i * plan.widest,
                    gradient, add);
    if (s.op.kind != Kind::dense) continue;
    if (s.op.trainable)
      weights_gradient(s.op, tile, in, g, gradient + s.op.weights,
                       s.op.bias >= 0 ? gradient + s.op.bias : nullptr, add, team);
    if (i == plan.lowest) break;
    answer_interrupt(plan, tile.rows);
    const Step& below = plan.steps[i - 1];
    derived = derives_in_product(below);
    const T* from = tile.line(below.z >= 0 ? below.z : below.out);
    product<T>({g, tile.ld, tile.lanes, s.op.outputs, s.op.inputs, weights.theta + s.op.weights,
                s.op.outputs, true, nullptr, other, tile.ld,
                derived ? below.op.activation : Activation::linear, T(below.op.alpha),
                derived ? from : nullptr, tile.ld},
               team);
    std::swap(g, other);
  }
}

#define COTERIE_INSTANTIATE(T)                                                                  \
  template void weights_gradient(const Op&, Tile<T>&, const T*, const T*, T*, T*, bool,         \
                                 const Team&);                                                  \
  template void derive(const Op&, Tile<T>&, const T*, T*, const Team&);                         \
  template void backward_tile(const Plan&, const Weights<T>&, const Batch<T>&, index, T*, bool, \
                              Tile<T>&, const Team&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
