// Networks of dense layers: inference, evaluation, gradients, and the whole training loop.
//
// Rows X (n, d_in), a dense layer Z = X W + b, A = act(Z), W (d_in, d_out). Backward, with G =
// dL/dA and D = G act'(Z): dW = X^T D, db = sum of D's rows, dX = D W^T. L = (1/n) sum_i s_i l_i +
// penalties.
//
// A batch is cut into chunks of rows; a chunk goes through all layers forward and backward as a
// tile whose rows stand in SIMD lanes (engine/nn_table.hpp), and has a partial gradient of its own.
// Partials are added in order within the optimiser's pass. Chunks depend on the batch and the net,
// never on the number of threads, so that results have the same bits for any. Nets too large for
// partials take the batch as one tile: each thread leads some of its rows through all layers and
// back, then forms the gradients of some of the weights from all rows and updates these at once.
//
// Sources: Rumelhart, Hinton & Williams, Nature 323 (1986); Ioffe & Szegedy, ICML 2015; Srivastava
// et al., JMLR 15 (2014). Optimisers: engine/leaf/optimizer.hpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "../../base/view.hpp"
#include "../../engine/nn_table.hpp"

namespace coterie::nn {

enum class Kind { dense, activation, dropout, noise, activity, batch_norm };

// Offsets are into theta, the trainable parameters, or state, the moving statistics; -1: none.
struct Op {
  Kind kind;
  index inputs, outputs;
  Activation activation = Activation::linear;
  double alpha = 0;
  index weights = -1, bias = -1;  // W: inputs x outputs, C order
  double l1 = 0, l2 = 0, bias_l1 = 0, bias_l2 = 0, activity_l1 = 0, activity_l2 = 0;
  bool trainable = true;
  double rate = 0;  // dropout; noise: deviation
  std::uint64_t stream = 0;
  double kl_target = 0, kl_weight = 0;
  index gamma = -1, beta = -1, mean = -1, variance = -1;
  double momentum = 0, epsilon = 0;
};

// A net, checked: each op takes what the one before gives.
struct Net {
  explicit Net(std::vector<Op> ops);
  std::vector<Op> ops;
  index n_theta = 0, n_state = 0;  // sizes the offsets ask for
  index inputs() const { return ops.front().inputs; }
  index outputs() const { return ops.back().outputs; }
};

struct Objective {
  Loss loss = Loss::mse;
  bool from_logits = false;
  double delta = 1, label_smoothing = 0, scale = 1;
  bool sum = false;             // over the batch rather than its mean
  bool weighted_mean = false;   // divided by the sum of weights rather than the rows
  bool penalty_mean = false;    // weights' penalties are divided as the rows' losses are
  std::vector<Metric> metrics;  // at most kMaxMetrics
};
constexpr int kMaxMetrics = 8;

// Targets Y (n, d_out) or labels (n), and weights, or null.
template <class T>
struct Data {
  View<T> x;
  View<T> y;
  const std::int64_t* labels = nullptr;
  const double* weights = nullptr;
};

// An autoencoder's: they are checked and turned once.
template <class T>
bool targets_are_inputs(const Data<T>& data) {
  return data.y.data == data.x.data && data.y.stride == data.x.stride && data.y.cols == data.x.cols;
}

struct Optimizer {
  Rule rule = Rule::sgd;
  double momentum = 0, rho = 0.9, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, weight_decay = 0;
  double clip_value = 0, clip_norm = 0, global_clip_norm = 0;  // 0: none
  const double* rates = nullptr;                               // one, or one a step of this fit
  index n_rates = 1, iterations = 0;                           // steps taken before
  index taken = 0;                                             // and in this fit
};
int slots_of(Rule rule);

struct Settings {
  index epochs = 1, initial_epoch = 0, batch_size = 32;
  bool shuffle = true;
  std::uint64_t seed = 0;
  int n_threads = 1;
};

struct Outcome {
  index epochs = 0, iterations = 0;
  bool stopped = false;
  index diverged_epoch = -1, diverged_batch = -1;
};

// What a fit reads and writes. history: a row an epoch, of `columns` values: loss, metrics, and the
// same of the validation data.
template <class T>
struct Fit {
  const Net& net;
  Objective objective;
  T *theta, *state, *slots;
  Data<T> data;
  const Data<T>* validation = nullptr;
  Optimizer optimizer;
  Settings settings;
  double* history = nullptr;
  std::function<bool(index, const double*)> callback;  // (epoch, row of history) -> stop?
};

// out (n, d_out): dropout and noise do nothing, batch norm takes the moving statistics.
template <class T>
void forward(const Net& net, const T* theta, const T* state, const View<T>& x, T* out,
             int n_threads);

// {loss, metrics...}
template <class T>
std::vector<double> evaluate(const Net& net, const Objective& objective, const T* theta,
                             const T* state, const Data<T>& data, int n_threads);

// The loss as in training, penalties included, and its gradient by theta; what belongs to no layer
// that is trained is 0. Masks are those of settings.initial_epoch.
template <class T>
double gradient(const Net& net, const Objective& objective, const T* theta, const T* state,
                const Data<T>& data, const Settings& settings, T* out);

// On a loss that is not finite, or in the first epoch data that are not, the step is not taken, and
// a last step whose parameters are not finite does not count: theta, state and slots go back to the
// end of the epoch of lowest validation loss; without validation to the start of the epoch of
// lowest loss, which was measured on the way from there; before any whole epoch to where the fit
// started. On Interrupted: those of the last whole epoch.
template <class T>
Outcome fit(const Fit<T>& fit);

// One dense layer. z may be null where the activation needs only a (all but step and the gelus).
template <class T>
void dense_forward(const View<T>& x, const View<T>& w, const T* b, Activation activation,
                   double alpha, T* z, T* a, int n_threads);
// dx, db may be null. dw (d_in, d_out).
template <class T>
void dense_backward(const View<T>& da, const View<T>& x, const View<T>& w, const View<T>& z,
                    const View<T>& a, Activation activation, double alpha, T* dx, T* dw, T* db,
                    int n_threads);

}  // namespace coterie::nn
