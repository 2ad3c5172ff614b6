#include "plan.hpp"

#include <string>

#include "../../base/check.hpp"

namespace coterie::nn {
namespace {

void place(index offset, index size, const char* what, index& total) {
  if (offset < 0) refuse(what, "an offset >= 0", offset);
  total = std::max(total, offset + size);
}

void check(const Op& op, Net& net) {
  if (op.inputs < 1) refuse("inputs", "a number >= 1", op.inputs);
  if (op.outputs < 1) refuse("outputs", "a number >= 1", op.outputs);
  if (op.kind == Kind::dense) {
    place(op.weights, checked_product(op.inputs, op.outputs), "weights", net.n_theta);
    if (op.bias >= 0) place(op.bias, op.outputs, "bias", net.n_theta);
    return;
  }
  if (op.inputs != op.outputs)
    refuse("outputs", "as many as inputs", op.outputs, " and ", op.inputs);
  if (op.kind == Kind::dropout && !(op.rate >= 0 && op.rate < 1))
    refuse("rate", "a number in [0, 1)", op.rate);
  if (op.kind == Kind::batch_norm) {
    if (op.gamma >= 0) place(op.gamma, op.outputs, "gamma", net.n_theta);
    if (op.beta >= 0) place(op.beta, op.outputs, "beta", net.n_theta);
    place(op.mean, op.outputs, "mean", net.n_state);
    place(op.variance, op.outputs, "variance", net.n_state);
  }
}

// The loss that takes the place of the last activation, or the loss itself.
Loss fuse(Loss loss, Activation last, bool from_logits) {
  const bool sigmoid = from_logits || last == Activation::sigmoid;
  const bool softmax = from_logits || last == Activation::softmax;
  if (loss == Loss::binary && sigmoid) return Loss::binary_logits;
  if (loss == Loss::categorical && softmax) return Loss::categorical_logits;
  if (loss == Loss::sparse && softmax) return Loss::sparse_logits;
  return loss;
}

}  // namespace

Net::Net(std::vector<Op> given) : ops(std::move(given)) {
  if (ops.empty()) refuse("ops", "at least one", "none");
  for (std::size_t i = 0; i < ops.size(); ++i) {
    check(ops[i], *this);
    if (i > 0 && ops[i].inputs != ops[i - 1].outputs)
      refuse("inputs", ("the " + std::to_string(ops[i - 1].outputs) + " outputs before").c_str(),
             ops[i].inputs, " in op ", i);
  }
}

int slots_of(Rule rule) {
  switch (rule) {
    case Rule::sgd:
      return 0;
    case Rule::momentum:
    case Rule::nesterov:
    case Rule::adagrad:
    case Rule::rmsprop:
      return 1;
    case Rule::rmsprop_momentum:
    case Rule::adam:
      return 2;
  }
  return 0;
}

Plan::Plan(const Net& net, const Objective* objective, bool train)
    : training(train), inputs(net.inputs()), outputs(net.outputs()) {
  index line = inputs;
  bool found = false;
  steps.reserve(net.ops.size());
  widest = std::max(inputs, outputs);
  for (const Op& op : net.ops) {
    Step s{op, line};
    const bool alias = op.kind == Kind::activity ||
                       (!train && (op.kind == Kind::dropout || op.kind == Kind::noise));
    if (alias)
      s.out = steps.empty() ? 0 : steps.back().out;
    else
      line += op.outputs;
    widest = std::max(widest, op.outputs);
    const auto segment = [&](index offset, index size, double l1, double l2) {
      if (offset < 0 || (!objective && !train)) return;  // of no use to predictions
      if (op.trainable) {
        segments.push_back({offset, size, l1, l2});
        if (op.kind != Kind::dense) rest.push_back(segments.back());
        penalties = penalties || l1 != 0 || l2 != 0;
      }
      params += size;
      if (op.trainable && !found) found = true, lowest = static_cast<index>(steps.size());
    };
    if (op.kind == Kind::dense) {
      segment(op.weights, op.inputs * op.outputs, op.l1, op.l2);
      segment(op.bias, op.outputs, op.bias_l1, op.bias_l2);
      flops += 6.0 * double(op.inputs) * double(op.outputs);
    }
    if (op.kind == Kind::batch_norm) {
      segment(op.gamma, op.outputs, 0, 0);
      segment(op.beta, op.outputs, 0, 0);
      whole_batch = whole_batch || (train && op.trainable);
      apart = false;
    }
    if (op.kind == Kind::activity && op.kl_weight != 0) {
      whole_batch = whole_batch || train;
      if (!train) sparse.push_back({s.out, op.outputs, op.kl_target, op.kl_weight});
      if (!train) s.op.kl_weight = 0;
    }
    flops += 20.0 * double(op.outputs);
    steps.push_back(s);
  }
  if (!found) lowest = static_cast<index>(steps.size());
  Step& last = steps.back();
  if (objective) {
    const bool penal = last.op.activity_l1 != 0 || last.op.activity_l2 != 0;
    const bool acts = last.op.kind == Kind::dense || last.op.kind == Kind::activation;
    loss = fuse(objective->loss, acts && !penal ? last.op.activation : Activation::linear,
                objective->from_logits);
    if (loss != objective->loss && !objective->from_logits) {
      fused = last.op.activation;
      last.op.activation = Activation::linear;
    }
  }
  for (Step& s : steps)
    if (train && needs_inputs(s.op.activation)) s.z = line, line += s.op.outputs;
  targets = loss == Loss::sparse || loss == Loss::sparse_logits ? 1 : outputs;
  if (!objective) targets = 0;
  at_p = line;
  lines = at_p + (objective ? outputs : 0);
  apart = apart && !whole_batch;
  // Nobody asks for outputs again once their gradient is known: it may take their place.
  const bool over = objective && objective->metrics.empty() && last.op.kind == Kind::dense &&
                    last.op.activation == Activation::linear && last.op.activity_l1 == 0 &&
                    last.op.activity_l2 == 0;
  if (train) place_gradients(over);
  const bool squared = loss == Loss::mse || loss == Loss::half_squared;
  streams = train && over && squared && lowest + 1 < static_cast<index>(steps.size()) &&
            !halved_forward(last.op, true);
}

void Plan::place_gradients(bool over) {
  constexpr index most_lanes = 16;
  const index least = std::min(lowest, static_cast<index>(steps.size()) - 1);
  for (const Step& s : steps)
    if (s.op.kind == Kind::dense && halved_forward(s.op, true))
      halves = std::max(halves, s.op.outputs);
  for (index i = least; i < static_cast<index>(steps.size()); ++i) {
    Step& s = steps[i];
    const bool dense = s.op.kind == Kind::dense;
    s.gradient = i > least && !dense ? steps[i - 1].gradient : lines;
    if (over && &s == &steps.back()) s.gradient = s.out;
    if (s.gradient == lines) lines += s.op.outputs;
    if (dense && halved_backward(s.op, true)) halves = std::max(halves, s.op.inputs);
    if (!dense || !s.op.trainable) continue;
    s.turned = turned;
    turned += round_up_to(s.op.outputs, most_lanes) + most_lanes;
  }
}

std::vector<Penalised> merged(const std::vector<Penalised>& segments) {
  std::vector<Penalised> all;
  for (const Penalised& s : segments)
    if (!all.empty() && all.back().offset + all.back().size == s.offset && all.back().l1 == s.l1 &&
        all.back().l2 == s.l2)
      all.back().size += s.size;
    else
      all.push_back(s);
  return all;
}

namespace {

constexpr index kShards = 64;

bool by_layers(const Plan& plan, std::size_t value_bytes) {
  constexpr index partial_bytes = 256 << 10;  // partial gradients in the L2 cache
  return plan.whole_batch ||
         (plan.training && plan.params * static_cast<index>(value_bytes) > partial_bytes);
}

// Rows of a chunk, at most. A tile's lines stay in the L1 cache or close to it.
template <class T>
index most_rows(const Plan& plan, index rows) {
  constexpr index tile_bytes = 96 << 10, least = 64, most = 256, layer_rows = 1024;
  if (plan.whole_batch) return std::max<index>(rows, 1);
  if (by_layers(plan, sizeof(T))) return layer_rows;
  const index unit = 4 * kernels<T>().width, room = tile_bytes / (plan.lines * index(sizeof(T)));
  return std::clamp((room + unit / 2) / unit * unit, std::min(least, unit), std::max(most, unit));
}

// Chunks of at most that.
index chunks_of(index rows, index limit) { return std::max<index>(1, (rows + limit - 1) / limit); }

}  // namespace

template <class T>
Cut cut_of(const Plan& plan, index rows) {
  Cut c{};
  c.layers = by_layers(plan, sizeof(T));
  c.chunks = chunks_of(rows, most_rows<T>(plan, rows));
  c.chunk = std::max<index>(1, round_up_to((rows + c.chunks - 1) / c.chunks, kernels<T>().width));
  c.chunks = chunks_of(rows, c.chunk);
  c.per_shard = c.layers ? c.chunks : (c.chunks + kShards - 1) / kShards;
  c.shards = (c.chunks + c.per_shard - 1) / c.per_shard;
  return c;
}

template <class T>
Room room_of(const Plan& plan, index rows) {
  const index limit = most_rows<T>(plan, rows), chunks = chunks_of(rows, limit);
  return {std::max<index>(1, round_up_to(std::min(rows, limit), kernels<T>().width)), chunks,
          by_layers(plan, sizeof(T)) ? 1 : std::min(chunks, kShards)};
}

template Cut cut_of<float>(const Plan&, index);
template Cut cut_of<double>(const Plan&, index);
template Room room_of<float>(const Plan&, index);
template Room room_of<double>(const Plan&, index);

}  // namespace coterie::nn
