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

// The line of feature j from x on.
template <class T>
LineTask<T> line_of(const Tile<T>& tile, const T* x, T* out) {
  return {tile.rows, tile.lanes, x, out, T(0), T(0), T(0), T(0)};
}

// f(j) for every line of a step.
template <class F>
void by_lines(index lines, index lanes, const Team& team, const F& f) {
  team.pieces(lines, 1, kPassage * double(lanes), [&](index j0, index j1) {
    for (index j = j0; j < j1; ++j) f(j);
  });
}

constexpr double kLeast = 1e-7;  // of rhohat and 1 - rhohat

double sparse_mean(double sum, index rows) {
  return std::clamp(sum / double(rows), kLeast, 1 - kLeast);
}

// KL(rho | mean)
double divergence(double rho, double mean) {
  return (rho > 0 ? rho * std::log(rho / mean) : 0) +
         (rho < 1 ? (1 - rho) * std::log((1 - rho) / (1 - mean)) : 0);
}

}  // namespace

template <class T>
void norm_forward(const Plan& plan, const Step& step, const Weights<T>& weights, Tile<T>& tile,
                  const T* x, T* out, T* stats, const Team& team) {
  const Op& op = step.op;
  const bool batch = plan.training && op.trainable;
  const auto line = [&](index j) {
    T &mean = weights.state[op.mean + j], &variance = weights.state[op.variance + j];
    double found[2] = {double(mean), double(variance)};
    LineTask<T> t = line_of(tile, x + j * tile.ld, out + j * tile.ld);
    if (batch) {
      kernels<T>().moments(t, found);
      mean = T(op.momentum * double(mean) + (1 - op.momentum) * found[0]);
      variance = T(op.momentum * double(variance) + (1 - op.momentum) * found[1]);
    }
    const double inverse = 1 / std::sqrt(found[1] + op.epsilon);
    if (stats) stats[2 * j] = T(found[0]), stats[2 * j + 1] = T(inverse);
    t.center = T(found[0]);
    t.factor = T(inverse) * (op.gamma >= 0 ? weights.theta[op.gamma + j] : T(1));
    t.shift = op.beta >= 0 ? weights.theta[op.beta + j] : T(0);
    kernels<T>().normalize(t);
  };
  by_lines(op.outputs, tile.lanes, team, line);
}

template <class T>
void norm_backward(const Plan& plan, const Step& step, const Weights<T>& weights, Tile<T>& tile,
                   const T* x, T* g, const T* stats, T* gradient, bool add, const Team& team) {
  const Op& op = step.op;
  const bool batch = plan.training && op.trainable;
  const auto line = [&](index j) {
    const T s = stats[2 * j + 1];
    LineTask<T> t = line_of(tile, x + j * tile.ld, g + j * tile.ld);
    t.center = stats[2 * j];
    t.factor = s * (op.gamma >= 0 ? weights.theta[op.gamma + j] : T(1));
    if (batch) {
      double sums[2];  // of G, and along x
      kernels<T>().norm_sums(t, sums);
      const double n = double(tile.rows), along = sums[1] * double(s);
      const auto put = [&](index offset, double value) {
        if (offset >= 0) gradient[offset + j] = T(value) + (add ? gradient[offset + j] : T(0));
      };
      put(op.gamma, along);
      put(op.beta, sums[0]);
      t.shift = T(sums[0] / n);
      t.slope = T(along / n) * s;
    }
    kernels<T>().norm_gradient(t);
  };
  by_lines(op.outputs, tile.lanes, team, line);
}

template <class T>
double activity_penalty(const Step& step, index batch_rows, const Tile<T>& tile, const T* a) {
  const Op& op = step.op;
  if (op.activity_l1 == 0 && op.activity_l2 == 0 && op.kl_weight == 0) return 0;
  const double n = double(batch_rows);
  double penalty = 0;
  for (index j = 0; j < op.outputs; ++j, a += tile.ld) {
    double sums[3];  // of a, |a|, a^2
    kernels<T>().sizes(line_of<T>(tile, a, nullptr), sums);
    penalty += (op.activity_l1 * sums[1] + op.activity_l2 * sums[2]) / n;
    if (op.kl_weight != 0)
      penalty += op.kl_weight * divergence(op.kl_target, sparse_mean(sums[0], tile.rows));
  }
  return penalty;
}

template <class T>
void sparse_sums(const Plan& plan, Tile<T>& tile, double* out) {
  for (const Sparse& s : plan.sparse)
    for (index j = 0; j < s.outputs; ++j) {
      double sums[3];
      kernels<T>().sizes(line_of<T>(tile, tile.line(s.out + j), nullptr), sums);
      *out++ = sums[0];
    }
}

double sparse_penalty(const Plan& plan, const double* sums, index rows) {
  double penalty = 0;
  for (const Sparse& s : plan.sparse)
    for (index j = 0; j < s.outputs; ++j)
      penalty += s.weight * divergence(s.target, sparse_mean(*sums++, rows));
  return penalty;
}

template <class T>
void activity_gradient(const Plan&, const Step& step, index batch_rows, Tile<T>& tile, const T* a,
                       T* g, const Team& team) {
  const Op& op = step.op;
  if (op.activity_l1 == 0 && op.activity_l2 == 0 && op.kl_weight == 0) return;
  const double n = double(batch_rows), rho = op.kl_target;
  by_lines(op.outputs, tile.lanes, team, [&](index j) {
    LineTask<T> t = line_of(tile, a + j * tile.ld, g + j * tile.ld);
    t.slope = T(op.activity_l1 / n), t.factor = T(2 * op.activity_l2 / n);
    if (op.kl_weight != 0) {
      double sums[3];
      kernels<T>().sizes(t, sums);
      const double raw = sums[0] / n, mean = sparse_mean(sums[0], tile.rows);
      if (raw == mean) t.shift = T(op.kl_weight / n * ((1 - rho) / (1 - mean) - rho / mean));
    }
    kernels<T>().penalize(t);
  });
}

#define COTERIE_INSTANTIATE(T)                                                                     \
  template void norm_forward(const Plan&, const Step&, const Weights<T>&, Tile<T>&, const T*, T*,  \
                             T*, const Team&);                                                     \
  template void norm_backward(const Plan&, const Step&, const Weights<T>&, Tile<T>&, const T*, T*, \
                              const T*, T*, bool, const Team&);                                    \
  template void sparse_sums(const Plan&, Tile<T>&, double*);                                       \
  template double activity_penalty(const Step&, index, const Tile<T>&, const T*);                  \
  template void activity_gradient(const Plan&, const Step&, index, Tile<T>&, const T*, T*,         \
                                  const Team&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
