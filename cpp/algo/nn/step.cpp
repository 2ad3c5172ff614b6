#include "step.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "../../base/interrupt.hpp"

namespace coterie::nn {

int threads_for(const Plan& plan, index rows, index width, bool forward_only, int n_threads) {
  const double share = forward_only ? 1.0 / 3 : 1;
  return threads::worth(share * plan.flops * double(rows) / (2 * double(width)), n_threads);
}

template <class T>
double penalty_of(const std::vector<Penalised>& segments, const T* theta) {
  double total = 0;
  for (const Penalised& s : segments) {
    if (s.l1 == 0 && s.l2 == 0) continue;
    double sizes = 0, squares = 0;
    for (index i = s.offset; i < s.offset + s.size; ++i) {
      const double w = double(theta[i]);
      sizes += std::abs(w);
      squares += w * w;
    }
    total += s.l1 * sizes + s.l2 * squares;
  }
  return total;
}

template <class T>
double divisor_of(const Objective& objective, const Batch<T>& batch) {
  if (objective.sum) return 1;
  if (!objective.weighted_mean || batch.data->weights == nullptr) return double(batch.rows);
  double total = 0;
  for (index r = batch.first; r < batch.first + batch.rows; ++r)
    total += batch.data->weights[batch.order ? batch.order[r] : r];
  return total > 0 ? total : std::numeric_limits<double>::infinity();  // nothing counts
}

namespace {

// The task for elements [a, b) of a segment.
template <class T>
UpdateTask<T> part_of(const UpdateTask<T>& whole, const Penalised& s, double factor, index a,
                      index b) {
  UpdateTask<T> task = shifted(whole, s.offset + a);
  task.size = b - a;
  task.l1 = T(s.l1 * factor);
  task.l2 = T(s.l2 * factor);
  return task;
}

}  // namespace

template <class T>
Stepper<T>::Stepper(const Net& net, const Objective& objective, T* theta, T* state,
                    index batch_rows, int n_threads)
    : plan_(net, &objective, true),
      objective_(objective),
      theta_(theta),
      batch_rows_(batch_rows),
      size_(net.n_theta),
      stride_(round_up_to(net.n_theta, 16)),
      n_threads_(threads_for(plan_, batch_rows, kernels<T>().width, false, n_threads)),
      most_(cut_of<T>(plan_, batch_rows)),
      crew_(most_.layers ? n_threads_ : 1),
      weights_{theta, state} {
  plan_.streams = plan_.streams && most_.layers;
  const Room room = room_of<T>(plan_, batch_rows);
  const index tiles = most_.layers ? 1 : std::min<index>(n_threads_, room.shards);
  for (index i = 0; i < tiles; ++i)
    tiles_.push_back(std::make_unique<OwnTile<T>>(plan_, room.chunk, most_.layers));
  merged_ = merged(plan_.segments);
  if (most_.layers) cut_weights();
  parts_ = Buffer<T>(checked_product(room.shards, stride_));
  if (!most_.layers) parts_.fill(T(0));
  sums_.resize(static_cast<std::size_t>(most_.layers ? batch_rows + room.chunks : room.chunks));
}

template <class T>
void Stepper<T>::keep_rows() {
  constexpr index most_bytes = index{1} << 28;
  const index values = most_.chunks * (plan_.inputs + plan_.targets) * tiles_[0]->ld;
  if (values * index(sizeof(T)) > most_bytes) return;
  kept_ = Buffer<T>(values, T(0));
  is_kept_.assign(static_cast<std::size_t>(most_.chunks), 0);
}

// Where a chunk's lines stand, and whether they are still to be loaded.
template <class T>
bool Stepper<T>::place(const Batch<T>& batch, index chunk, index rows, Tile<T>& tile) {
  tile.rows = rows;
  tile.lanes = round_up_to(rows, kernels<T>().width);
  const bool same = targets_are_inputs(*batch.data);
  if (!is_kept_.empty()) {
    tile.x = kept_.data() + chunk * (plan_.inputs + plan_.targets) * tile.ld;
    tile.y = tile.x + plan_.inputs * tile.ld;
  }
  if (same) tile.y = tile.x;
  if (is_kept_.empty()) return true;
  return std::exchange(is_kept_[chunk], 1) == 0;
}

template <class T>
void Stepper<T>::run_shards(const Batch<T>& batch, const Cut& cut) {
  const auto shard = [&](index s, Tile<T>& tile) {
    for (index k = s * cut.per_shard; k < std::min(cut.chunks, (s + 1) * cut.per_shard); ++k) {
      const index begin = k * cut.chunk, rows = std::min(cut.chunk, batch.rows - begin);
      if (place(batch, k, rows, tile)) load_tile(batch, begin, rows, true, tile, Team{});
      forward_tile(plan_, weights_, batch, begin, tile, Team{});
      loss_values(plan_, objective_, batch, begin, true, tile, Team{});
      sums_[k] = loss_sums(plan_, objective_, batch, begin, tile);
      backward_tile(plan_, weights_, batch, begin, parts_.data() + s * stride_,
                    k > s * cut.per_shard, tile, Team{});
    }
  };
  n_parts_ = cut.shards;
  n_sums_ = cut.chunks;
  if (n_threads_ <= 1 || cut.shards == 1)
    for (index s = 0; s < cut.shards; ++s) shard(s, *tiles_[0]);
  else
    threads::parallel_blocks(cut.shards, n_threads_,
                             [&](index s, int thread) { shard(s, *tiles_[thread]); });
}

// A tile through all steps but for gradients of weights, which wait for all of its rows. Sums are
// those of `unit` rows, however many threads there are.
template <class T>
void Stepper<T>::pass(const Batch<T>& batch, index begin, bool load, Tile<T>& tile,
                      const Team& team) {
  const index unit = plan_.apart ? kernels<T>().width : tile.lanes;
  Sums* sums = sums_.data() + n_sums_;
  if (load) load_tile(batch, begin, tile.rows, true, tile, team);
  forward_tile(plan_, weights_, batch, begin, tile, team);
  loss_values(plan_, objective_, batch, begin, true, tile, team);
  if (plan_.streams) stream_step(plan_, objective_, weights_, tile, team);
  team.pieces(tile.lanes, unit, kPassage * double(plan_.outputs), [&](index r0, index r1) {
    for (index r = r0; r < r1; r += unit) {
      Tile<T> few = tile.lanes_of(r, r + unit);
      sums[r / unit] = loss_sums(plan_, objective_, batch, begin + r, few);
    }
  });
  backward_tile(plan_, weights_, batch, begin, parts_.data(), add_, tile, team);
}

template <class T>
void Stepper<T>::run_layers(const Batch<T>& batch, const Cut& cut) {
  const index w = kernels<T>().width;
  Tile<T>& tile = *tiles_[0];
  n_parts_ = 1, n_sums_ = 0;
  for (index k = 0; k < cut.chunks; ++k) {
    if (k > 0) weights_of_steps(nullptr);
    add_ = k > 0;
    const index begin = k * cut.chunk, rows = std::min(cut.chunk, batch.rows - begin);
    const bool load = place(batch, k, rows, tile);
    together([&](const Team& team) {
      Tile<T> mine = tile;
      pass(batch, begin, load, mine, team);
    });
    n_sums_ += plan_.apart ? tile.lanes / w : 1;
  }
}

// Pieces of a share of one step's weights, that take some microseconds each.
template <class T>
void Stepper<T>::cut_weights(index i, Piece share) {
  constexpr index size = 256;  // vectors of weights, or somewhat more
  const Op& op = plan_.steps[i].op;
  const index w = kernels<T>().width, grain = output_grain(op, *tiles_[0]),
              most = round_up_to(std::min(share.j1 - share.j0, 8 * w), grain);
  const index inputs = round_up_to(std::max<index>(1, size / ((most + w - 1) / w)), kInputs);
  for (index j = share.j0; j < share.j1; j += most)
    for (index k = share.i0; k < share.i1; k += inputs)
      pieces_.push_back({i, {k, std::min(share.i1, k + inputs), j, std::min(share.j1, j + most)}});
}

// A share for each thread: of the columns that it forms on the way forward, where there are enough.
// The last step's first: its gradients are the first to leave the cache.
template <class T>
void Stepper<T>::cut_weights() {
  const index n = crew_.size();
  for (index b = 0; b < n; ++b) {
    shares_.push_back(static_cast<index>(pieces_.size()));
    for (index i = static_cast<index>(plan_.steps.size()) - 1; i >= 0; --i) {
      const Op& op = plan_.steps[i].op;
      if (op.kind != Kind::dense || !op.trainable) continue;
      const index grain = output_grain(op, *tiles_[0]), grains = (op.outputs + grain - 1) / grain;
      if (grains >= n && !halved_forward(op, true))
        cut_weights(i, {0, op.inputs, b * grains / n * grain,
                        std::min(op.outputs, (b + 1) * grains / n * grain)});
      else
        cut_weights(i, {cut_at(op.inputs, b, n), cut_at(op.inputs, b + 1, n), 0, op.outputs});
    }
  }
  shares_.push_back(static_cast<index>(pieces_.size()));
}

// work(team) on every thread.
template <class T>
template <class F>
void Stepper<T>::together(const F& work) {
  if (crew_.size() == 1) return work(Team{});
  crew_.together([&](threads::Crew::Member& member) { work(Team{&member}); });
}

// Gradients of weights, of what the last pass left; with a task also the update. Each thread begins
// with the pieces it had a step before, whose weights and slots its caches may still hold.
template <class T>
void Stepper<T>::weights_of_steps(const UpdateTask<T>* task) {
  const Tile<T>& tile = *tiles_[0];
  const auto one = [&](index b, index at) {
    const auto& [i, piece] = pieces_[shares_[b] + at];
    const Step& s = plan_.steps[i];
    const Op& op = s.op;
    const Penalised bounds[2] = {{op.weights, 0, op.l1, op.l2},
                                 {op.bias, 0, op.bias_l1, op.bias_l2}};
    UpdateTask<T> rules[2] = {};
    for (int k = 0; task && k < 2; ++k)
      if (bounds[k].offset >= 0) rules[k] = part_of(*task, bounds[k], penalty_factor_, 0, 0);
    weights_gradient(s, tile, tile.line(i > 0 ? plan_.steps[i - 1].out : 0), tile.line(s.gradient),
                     piece, parts_.data() + op.weights,
                     op.bias >= 0 ? parts_.data() + op.bias : nullptr, add_,
                     task ? rules : nullptr);
    threads::answer_interrupt();
  };
  crew_.together([&](threads::Crew::Member& member) {
    member.stage([&](index b) { return shares_[b + 1] - shares_[b]; }, one);
  });
}

template <class T>
Sums Stepper<T>::run(Batch<T> batch) {
  const Cut cut = batch.rows == batch_rows_ ? most_ : cut_of<T>(plan_, batch.rows);
  batch.divisor = divisor_of(objective_, batch);
  cut.layers ? run_layers(batch, cut) : run_shards(batch, cut);
  Sums total;
  for (index k = 0; k < n_sums_; ++k) total.add(sums_[k]);
  penalty_factor_ = objective_.penalty_mean ? 1 / batch.divisor : 1;
  total.loss = total.loss * objective_.scale / batch.divisor + total.activity + penalty();
  return total;
}

template <class T>
double Stepper<T>::penalty() const {
  if (!plan_.penalties) return 0;
  return penalty_factor_ * penalty_of(plan_.segments, theta_);
}

template <class T>
UpdateTask<T> Stepper<T>::task_of(const Optimizer& o, T* slots) const {
  const double t = double(o.iterations) + 1;
  double rate = o.rates[o.n_rates > 1 ? std::min(o.taken, o.n_rates - 1) : 0];
  const double keep = 1 - rate * o.weight_decay;
  if (o.rule == Rule::adam)
    rate *= std::sqrt(1 - std::pow(o.beta2, t)) / (1 - std::pow(o.beta1, t));
  UpdateTask<T> task{};
  task.rule = o.rule;
  task.w = theta_;
  task.parts = parts_.data();
  task.n_parts = n_parts_;
  task.part_stride = stride_;
  task.slot0 = slots;
  task.slot1 = slots + (slots_of(o.rule) > 1 ? size_ : 0);
  task.clip = o.clip_value > 0 ? T(o.clip_value) : std::numeric_limits<T>::infinity();
  task.scale = T(1);
  task.rate = T(rate);
  task.keep = T(keep);
  task.momentum = T(o.momentum);
  task.rho = T(o.rho);
  task.beta1 = T(o.beta1);
  task.beta2 = T(o.beta2);
  task.epsilon = T(o.epsilon);
  return task;
}

// Sums of the partials, penalties included, into the first of them.
template <class T>
void Stepper<T>::reduce_parts() {
  UpdateTask<T> task{};
  task.w = theta_;
  task.parts = parts_.data();
  task.n_parts = n_parts_;
  task.part_stride = stride_;
  for (const Penalised& s : plan_.segments)
    kernels<T>().reduce(part_of(task, s, penalty_factor_, 0, s.size), parts_.data() + s.offset);
  n_parts_ = 1;
}

namespace {

template <class T>
double norm_of(const T* g, index size) {
  double total = 0;
  for (index i = 0; i < size; ++i) total += double(g[i]) * double(g[i]);
  return total;
}

double scale_to(double limit, double square) {
  const double norm = std::sqrt(square);
  return limit > 0 && norm > limit ? limit / norm : 1;
}

}  // namespace

template <class T>
void Stepper<T>::update(Optimizer& o, T* slots) {
  constexpr index grain = 8192;
  const bool norms = o.clip_norm > 0 || o.global_clip_norm > 0;
  double factor = penalty_factor_;
  UpdateTask<T> task = task_of(o, slots);
  const bool fused = most_.layers && !norms;
  if (most_.layers) weights_of_steps(fused ? &task : nullptr);
  if (norms) reduce_parts(), factor = 0;
  task.n_parts = n_parts_;
  if (o.global_clip_norm > 0) {
    double square = 0;
    for (const Penalised& s : plan_.segments) square += norm_of(parts_.data() + s.offset, s.size);
    task.scale = T(scale_to(o.global_clip_norm, square));
  }
  for (const Penalised& s : fused ? plan_.rest : o.clip_norm > 0 ? plan_.segments : merged_) {
    if (o.clip_norm > 0)
      task.scale = T(scale_to(o.clip_norm, norm_of(parts_.data() + s.offset, s.size)));
    together([&](const Team& team) {
      team.pieces(s.size, grain, kPassage,
                  [&](index a, index b) { kernels<T>().update(part_of(task, s, factor, a, b)); });
    });
  }
  ++o.iterations, ++o.taken;
}

template <class T>
void Stepper<T>::gradient(T* out) {
  if (most_.layers) weights_of_steps(nullptr);
  reduce_parts();
  std::fill_n(out, size_, T(0));
  for (const Penalised& s : plan_.segments)
    std::copy_n(parts_.data() + s.offset, s.size, out + s.offset);
}

// ---- evaluation

template <class T>
Evaluator<T>::Evaluator(const Net& net, const Objective& objective, const T* theta, const T* state,
                        index rows, int n_threads)
    : plan_(net, &objective, false),
      objective_(objective),
      n_threads_(threads_for(plan_, rows, kernels<T>().width, true, n_threads)),
      cut_(cut_of<T>(plan_, rows)),
      weights_{theta, const_cast<T*>(state)} {  // read only outside of training
  for (index i = 0; i < std::min<index>(n_threads_, cut_.chunks); ++i)
    tiles_.push_back(std::make_unique<OwnTile<T>>(plan_, cut_.chunk));
  sums_.resize(static_cast<std::size_t>(cut_.chunks));
  for (const Sparse& s : plan_.sparse) n_sparse_ += s.outputs;
  sparse_ = Buffer<double>(checked_product(cut_.chunks, n_sparse_));
}

template <class T>
void Evaluator<T>::run(const Data<T>& data, double* results) {
  Batch<T> batch{&data, nullptr, 0, data.x.rows, 1, 0, 0};
  batch.divisor = divisor_of(objective_, batch);
  threads::parallel_blocks(cut_.chunks, n_threads_, [&](index k, int thread) {
    Tile<T>& tile = *tiles_[thread];
    const index begin = k * cut_.chunk, rows = std::min(cut_.chunk, data.x.rows - begin);
    load_tile(batch, begin, rows, true, tile, Team{});
    forward_tile(plan_, weights_, batch, begin, tile, Team{});
    loss_values(plan_, objective_, batch, begin, false, tile, Team{});
    sums_[k] = loss_sums(plan_, objective_, batch, begin, tile);
    sparse_sums(plan_, tile, sparse_.data() + k * n_sparse_);
  });
  for (index k = 1; k < cut_.chunks; ++k)
    for (index j = 0; j < n_sparse_; ++j) sparse_[j] += sparse_[k * n_sparse_ + j];
  Sums total;
  for (index k = 0; k < cut_.chunks; ++k) total.add(sums_[k]);
  total.activity += sparse_penalty(plan_, sparse_.data(), data.x.rows);
  double penalty = plan_.penalties ? penalty_of(plan_.segments, weights_.theta) : 0;
  if (objective_.penalty_mean) penalty /= batch.divisor;
  results[0] = total.loss * objective_.scale / batch.divisor + total.activity + penalty;
  for (std::size_t k = 0; k < objective_.metrics.size(); ++k)
    results[1 + k] = total.metrics[k] / double(data.x.rows);
}

#define COTERIE_INSTANTIATE(T)                                         \
  template class Stepper<T>;                                           \
  template class Evaluator<T>;                                         \
  template double penalty_of(const std::vector<Penalised>&, const T*); \
  template double divisor_of(const Objective&, const Batch<T>&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
