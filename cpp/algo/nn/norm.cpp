// Batch normalisation and penalties of activity, line by line.
//
//   xhat = (x - mu) / sqrt(v + epsilon), a = gamma xhat + beta, mu and v over the batch, v biased;
//   dbeta = sum G, dgamma = sum G xhat, dX = gamma (n G - dbeta - xhat dgamma) / (n sqrt(v +
//   epsilon))
//
// Activity: (l1 sum |a| + l2 sum a^2) / n, and sparsity beta sum_j KL(rho | rhohat_j), rhohat_j the
// batch's mean of a_j.
#include <cmath>

#include "pass.hpp"

namespace coterie::nn {
namespace {

template <class T, class F>
double line_sum(index rows, const F& f) {
  double part[4] = {};
  for (index r = 0; r < rows; ++r) part[r % 4] += double(f(r));
  return (part[0] + part[2]) + (part[1] + part[3]);
}

constexpr double kLeast = 1e-7;  // of rhohat and 1 - rhohat

double sparse_mean(double sum, index rows) {
  return std::clamp(sum / double(rows), kLeast, 1 - kLeast);
}

}  // namespace

template <class T>
void norm_forward(const Plan& plan, const Step& step, const Weights<T>& weights, Tile<T>& tile,
                  const T* x, T* out, T* stats) {
  const Op& op = step.op;
  const bool batch = plan.training && op.trainable;
  for (index j = 0; j < op.outputs; ++j, x += tile.ld, out += tile.ld) {
    T &mean = weights.state[op.mean + j], &variance = weights.state[op.variance + j];
    double mu = double(mean), v = double(variance);
    if (batch) {
      const double n = double(tile.rows);
      mu = line_sum<T>(tile.rows, [&](index r) { return x[r]; }) / n;
      v = line_sum<T>(tile.rows,
                      [&](index r) {
                        const double e = double(x[r]) - mu;
                        return e * e;
                      }) /
          n;
      mean = T(op.momentum * double(mean) + (1 - op.momentum) * mu);
      variance = T(op.momentum * double(variance) + (1 - op.momentum) * v);
    }
    const double inverse = 1 / std::sqrt(v + op.epsilon);
    if (stats) stats[2 * j] = T(mu), stats[2 * j + 1] = T(inverse);
    const T gamma = op.gamma >= 0 ? weights.theta[op.gamma + j] : T(1);
    const T beta = op.beta >= 0 ? weights.theta[op.beta + j] : T(0);
    const T m = T(mu), s = T(inverse);
    for (index r = 0; r < tile.lanes; ++r)
      out[r] = r < tile.rows ? (x[r] - m) * s * gamma + beta : T(0);
  }
}

template <class T>
void norm_backward(const Plan& plan, const Step& step, const Weights<T>& weights, Tile<T>& tile,
                   const T* x, T* g, const T* stats, T* gradient, bool add) {
  const Op& op = step.op;
  const bool batch = plan.training && op.trainable;
  for (index j = 0; j < op.outputs; ++j, x += tile.ld, g += tile.ld) {
    const T mu = stats[2 * j], s = stats[2 * j + 1];
    const T gamma = op.gamma >= 0 ? weights.theta[op.gamma + j] : T(1);
    if (!batch) {
      for (index r = 0; r < tile.lanes; ++r) g[r] *= gamma * s;
      continue;
    }
    const double n = double(tile.rows);
    const double sum = line_sum<T>(tile.rows, [&](index r) { return g[r]; });
    const double along =
        line_sum<T>(tile.rows, [&](index r) { return double(g[r]) * double((x[r] - mu) * s); });
    const auto put = [&](index offset, double value) {
      if (offset >= 0) gradient[offset + j] = T(value) + (add ? gradient[offset + j] : T(0));
    };
    put(op.gamma, along);
    put(op.beta, sum);
    const T mean = T(sum / n), slope = T(along / n), factor = gamma * s;
    for (index r = 0; r < tile.lanes; ++r)
      g[r] = r < tile.rows ? factor * (g[r] - mean - (x[r] - mu) * s * slope) : T(0);
  }
}

template <class T>
double activity_penalty(const Step& step, index batch_rows, const Tile<T>& tile, const T* a) {
  const Op& op = step.op;
  if (op.activity_l1 == 0 && op.activity_l2 == 0 && op.kl_weight == 0) return 0;
  double penalty = 0;
  for (index j = 0; j < op.outputs; ++j, a += tile.ld) {
    const double n = double(batch_rows);
    penalty += op.activity_l1 / n * line_sum<T>(tile.rows, [&](index r) { return std::abs(a[r]); });
    penalty += op.activity_l2 / n *
               line_sum<T>(tile.rows, [&](index r) { return double(a[r]) * double(a[r]); });
    if (op.kl_weight == 0) continue;
    const double mean =
        sparse_mean(line_sum<T>(tile.rows, [&](index r) { return a[r]; }), tile.rows);
    const double rho = op.kl_target;
    penalty += op.kl_weight * (rho > 0 ? rho * std::log(rho / mean) : 0);
    penalty += op.kl_weight * (rho < 1 ? (1 - rho) * std::log((1 - rho) / (1 - mean)) : 0);
  }
  return penalty;
}

template <class T>
void activity_gradient(const Plan&, const Step& step, index batch_rows, Tile<T>& tile, const T* a,
                       T* g) {
  const Op& op = step.op;
  if (op.activity_l1 == 0 && op.activity_l2 == 0 && op.kl_weight == 0) return;
  const double n = double(batch_rows);
  const T l1 = T(op.activity_l1 / n), l2 = T(2 * op.activity_l2 / n);
  for (index j = 0; j < op.outputs; ++j, a += tile.ld, g += tile.ld) {
    T all = 0;
    if (op.kl_weight != 0) {
      const double sum = line_sum<T>(tile.rows, [&](index r) { return a[r]; });
      const double raw = sum / n, mean = sparse_mean(sum, tile.rows), rho = op.kl_target;
      if (raw == mean) all = T(op.kl_weight / n * ((1 - rho) / (1 - mean) - rho / mean));
    }
    for (index r = 0; r < tile.rows; ++r)
      g[r] += all + l2 * a[r] + (a[r] > 0 ? l1 : a[r] < 0 ? -l1 : T(0));
  }
}

#define COTERIE_INSTANTIATE(T)                                                                     \
  template void norm_forward(const Plan&, const Step&, const Weights<T>&, Tile<T>&, const T*, T*,  \
                             T*);                                                                  \
  template void norm_backward(const Plan&, const Step&, const Weights<T>&, Tile<T>&, const T*, T*, \
                              const T*, T*, bool);                                                 \
  template double activity_penalty(const Step&, index, const Tile<T>&, const T*);                  \
  template void activity_gradient(const Plan&, const Step&, index, Tile<T>&, const T*, T*);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
