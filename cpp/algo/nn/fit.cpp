// The training loop, and what is asked of a net once.
#include <atomic>
#include <cmath>
#include <limits>

#include "../../base/finite.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/random.hpp"
#include "step.hpp"

namespace coterie::nn {
namespace {

// A draw below `bound` without bias: Lemire, ACM TOMACS 29 (2019).
index below(std::uint64_t key, std::uint64_t& counter, index bound) {
  const auto range = static_cast<std::uint64_t>(bound);
  for (;;) {
    const auto wide =
        static_cast<unsigned __int128>(mix(key + 0x9e3779b97f4a7c15ULL * ++counter)) * range;
    const auto low = static_cast<std::uint64_t>(wide);
    if (low >= range || low >= -range % range) return static_cast<index>(wide >> 64);
  }
}

// Fisher & Yates, from the seed and the epoch alone.
void shuffle(index* order, index n, std::uint64_t seed, index epoch) {
  for (index i = 0; i < n; ++i) order[i] = i;
  const std::uint64_t key =
      mix(mix(seed + 0x2545f4914f6cdd1dULL) + static_cast<std::uint64_t>(epoch));
  std::uint64_t counter = 0;
  for (index i = n - 1; i > 0; --i) std::swap(order[i], order[below(key, counter, i + 1)]);
}

// f(begin, end) for blocks of n values. Looks for interrupts: new pages may take the system longer
// than a step takes.
template <class F>
void in_blocks(index n, int n_threads, const F& f) {
  constexpr index block = index{1} << 16;
  if (n <= block) return f(0, n);  // in a small net every epoch saves: the loop would be felt
  threads::parallel_blocks((n + block - 1) / block, n_threads, [&](index k, int) {
    threads::answer_interrupt();
    f(k * block, std::min(n, (k + 1) * block));
  });
}

// Has the system find the pages of slots that no step has written yet, if they are so many that an
// interrupt would be late. Fewer come with the steps: beside other processes, who may have a CPU,
// one more parallel loop is felt.
template <class T>
void touch(T* slots, index n, int n_threads) {
  constexpr index page = 4096 / sizeof(T), few = index{1} << 22;
  if (n <= few) return;
  in_blocks(n, n_threads, [&](index begin, index end) {
    for (index i = begin; i < end; i += page) {
      volatile T& value = slots[i];
      const T same = value;
      value = same;
    }
  });
}

// Parameters, statistics and slots at some point of the fit, and the steps taken to there.
template <class T>
struct Saved {
  Saved(index theta, index state, index slots, int threads)
      : values(theta + state + slots), sizes{theta, state, slots}, n_threads(threads) {}
  void take(const T* theta, const T* state, const T* slots, index steps) {
    T* to = values.data();
    const T* from[] = {theta, state, slots};
    for (int k = 0; k < 3; to += sizes[k++])
      in_blocks(sizes[k], n_threads, [&](index begin, index end) {
        std::copy(from[k] + begin, from[k] + end, to + begin);
      });
    filled = true;
    iterations = steps;
  }
  void give(T* theta, T* state, T* slots) const {
    const T* from = values.data();
    std::copy_n(from, sizes[0], theta);
    std::copy_n(from + sizes[0], sizes[1], state);
    std::copy_n(from + sizes[0] + sizes[1], sizes[2], slots);
  }
  Buffer<T> values;
  index sizes[3], iterations = 0;
  int n_threads;
  bool filled = false;
};

template <class T>
class Loop {
 public:
  explicit Loop(const Fit<T>& f)
      : f_(f),
        rows_(f.data.x.rows),
        batch_rows_(std::min(f.settings.batch_size, rows_)),
        batches_((rows_ + batch_rows_ - 1) / batch_rows_),
        metrics_(static_cast<index>(f.objective.metrics.size())),
        slots_(slots_of(f.optimizer.rule) * f.net.n_theta),
        optimizer_(f.optimizer),
        stepper_(f.net, f.objective, f.theta, f.state, batch_rows_, f.settings.n_threads),
        best_(f.net.n_theta, f.net.n_state, slots_, f.settings.n_threads),
        last_(f.net.n_theta, f.net.n_state, slots_, f.settings.n_threads) {
    if (f.settings.shuffle && batches_ > 1) order_ = Buffer<index>(rows_);
    if (batches_ == 1 && f.settings.epochs - f.settings.initial_epoch > 1) stepper_.keep_rows();
    if (f.validation)
      evaluator_ = std::make_unique<Evaluator<T>>(f.net, f.objective, f.theta, f.state,
                                                  f.validation->x.rows, f.settings.n_threads);
  }

  Outcome run() {
    if (f_.optimizer.iterations == 0) touch(f_.slots, slots_, f_.settings.n_threads);
    const index columns = (1 + metrics_) * (f_.validation ? 2 : 1);
    double* row = f_.history;
    for (index epoch = f_.settings.initial_epoch; epoch < f_.settings.epochs;
         ++epoch, row += columns) {
      // A single step is done or not: an interrupt then leaves no half of an epoch.
      const bool restore = batches_ > 1 || !stepper_.atomic();
      if (restore || !evaluator_ || !last_.filled) keep(last_);
      bool whole = false;
      try {
        if (!train(epoch, row)) break;
        whole = true;
        if (evaluator_) evaluator_->run(*f_.validation, row + 1 + metrics_);
        threads::answer_interrupt();
      } catch (const Interrupted&) {
        if (restore && !whole) last_.give(f_.theta, f_.state, f_.slots);
        throw;
      }
      ++outcome_.epochs;
      if (evaluator_)
        keep_best(row[1 + metrics_]);
      else if (row[0] < least_)
        least_ = row[0], std::swap(best_, last_);
      if (!f_.callback) continue;
      outcome_.stopped = f_.callback(epoch, row);
      if (outcome_.stopped) break;
    }
    // No loss has told of the last step.
    if (outcome_.epochs > 0 && outcome_.diverged_epoch < 0 && !finite())
      diverge(f_.settings.initial_epoch + outcome_.epochs - 1, batches_ - 1);
    outcome_.iterations = optimizer_.iterations - f_.optimizer.iterations;
    return outcome_;
  }

 private:
  // One epoch. False: the loss is not finite, or the data were not.
  bool train(index epoch, double* row) {
    if (order_.size() > 0) shuffle(order_.data(), rows_, f_.settings.seed, epoch);
    double total = 0, metrics[kMaxMetrics] = {};
    index b = 0;
    stepper_.repeat([&] {
      Batch<T> batch{&f_.data,
                     order_.size() > 0 ? order_.data() : nullptr,
                     b * batch_rows_,
                     std::min(batch_rows_, rows_ - b * batch_rows_),
                     1,
                     f_.settings.seed,
                     epoch,
                     epoch == f_.settings.initial_epoch ? &not_finite_ : nullptr};
      const Sums sums = stepper_.run(batch);
      if (not_finite_ || !std::isfinite(sums.loss)) return false;
      stepper_.update(optimizer_, f_.slots);
      total += double(batch.rows) * sums.loss;
      for (index k = 0; k < metrics_; ++k) metrics[k] += sums.metrics[k];
      if (++b == batches_) return false;
      threads::answer_interrupt();
      return true;
    });
    if (b < batches_) return diverge(epoch, b), false;  // interrupts have left by now
    row[0] = total / double(rows_);
    for (index k = 0; k < metrics_; ++k) row[1 + k] = metrics[k] / double(rows_);
    return true;
  }

  void keep(Saved<T>& saved) const {
    saved.take(f_.theta, f_.state, f_.slots, optimizer_.iterations);
  }

  void keep_best(double loss) {
    if (!(loss < least_)) return;
    least_ = loss;
    keep(best_);
  }

  bool finite() const {
    return all_finite(f_.theta, f_.net.n_theta) && all_finite(f_.state, f_.net.n_state);
  }

  void diverge(index epoch, index batch) {
    outcome_.diverged_epoch = epoch;
    outcome_.diverged_batch = batch;
    const Saved<T>& saved = best_.filled ? best_ : last_;
    saved.give(f_.theta, f_.state, f_.slots);
    optimizer_.iterations = saved.iterations;
  }

  const Fit<T>& f_;
  index rows_, batch_rows_, batches_, metrics_, slots_;
  Optimizer optimizer_;
  Stepper<T> stepper_;
  Saved<T> best_;  // after the epoch of lowest validation loss, or before that of lowest loss
  Saved<T> last_;  // before this epoch, or an earlier one
  Buffer<index> order_;
  std::unique_ptr<Evaluator<T>> evaluator_;
  double least_ = std::numeric_limits<double>::infinity();
  std::atomic<bool> not_finite_{false};
  Outcome outcome_;
};

}  // namespace

template <class T>
Outcome fit(const Fit<T>& f) {
  return Loop<T>(f).run();
}

template <class T>
std::vector<double> evaluate(const Net& net, const Objective& objective, const T* theta,
                             const T* state, const Data<T>& data, int n_threads) {
  std::vector<double> results(1 + objective.metrics.size());
  Evaluator<T>(net, objective, theta, state, data.x.rows, n_threads).run(data, results.data());
  return results;
}

template <class T>
double gradient(const Net& net, const Objective& objective, const T* theta, const T* state,
                const Data<T>& data, const Settings& settings, T* out) {
  Buffer<T> statistics(net.n_state), parameters(net.n_theta);  // batch norm would move them
  std::copy_n(state, net.n_state, statistics.data());
  std::copy_n(theta, net.n_theta, parameters.data());
  Stepper<T> stepper(net, objective, parameters.data(), statistics.data(), data.x.rows,
                     settings.n_threads);
  const Sums sums =
      stepper.run({&data, nullptr, 0, data.x.rows, 1, settings.seed, settings.initial_epoch});
  if (out) stepper.gradient(out);
  return sums.loss;
}

template <class T>
void forward(const Net& net, const T* theta, const T* state, const View<T>& x, T* out,
             int n_threads) {
  const Plan plan(net, nullptr, false);
  const Cut cut = cut_of<T>(plan, x.rows);
  const Weights<T> weights{theta, const_cast<T*>(state)};  // read only here
  const Data<T> data{x, {}, nullptr, nullptr};
  const Batch<T> batch{&data, nullptr, 0, x.rows, 1, 0, 0};
  const auto chunk = [&](index k, Tile<T>& tile) {
    const index begin = k * cut.chunk, rows = std::min(cut.chunk, x.rows - begin), m = plan.outputs;
    load_tile(batch, begin, rows, false, tile, Team{});
    forward_tile(plan, weights, batch, begin, tile, Team{});
    kernels<T>().turn(
        {tile.line(plan.steps.back().out), tile.ld, nullptr, m, rows, out + begin * m, m, m});
  };
  OwnTile<T> first(plan, cut.chunk);
  if (cut.chunks == 1) return chunk(0, first);  // a row: every allocation is felt
  n_threads = threads_for(plan, x.rows, kernels<T>().width, true, n_threads);
  std::vector<std::unique_ptr<OwnTile<T>>> others;
  for (index i = 1; i < std::min<index>(n_threads, cut.chunks); ++i)
    others.push_back(std::make_unique<OwnTile<T>>(plan, cut.chunk));
  threads::parallel_blocks(cut.chunks, n_threads, [&](index k, int thread) {
    chunk(k, thread == 0 ? first : *others[static_cast<std::size_t>(thread - 1)]);
  });
}

#define COTERIE_INSTANTIATE(T)                                                               \
  template Outcome fit(const Fit<T>&);                                                       \
  template std::vector<double> evaluate(const Net&, const Objective&, const T*, const T*,    \
                                        const Data<T>&, int);                                \
  template double gradient(const Net&, const Objective&, const T*, const T*, const Data<T>&, \
                           const Settings&, T*);                                             \
  template void forward(const Net&, const T*, const T*, const View<T>&, T*, int);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
