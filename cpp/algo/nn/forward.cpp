// A tile is loaded and goes forward through the steps, and the loss is taken.
#include <cmath>

#include "../../base/random.hpp"
#include "pass.hpp"

namespace coterie::nn {

template <class T>
index line_stride(index lanes) {
  const index w = kernels<T>().width;
  return lanes > w ? (lanes / w | 1) * w : lanes;
}

template <class T>
OwnTile<T>::OwnTile(const Plan& plan, index chunk, bool keep) {
  const index w = kernels<T>().width, n = round_up_to(chunk, w);
  this->inputs = plan.inputs;
  this->room = this->lanes = n;
  this->ld = line_stride<T>(n);
  this->keeps = keep;
  own = Buffer<T>(checked_product(plan.inputs + plan.targets, this->ld), T(0));
  this->x = own.data();
  this->y = this->x + plan.inputs * this->ld;
  lines = Buffer<T>(checked_product(plan.lines - plan.inputs, this->ld), T(0));
  this->memory = lines.data();
  if (plan.targets == 0 && !plan.training) return;
  vectors = Buffer<T>(3 * n, T(1));
  this->ones = vectors.data();
  this->scale = vectors.data() + n;
  this->values = vectors.data() + 2 * n;
  random = Buffer<std::uint64_t>(n, 0);
  this->keys = random.data();
  if (!plan.training) return;
  const index columns = keep ? plan.turned : turned_stride<T>(plan.widest);
  gradients = Buffer<T>(checked_product(n, columns), T(0));
  this->turned = gradients.data();
  moments = Buffer<T>(2 * static_cast<index>(plan.steps.size()) * plan.widest, T(0));
  this->stats = moments.data();
}

template <class T>
Tile<T> Tile<T>::lanes_of(index begin, index end) const {
  Tile part = *this;
  part.first += begin;
  part.rows = std::clamp<index>(rows - begin, 0, end - begin);
  part.lanes = end - begin;
  for (T** p : {&part.x, &part.y, &part.memory, &part.scale, &part.values}) *p += begin;
  part.ones += begin;
  part.keys += begin;
  return part;
}

void Sums::add(const Sums& other) {
  loss += other.loss;
  activity += other.activity;
  for (int k = 0; k < kMaxMetrics; ++k) metrics[k] += other.metrics[k];
}

// Columns in pieces where there are many, lanes where there are not.
template <class T>
void product(const DenseTask<T>& t, const Team& team) {
  constexpr index grain =
      12;  // columns: a multiple of most blocks of columns (engine/leaf/dense.hpp)
  constexpr index least = 1 << 19;  // multiplications worth giving away
  const index w = kernels<T>().width;
  const auto columns = [&](index j0, index j1) {
    DenseTask<T> piece = t;
    piece.w += t.turned ? j0 * t.w_ld : j0;
    if (t.bias) piece.bias += j0;
    piece.out += j0 * t.out_ld;
    if (t.outputs) piece.outputs += j0 * t.outputs_ld;
    piece.columns = j1 - j0;
    kernels<T>().dense(piece);
  };
  if (team.helping) {
    const index depth = t.to < 0 ? t.depth : t.to - t.from;
    const index size = round_up_to(std::max<index>(4 * grain, least / (depth * t.lanes)), grain);
    if (t.columns <= size) return columns(0, t.columns);
    team.helping->pieces(team.share, (t.columns + size - 1) / size,
                         [&](index k) { columns(k * size, std::min(t.columns, (k + 1) * size)); });
    return;
  }
  if (t.columns >= 8 * grain * team.n_threads || t.lanes < 4 * w * team.n_threads)
    return team.pieces(t.columns, grain, double(t.depth) * double(t.lanes), columns);
  team.pieces(t.lanes, 4 * w, double(t.depth) * double(t.columns), [&](index r0, index r1) {
    DenseTask<T> piece = t;
    piece.x += r0;
    piece.out += r0;
    if (t.outputs) piece.outputs += r0;
    piece.lanes = r1 - r0;
    kernels<T>().dense(piece);
  });
}

namespace {

// Row r of the tile in the data.
template <class T>
index row_of(const Batch<T>& batch, index r) {
  return batch.order ? batch.order[batch.first + r] : batch.first + r;
}

// Rows [r0, r1) of the tile to lines.
template <class T>
void gather(const View<T>& from, const Batch<T>& batch, index begin, const Tile<T>& tile, index r0,
            index r1, T* to) {
  const index at = batch.first + begin + r0,
              rows = std::max<index>(0, std::min(r1, tile.rows) - r0);
  const T* x = batch.order ? from.data : from.data + at * from.stride;
  kernels<T>().turn({x, from.stride, batch.order ? batch.order + at : nullptr, rows, from.cols,
                     to + r0, tile.ld, r1 - r0});
  if (batch.not_finite && !kernels<T>().finite(to + r0, tile.ld, r1 - r0, from.cols))
    *batch.not_finite = true;
}

template <class T>
void activate(const Step& s, Tile<T>& tile, const T* z, T* out, const Team& team) {
  team.pieces(tile.lanes, kernels<T>().width, kPassage * double(s.op.outputs),
              [&](index r0, index r1) {
                kernels<T>().activate({s.op.activation, T(s.op.alpha), r1 - r0, s.op.outputs,
                                       z + r0, tile.ld, out + r0, tile.ld});
              });
}

template <class T>
void dense_step(const Step& s, const Weights<T>& weights, Tile<T>& tile, const T* in, T* out,
                const Team& team) {
  const Op& op = s.op;
  const bool apart = s.z >= 0 || op.activation == Activation::softmax;
  T* to = s.z >= 0 ? tile.line(s.z) : out;
  product<T>({in, tile.ld, tile.lanes, op.inputs, op.outputs, weights.theta + op.weights,
              op.outputs, false, op.bias >= 0 ? weights.theta + op.bias : nullptr, to, tile.ld,
              apart ? Activation::linear : op.activation, T(op.alpha), nullptr, 0},
             team);
  if (apart) activate(s, tile, to, out, team);
}

}  // namespace

template <class T>
void set_keys(const Step& s, const Batch<T>& batch, index begin, Tile<T>& tile) {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
  std::uint64_t key = mix(batch.seed + golden * (s.op.stream + 1));
  key = mix(key + golden * (static_cast<std::uint64_t>(batch.epoch) + 1));
  for (index r = 0; r < tile.rows; ++r)
    tile.keys[r] = mix(key + golden * (static_cast<std::uint64_t>(row_of(batch, begin + r)) + 1));
}

template <class T>
void random_step(const Step& s, const Batch<T>& batch, index begin, Tile<T>& tile, const T* in,
                 T* out, index columns, const Team& team) {
  set_keys(s, batch, begin, tile);
  team.pieces(tile.lanes, kernels<T>().width, kPassage * double(columns), [&](index r0, index r1) {
    const index rows = std::max<index>(0, std::min(r1, tile.rows) - r0);
    const NoiseTask<T> t{rows,    columns, tile.keys + r0, T(s.op.rate),
                         in + r0, tile.ld, out + r0,       tile.ld};
    if (s.op.kind == Kind::dropout)
      kernels<T>().dropout(t);
    else
      kernels<T>().noise(t);
    for (index j = 0; j < columns; ++j)
      for (index r = r0 + rows; r < r1; ++r) out[j * tile.ld + r] = T(0);
  });
}

template <class T>
void load_tile(const Batch<T>& batch, index begin, index rows, bool with_targets, Tile<T>& tile,
               const Team& team) {
  const Data<T>& data = *batch.data;
  tile.rows = rows;
  tile.lanes = round_up_to(rows, kernels<T>().width);
  const bool same = targets_are_inputs(data);
  team.pieces(tile.lanes, kernels<T>().width, kPassage * double(data.x.cols + data.y.cols),
              [&](index r0, index r1) {
                gather(data.x, batch, begin, tile, r0, r1, tile.x);
                if (with_targets && !data.labels && !same)
                  gather(data.y, batch, begin, tile, r0, r1, tile.y);
              });
  if (with_targets && same) tile.y = tile.x;
  if (!with_targets || !data.labels) return;
  for (index r = 0; r < rows; ++r) tile.y[r] = T(data.labels[row_of(batch, begin + r)]);
}

template <class T>
void forward_tile(const Plan& plan, const Weights<T>& weights, const Batch<T>& batch, index begin,
                  Tile<T>& tile, const Team& team) {
  const T* in = tile.line(0);
  const std::size_t n = plan.steps.size() - (plan.streams ? 1 : 0);
  for (std::size_t i = 0; i < n; ++i) {
    const Step& s = plan.steps[i];
    T* out = tile.line(s.out);
    answer_interrupt(plan, tile.rows);
    switch (s.op.kind) {
      case Kind::dense:
        dense_step(s, weights, tile, in, out, team);
        break;
      case Kind::activation:
        for (index j = 0; s.z >= 0 && j < s.op.outputs; ++j)
          std::copy_n(in + j * tile.ld, tile.lanes, tile.line(s.z + j));
        activate(s, tile, in, out, team);
        break;
      case Kind::dropout:
      case Kind::noise:
        if (out != in) random_step(s, batch, begin, tile, in, out, s.op.outputs, team);
        break;
      case Kind::activity:
        break;
      case Kind::batch_norm:
        norm_forward(
            plan, s, weights, tile, in, out,
            plan.training ? tile.stats + 2 * static_cast<index>(i) * plan.widest : nullptr);
        break;
    }
    in = out;
  }
}

namespace {

template <class T>
double weight_of(const Batch<T>& batch, index r) {
  return batch.data->weights ? batch.data->weights[row_of(batch, r)] : 1.0;
}

// Lines of probabilities that only metrics want.
template <class T>
T* probabilities(const Plan& plan, const Objective& objective, const Tile<T>& tile) {
  const bool wanted = plan.fused != Activation::linear && !objective.metrics.empty();
  return wanted ? tile.line(plan.at_p) : nullptr;
}

}  // namespace

template <class T>
void loss_values(const Plan& plan, const Objective& objective, const Batch<T>& batch, index begin,
                 bool with_gradient, Tile<T>& tile, const Team& team) {
  const double factor = objective.scale / batch.divisor;
  if (batch.data->weights)
    for (index r = 0; r < tile.rows; ++r) tile.scale[r] = T(weight_of(batch, begin + r) * factor);
  else
    std::fill_n(tile.scale, tile.rows, T(factor));
  std::fill(tile.scale + tile.rows, tile.scale + tile.lanes, T(0));
  if (!plan.streams) loss_columns(plan, objective, with_gradient, 0, -1, tile, team);
}

template <class T>
void loss_columns(const Plan& plan, const Objective& objective, bool with_gradient, index j0,
                  index j1, Tile<T>& tile, const Team& team) {
  const T* p = tile.line(plan.steps.back().out);
  const T* y = tile.y;
  T* g = with_gradient ? tile.line(plan.steps.back().gradient) : nullptr;
  T* outputs = probabilities(plan, objective, tile);
  const double smooth = objective.label_smoothing;
  const index classes =
      plan.loss == Loss::binary || plan.loss == Loss::binary_logits ? 2 : plan.outputs;
  team.pieces(
      tile.lanes, kernels<T>().width, kPassage * double(plan.outputs), [&](index r0, index r1) {
        kernels<T>().loss({plan.loss, T(objective.delta), T(1 - smooth),
                           T(smooth / double(classes)), r1 - r0, plan.outputs, p + r0, tile.ld,
                           y + r0, tile.ld, tile.scale + r0, g ? g + r0 : nullptr, tile.ld,
                           outputs ? outputs + r0 : nullptr, tile.ld, tile.values + r0, j0, j1});
      });
}

template <class T>
Sums loss_sums(const Plan& plan, const Objective& objective, const Batch<T>& batch, index begin,
               Tile<T>& tile) {
  const T* outputs = probabilities(plan, objective, tile);
  if (outputs == nullptr) outputs = tile.line(plan.steps.back().out);
  Sums sums;
  for (index r = 0; r < tile.rows; ++r)
    sums.loss += weight_of(batch, begin + r) * double(tile.values[r]);
  for (std::size_t k = 0; k < objective.metrics.size(); ++k) {
    kernels<T>().metric({objective.metrics[k], tile.lanes, plan.outputs, outputs, tile.ld, tile.y,
                         tile.ld, tile.values});
    for (index r = 0; r < tile.rows; ++r) sums.metrics[k] += double(tile.values[r]);
  }
  for (const Step& s : plan.steps)
    sums.activity += activity_penalty(s, batch.rows, tile, tile.line(s.out));
  return sums;
}

#define COTERIE_INSTANTIATE(T)                                                                     \
  template struct Tile<T>;                                                                         \
  template struct OwnTile<T>;                                                                      \
  template index line_stride<T>(index);                                                            \
  template void product(const DenseTask<T>&, const Team&);                                         \
  template void random_step(const Step&, const Batch<T>&, index, Tile<T>&, const T*, T*, index,    \
                            const Team&);                                                          \
  template void load_tile(const Batch<T>&, index, index, bool, Tile<T>&, const Team&);             \
  template void forward_tile(const Plan&, const Weights<T>&, const Batch<T>&, index, Tile<T>&,     \
                             const Team&);                                                         \
  template void loss_columns(const Plan&, const Objective&, bool, index, index, Tile<T>&,          \
                             const Team&);                                                         \
  template void loss_values(const Plan&, const Objective&, const Batch<T>&, index, bool, Tile<T>&, \
                            const Team&);                                                          \
  template Sums loss_sums(const Plan&, const Objective&, const Batch<T>&, index, Tile<T>&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
