// A tile goes backward through the steps: gradients of its rows, and of the parameters.
#include "product.hpp"

namespace coterie::nn {

namespace {

// Rows whose products are summed at a time: those of a whole batch would come from memory again for
// every few inputs.
constexpr index kRows = 1024;

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
void turn_gradient(const Step& s, const Tile<T>& tile, const T* d, index j0, index j1, index r0,
                   index r1) {
  const index rows = std::min(r1, tile.rows) - r0, wide = turned_stride<T>(s.op.outputs);
  if (rows <= 0 || lanes_at_the_end(s.op, tile)) return;
  kernels<T>().turn({d + j0 * tile.ld + r0, tile.ld, nullptr, j1 - j0, rows,
                     tile.turned_of(s) + r0 * wide + j0, wide,
                     j1 == s.op.outputs ? wide - j0 : j1 - j0});
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
  WeightsTask<T> t{x + i0 * tile.ld,
                   tile.ld,
                   i1 - i0,
                   dot ? d + j0 * tile.ld : tile.turned_of(s) + j0,
                   dot ? tile.ld : wide,
                   j1 - j0,
                   0,
                   dw + from,
                   op.outputs,
                   add,
                   last ? tile.ones : nullptr,
                   db + (last ? j0 : 0),
                   nullptr,
                   wide - j0};
  const index rows = dot ? tile.lanes : tile.rows;
  for (index left = rows; left > 0; left -= t.rows) {
    t.rows = std::min(left, kRows);
    if (t.rows == left && rules && !dot) t.update = here;
    (dot ? k.weights_dot : k.weights_outer)(t);
    t.x += t.rows, t.d += dot ? t.rows : t.rows * wide;
    t.add = true;
  }
  if (!rules || !dot) return;
  here[0].size = (i1 - i0) * op.outputs;
  here[1].size = op.outputs;
  k.update(here[0]);
  if (last) k.update(here[1]);
}

namespace {

template <class T>
void turn_all(const Step& s, const Tile<T>& tile, const T* d, const Team& team) {
  team.pieces(s.op.outputs, kUnit, kPassage * double(tile.lanes),
              [&](index j0, index j1) { turn_gradient(s, tile, d, j0, j1, 0, tile.lanes); });
}

}  // namespace

template <class T>
void weights_gradient(const Step& s, const Tile<T>& tile, const T* x, const T* d, T* dw, T* db,
                      bool add, const Team& team) {
  turn_all(s, tile, d, team);
  team.pieces(s.op.inputs, kInputs, double(s.op.outputs) * double(tile.rows),
              [&](index i0, index i1) {
                weights_gradient<T>(s, tile, x, d, {i0, i1, 0, s.op.outputs}, dw, db, add, nullptr);
              });
}

namespace {

// Of lines [j0, j1) and lanes [r0, r1).
template <class T>
void derive_block(const Op& op, const Tile<T>& tile, const T* from, T* g, index j0, index j1,
                  index r0, index r1) {
  const index at = j0 * tile.ld + r0;
  kernels<T>().derive(
      {op.activation, T(op.alpha), r1 - r0, j1 - j0, from + at, tile.ld, g + at, tile.ld});
}

}  // namespace

template <class T>
void derive(const Op& op, const Tile<T>& tile, const T* from, T* g, const Team& team) {
  if (op.activation == Activation::linear) return;
  const index w = kernels<T>().width;
  if (op.activation == Activation::softmax)
    team.pieces(tile.lanes, w, kPassage * double(op.outputs), [&](index r0, index r1) {
      derive_block(op, tile, from, g, 0, op.outputs, r0, r1);
    });
  else
    team.pieces(op.outputs, 1, kPassage * double(tile.lanes), [&](index j0, index j1) {
      derive_block(op, tile, from, g, j0, j1, 0, tile.lanes);
    });
}

namespace {

// The derivative of `below` may be formed where dL/d(its output) is: nothing comes between.
bool derives_at_once(const Step& below) {
  return (below.op.kind == Kind::dense || below.op.kind == Kind::activation) &&
         below.op.activation != Activation::softmax && below.op.activity_l1 == 0 &&
         below.op.activity_l2 == 0;
}

bool turns(const Step& s, bool keeps) {
  return keeps && s.op.kind == Kind::dense && s.op.trainable;
}

// dL/da of what is below dense step i; where that may be, also dL/dz, and its rows.
template <class T>
void backward_product(const Plan& plan, const Weights<T>& weights, const Tile<T>& tile, index i,
                      const Team& team) {
  const Step &s = plan.steps[i], &below = plan.steps[i - 1];
  const bool derived = derives_at_once(below), turned = derived && turns(below, tile.keeps);
  const T* from = tile.line(below.z >= 0 ? below.z : below.out);
  T* g = tile.line(below.gradient);
  const DenseTask<T> t{tile.line(s.gradient),
                       tile.ld,
                       tile.lanes,
                       s.op.outputs,
                       s.op.inputs,
                       weights.theta + s.op.weights,
                       s.op.outputs,
                       true,
                       nullptr,
                       g,
                       tile.ld,
                       derived ? below.op.activation : Activation::linear,
                       T(below.op.alpha),
                       derived ? from : nullptr,
                       tile.ld};
  const auto turn = [&](index j0, index j1, index r0, index r1) {
    if (turned) turn_gradient(below, tile, g, j0, j1, r0, r1);
  };
  if (!halved_backward(s.op, tile.keeps)) return product(t, team, turn);
  halves_product(t, tile, team, [&](index j0, index j1) {
    if (derived && below.op.activation != Activation::linear)
      derive_block(below.op, tile, from, g, j0, j1, 0, tile.lanes);
    turn(j0, j1, 0, tile.lanes);
  });
}

}  // namespace

template <class T>
void stream_step(const Plan& plan, const Objective& objective, const Weights<T>& weights,
                 const Tile<T>& tile, const Team& team) {
  const index last = static_cast<index>(plan.steps.size()) - 1;
  const Step& s = plan.steps[last];
  const Op& op = s.op;
  product<T>({tile.line(plan.steps[last - 1].out), tile.ld, tile.lanes, op.inputs, op.outputs,
              weights.theta + op.weights, op.outputs, false,
              op.bias >= 0 ? weights.theta + op.bias : nullptr, tile.line(s.out), tile.ld,
              Activation::linear, T(op.alpha), nullptr, 0},
             team, [&](index j0, index j1, index r0, index r1) {
               for (index j = j0; j < j1; j += kUnit)
                 take_loss(plan, objective, true, j, std::min(j1, j + kUnit), r0, r1, tile,
                           tile.cells + j / kUnit * tile.room);
               if (op.trainable) turn_gradient(s, tile, tile.line(s.gradient), j0, j1, r0, r1);
             });
}

template <class T>
void backward_tile(const Plan& plan, const Weights<T>& weights, const Batch<T>& batch, index begin,
                   T* gradient, bool add, Tile<T>& tile, const Team& team) {
  bool derived = plan.streams, turned = plan.streams;
  for (index i = static_cast<index>(plan.steps.size()) - 1; i >= plan.lowest; --i) {
    const Step& s = plan.steps[i];
    answer_interrupt(plan, tile.rows);
    const T* in = tile.line(i > 0 ? plan.steps[i - 1].out : 0);
    T* g = tile.line(s.gradient);
    activity_gradient(plan, s, batch.rows, tile, tile.line(s.out), g, team);
    if (s.op.kind == Kind::dense || s.op.kind == Kind::activation) {
      if (!derived) derive(s.op, tile, tile.line(s.z >= 0 ? s.z : s.out), g, team);
      derived = false;
    }
    if (s.op.kind == Kind::dropout) random_step(s, batch, begin, tile, g, g, s.op.outputs, team);
    if (s.op.kind == Kind::batch_norm)
      norm_backward(plan, s, weights, tile, in, g, tile.stats + 2 * i * plan.widest, gradient, add,
                    team);
    if (s.op.kind != Kind::dense) continue;
    if (turns(s, tile.keeps) && !turned)
      turn_all(s, tile, g, team);
    else if (s.op.trainable && !tile.keeps)
      weights_gradient(s, tile, in, g, gradient + s.op.weights,
                       s.op.bias >= 0 ? gradient + s.op.bias : nullptr, add, team);
    if (i == plan.lowest) break;
    answer_interrupt(plan, tile.rows);
    derived = derives_at_once(plan.steps[i - 1]);
    turned = derived && turns(plan.steps[i - 1], tile.keeps);
    backward_product(plan, weights, tile, i, team);
  }
}

#define COTERIE_INSTANTIATE(T)                                                                   \
  template UpdateTask<T> shifted(UpdateTask<T>, index);                                          \
  template void stream_step(const Plan&, const Objective&, const Weights<T>&, const Tile<T>&,    \
                            const Team&);                                                        \
  template index output_grain(const Op&, const Tile<T>&);                                        \
  template void weights_gradient(const Step&, const Tile<T>&, const T*, const T*, Piece, T*, T*, \
                                 bool, const UpdateTask<T>*);                                    \
  template void weights_gradient(const Step&, const Tile<T>&, const T*, const T*, T*, T*, bool,  \
                                 const Team&);                                                   \
  template void derive(const Op&, const Tile<T>&, const T*, T*, const Team&);                    \
  template void backward_tile(const Plan&, const Weights<T>&, const Batch<T>&, index, T*, bool,  \
                              Tile<T>&, const Team&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
