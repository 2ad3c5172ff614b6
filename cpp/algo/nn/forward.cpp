// A tile is loaded and goes forward through the steps, and the loss is taken.
#include <cmath>

#include "../../base/random.hpp"
#include "product.hpp"

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
  vectors = Buffer<T>(checked_product(3 + (plan.streams ? cells_of(plan) : 0), n), T(1));
  this->ones = vectors.data();
  this->scale = vectors.data() + n;
  this->values = vectors.data() + 2 * n;
  this->cells = vectors.data() + 3 * n;
  random = Buffer<std::uint64_t>(n, 0);
  this->keys = random.data();
  if (!plan.training) return;
  const index columns = keep ? plan.turned : turned_stride<T>(plan.widest);
  gradients = Buffer<T>(checked_product(n, columns), T(0));
  this->turned = gradients.data();
  if (keep) halves = Buffer<T>(checked_product(plan.halves, this->ld), T(0));
  this->half = halves.data();
  moments = Buffer<T>(2 * static_cast<index>(plan.steps.size()) * plan.widest, T(0));
  this->stats = moments.data();
}

template <class T>
Tile<T> Tile<T>::lanes_of(index begin, index end) const {
  Tile part = *this;
  part.first += begin;
  part.rows = std::clamp<index>(rows - begin, 0, end - begin);
  part.lanes = end - begin;
  for (T** p : {&part.x, &part.y, &part.memory, &part.scale, &part.values, &part.cells})
    *p += begin;
  part.ones += begin;
  part.keys += begin;
  return part;
}

void Sums::add(const Sums& other) {
  loss += other.loss;
  activity += other.activity;
  for (int k = 0; k < kMaxMetrics; ++k) metrics[k] += other.metrics[k];
}

namespace {

// Row r of the tile in the data.
template <class T>
index row_of(const Batch<T>& batch, index r) {
  return batch.order ? batch.order[batch.first + r] : batch.first + r;
}

// The tile's rows to lines: a share of the features for each thread, some rows at a time.
template <class T>
void gather(const View<T>& from, const Batch<T>& batch, index begin, const Tile<T>& tile, T* to,
            const Team& team) {
  const index at = batch.first + begin, w = kernels<T>().width, n = team.size();
  const T* x = batch.order ? from.data : from.data + at * from.stride;
  const index shares = from.cols >= 4 * kUnit * n ? n : 1;
  const auto piece = [&](index j0, index j1, index r0, index r1) {
    const index rows = std::max<index>(0, std::min(r1, tile.rows) - r0);
    T* lines = to + j0 * tile.ld + r0;
    kernels<T>().turn({x + j0 + (batch.order ? 0 : r0 * from.stride), from.stride,
                       batch.order ? batch.order + at + r0 : nullptr, rows, j1 - j0, lines, tile.ld,
                       r1 - r0});
    if (batch.not_finite && !kernels<T>().finite(lines, tile.ld, r1 - r0, j1 - j0))
      *batch.not_finite = true;
  };
  team.pieces(shares * tile.lanes, w, kPassage * double(from.cols) / double(shares),
              [&](index a, index b) {
                for (index k = a; k < b;) {
                  const index s = k / tile.lanes, r = k % tile.lanes;
                  const index end = std::min(tile.lanes, r + b - k);
                  piece(cut_at(from.cols, s, shares), cut_at(from.cols, s + 1, shares), r, end);
                  k += end - r;
                }
              });
}

// Of columns [j0, j1) and lanes [r0, r1).
template <class T>
void activate(const Step& s, const Tile<T>& tile, const T* z, T* out, index j0, index j1, index r0,
              index r1) {
  const index at = j0 * tile.ld + r0;
  kernels<T>().activate(
      {s.op.activation, T(s.op.alpha), r1 - r0, j1 - j0, z + at, tile.ld, out + at, tile.ld});
}

template <class T>
void softmax(const Step& s, const Tile<T>& tile, const T* z, T* out, const Team& team) {
  team.pieces(tile.lanes, kernels<T>().width, kPassage * double(s.op.outputs),
              [&](index r0, index r1) { activate(s, tile, z, out, 0, s.op.outputs, r0, r1); });
}

template <class T>
void activation_step(const Step& s, const Tile<T>& tile, const T* in, T* out, const Team& team) {
  if (s.op.activation == Activation::softmax) return softmax(s, tile, in, out, team);
  team.pieces(s.op.outputs, 1, kPassage * double(tile.lanes), [&](index j0, index j1) {
    for (index j = j0; s.z >= 0 && j < j1; ++j)
      std::copy_n(in + j * tile.ld, tile.lanes, tile.line(s.z + j));
    activate(s, tile, in, out, j0, j1, 0, tile.lanes);
  });
}

template <class T>
void dense_step(const Step& s, const Weights<T>& weights, const Tile<T>& tile, const T* in, T* out,
                const Team& team) {
  const Op& op = s.op;
  const bool whole = op.activation == Activation::softmax, apart = s.z >= 0 || whole;
  T* to = s.z >= 0 ? tile.line(s.z) : out;
  const DenseTask<T> t{in,          tile.ld,    tile.lanes,
                       op.inputs,   op.outputs, weights.theta + op.weights,
                       op.outputs,  false,      op.bias >= 0 ? weights.theta + op.bias : nullptr,
                       to,          tile.ld,    apart ? Activation::linear : op.activation,
                       T(op.alpha), nullptr,    0};
  const auto finish = [&](index j0, index j1, index r0, index r1) {
    activate(s, tile, to, out, j0, j1, r0, r1);
  };
  if (halved_forward(op, tile.keeps))
    halves_product(t, tile, team, [&](index j0, index j1) {
      if (!whole && op.activation != Activation::linear) finish(j0, j1, 0, tile.lanes);
    });
  else if (s.z >= 0)
    product(t, team, finish);
  else
    product(t, team);
  if (whole) softmax(s, tile, to, out, team);
}

}  // namespace

template <class T>
void set_keys(const Step& s, const Batch<T>& batch, index begin, const Tile<T>& tile, index r0,
              index r1) {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
  std::uint64_t key = mix(batch.seed + golden * (s.op.stream + 1));
  key = mix(key + golden * (static_cast<std::uint64_t>(batch.epoch) + 1));
  for (index r = r0; r < r1; ++r)
    tile.keys[r] = mix(key + golden * (static_cast<std::uint64_t>(row_of(batch, begin + r)) + 1));
}

template <class T>
void random_step(const Step& s, const Batch<T>& batch, index begin, Tile<T>& tile, const T* in,
                 T* out, index columns, const Team& team) {
  team.pieces(tile.lanes, kernels<T>().width, kPassage * double(columns), [&](index r0, index r1) {
    const index rows = std::max<index>(0, std::min(r1, tile.rows) - r0);
    set_keys(s, batch, begin, tile, r0, r0 + rows);
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
  gather(data.x, batch, begin, tile, tile.x, team);
  if (!with_targets) return;
  if (targets_are_inputs(data)) {
    tile.y = tile.x;
  } else if (data.labels) {
    team.pieces(rows, kUnit, kPassage, [&](index r0, index r1) {
      for (index r = r0; r < r1; ++r) tile.y[r] = T(data.labels[row_of(batch, begin + r)]);
    });
  } else {
    gather(data.y, batch, begin, tile, tile.y, team);
  }
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
        activation_step(s, tile, in, out, team);
        break;
      case Kind::dropout:
      case Kind::noise:
        if (out != in) random_step(s, batch, begin, tile, in, out, s.op.outputs, team);
        break;
      case Kind::activity:
        break;
      case Kind::batch_norm:
        norm_forward(plan, s, weights, tile, in, out,
                     plan.training ? tile.stats + 2 * static_cast<index>(i) * plan.widest : nullptr,
                     team);
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
  team.pieces(tile.lanes, kernels<T>().width, kPassage * double(plan.outputs),
              [&](index r0, index r1) {
                const index end = std::clamp(tile.rows, r0, r1);
                std::fill(tile.scale + r0, tile.scale + end, T(factor));
                for (index r = r0; batch.data->weights && r < end; ++r)
                  tile.scale[r] = T(weight_of(batch, begin + r) * factor);
                std::fill(tile.scale + end, tile.scale + r1, T(0));
                if (!plan.streams)
                  take_loss(plan, objective, with_gradient, 0, -1, r0, r1, tile, tile.values);
              });
}

template <class T>
void take_loss(const Plan& plan, const Objective& objective, bool with_gradient, index j0, index j1,
               index r0, index r1, const Tile<T>& tile, T* values) {
  const T* p = tile.line(plan.steps.back().out);
  T* g = with_gradient ? tile.line(plan.steps.back().gradient) : nullptr;
  T* outputs = probabilities(plan, objective, tile);
  const double smooth = objective.label_smoothing;
  const index classes =
      plan.loss == Loss::binary || plan.loss == Loss::binary_logits ? 2 : plan.outputs;
  kernels<T>().loss({plan.loss, T(objective.delta), T(1 - smooth), T(smooth / double(classes)),
                     r1 - r0, plan.outputs, p + r0, tile.ld, tile.y + r0, tile.ld, tile.scale + r0,
                     g ? g + r0 : nullptr, tile.ld, outputs ? outputs + r0 : nullptr, tile.ld,
                     values + r0, j0, j1});
}

template <class T>
Sums loss_sums(const Plan& plan, const Objective& objective, const Batch<T>& batch, index begin,
               Tile<T>& tile) {
  const T* outputs = probabilities(plan, objective, tile);
  if (outputs == nullptr) outputs = tile.line(plan.steps.back().out);
  Sums sums;
  if (plan.streams) {
    std::fill_n(tile.values, tile.lanes, T(0));
    for (index c = 0; c < cells_of(plan); ++c)
      for (index r = 0; r < tile.lanes; ++r) tile.values[r] += tile.cells[c * tile.room + r];
  }
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
  template void random_step(const Step&, const Batch<T>&, index, Tile<T>&, const T*, T*, index,    \
                            const Team&);                                                          \
  template void load_tile(const Batch<T>&, index, index, bool, Tile<T>&, const Team&);             \
  template void forward_tile(const Plan&, const Weights<T>&, const Batch<T>&, index, Tile<T>&,     \
                             const Team&);                                                         \
  template void take_loss(const Plan&, const Objective&, bool, index, index, index, index,         \
                          const Tile<T>&, T*);                                                     \
  template void loss_values(const Plan&, const Objective&, const Batch<T>&, index, bool, Tile<T>&, \
                            const Team&);                                                          \
  template Sums loss_sums(const Plan&, const Objective&, const Batch<T>&, index, Tile<T>&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
