// Leaves of networks between forbidden pages, against plain loops; elementary functions against
// long double.
#include <cfenv>
#include <cmath>
#include <limits>

#include "../../cpp/engine/isa.hpp"
#include "../../cpp/engine/nn_table.hpp"
#include "data.hpp"

namespace tests {
namespace {

using namespace coterie;
using nn::Activation;

template <class T>
const nn::Kernels<T>& leaves() {
  if constexpr (sizeof(T) == 4)
    return isa::table().nn->f32;
  else
    return isa::table().nn->f64;
}

template <class T>
void fill(Guarded<T>& values, std::uint64_t seed) {
  for (index i = 0; i < values.size(); ++i) values[i] = T(small_integer(seed, i, 4));
}

template <class T>
void turn() {
  const index w = leaves<T>().width;
  for (const Edge edge : kEdges)
    for (const index rows : sizes({1, w - 1, w, w + 1, 3 * w - 1}))
      for (const index depth : sizes({1, w - 1, w, 2 * w + 1}))
        for (const index room : {rows, round_up(rows, w) + w}) {
          About about("turn ", type_name<T>(), " ", rows, "x", depth, " lanes ", room);
          Rows<T> x(rows, depth, depth + 3, edge, 1, 9);
          Guarded<std::int64_t> order(rows, edge);
          for (index r = 0; r < rows; ++r) order[r] = rows - 1 - r;
          for (const bool ordered : {false, true}) {
            Guarded<T> out(depth * room, edge);
            leaves<T>().turn({x.memory.data(), x.stride, ordered ? order.data() : nullptr, rows,
                              depth, out.data(), room, room});
            for (index f = 0; f < depth; ++f)
              for (index r = 0; r < room; ++r)
                CHECK_EQUAL(double(out[f * room + r]),
                            r < rows ? x.get(ordered ? rows - 1 - r : r, f) : 0.0);
          }
        }
}

template <class T>
void products() {
  const index w = leaves<T>().width;
  for (const Edge edge : kEdges)
    for (const index lanes : sizes({w, 2 * w, 3 * w, 7 * w}))
      for (const index depth : sizes({1, 5, 200}))
        for (const index columns : sizes({1, 2, 6, 7, 13, 25, 49})) {
          About about("dense ", type_name<T>(), " ", lanes, " ", depth, " ", columns);
          Guarded<T> x(depth * lanes, edge), weights(depth * columns, edge), bias(columns, edge);
          Guarded<T> out(columns * lanes, edge), a(columns * lanes, edge), d(columns * lanes, edge);
          fill(x, 1), fill(weights, 2), fill(bias, 3), fill(a, 4);
          Guarded<T> turned(depth * columns, edge);
          for (index i = 0; i < depth * columns; ++i)
            turned[i % columns * depth + i / columns] = weights[i];
          nn::DenseTask<T> t{x.data(),    lanes,          lanes,   depth,
                             columns,     weights.data(), columns, false,
                             bias.data(), out.data(),     lanes,   Activation::relu,
                             T(0),        nullptr,        0};
          leaves<T>().dense(t);
          t.w = turned.data(), t.w_ld = depth, t.turned = true;
          t.bias = nullptr;
          t.outputs = a.data();
          t.outputs_ld = lanes;
          t.out = d.data();
          leaves<T>().dense(t);
          for (index j = 0; j < columns; ++j)
            for (index r = 0; r < lanes; ++r) {
              double sum = 0;
              for (index p = 0; p < depth; ++p)
                sum += double(weights[p * columns + j]) * double(x[p * lanes + r]);
              CHECK_EQUAL(double(out[j * lanes + r]), std::max(0.0, sum + double(bias[j])));
              CHECK_EQUAL(double(d[j * lanes + r]), a[j * lanes + r] > 0 ? sum : 0.0);
            }
        }
}

template <class T>
void gradients() {
  const index w = leaves<T>().width;
  for (const Edge edge : kEdges)
    for (const index rows : sizes({1, w, 2 * w + 1, 70}))
      for (const index inputs : sizes({1, 4, 9, 26}))
        for (const index outputs : sizes({1, w - 1, w, 2 * w + 1, 5 * w + 1})) {
          About about("weights ", type_name<T>(), " ", rows, " ", inputs, " ", outputs);
          const index lanes = round_up(rows, w), wide = round_up(outputs, w);
          Guarded<T> x(inputs * lanes, edge), d(outputs * lanes, edge), ones(lanes, edge);
          Guarded<T> turned(rows * wide, edge), dw(inputs * outputs, edge), db(outputs, edge);
          fill(x, 1), fill(d, 2), ones.fill(1), dw.fill(0), db.fill(0), turned.fill(0);
          for (index j = 0; j < outputs; ++j)
            for (index r = 0; r < lanes; ++r) {
              if (r >= rows) d[j * lanes + r] = 0;
              if (r < rows) turned[r * wide + j] = d[j * lanes + r];
            }
          nn::WeightsTask<T> t{x.data(),  lanes,   inputs, d.data(),    lanes,     outputs, lanes,
                               dw.data(), outputs, false,  ones.data(), db.data(), nullptr, wide};
          leaves<T>().weights_dot(t);
          t.add = true;
          t.d = turned.data();
          t.d_ld = wide;
          t.rows = rows;
          leaves<T>().weights_outer(t);
          for (index j = 0; j < outputs; ++j)
            for (index i = 0; i <= inputs; ++i) {
              double sum = 0;
              for (index r = 0; r < rows; ++r)
                sum += double(i < inputs ? x[i * lanes + r] : T(1)) * double(d[j * lanes + r]);
              CHECK_EQUAL(double(i < inputs ? dw[i * outputs + j] : db[j]), 2 * sum);
            }
          // A third of them, to be subtracted at once: plain descent at rate 1, from 0.
          Guarded<T> weights(inputs * outputs, edge), bias(outputs, edge);
          weights.fill(0), bias.fill(0);
          nn::UpdateTask<T> rules[2] = {};
          for (nn::UpdateTask<T>& rule : rules) {
            rule.n_parts = 1, rule.clip = std::numeric_limits<T>::infinity();
            rule.scale = rule.rate = rule.keep = 1;
          }
          rules[0].w = weights.data(), rules[1].w = bias.data();
          t.update = rules;
          leaves<T>().weights_outer(t);
          for (index i = 0; i < inputs * outputs; ++i) CHECK_EQUAL(weights[i], dw[i] * T(-1.5));
          for (index j = 0; j < outputs; ++j) CHECK_EQUAL(bias[j], db[j] * T(-1.5));
        }
}

// Units in the last place between a T and what it should be.
template <class T>
double ulps(T got, long double wanted) {
  const T nearest = T(wanted);
  if (got == nearest || (std::isnan(got) && std::isnan(nearest))) return 0;
  if (!std::isfinite(got) || !std::isfinite(nearest)) return 1e9;
  const T size = std::abs(nearest);
  const long double unit =
      (long double)std::nextafter(size, std::numeric_limits<T>::infinity()) - size;
  return double(std::abs((long double)got - wanted) / unit);
}

long double exact(Activation activation, long double z) {
  switch (activation) {
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-z));
    case Activation::tanh:
      return std::tanh(z);
    case Activation::softplus:
      return std::max(z, 0.0L) + std::log1p(std::exp(-std::abs(z)));
    case Activation::elu:
      return z > 0 ? z : std::expm1(z);
    case Activation::selu:
      return 1.05070098735548049342L * (z > 0 ? z : 1.67326324235437728482L * std::expm1(z));
    case Activation::gelu:
      return std::max(z, -1e4L) * std::erfc(-z / std::sqrt(2.0L)) / 2;
    default:
      return z;
  }
}

template <class T>
void functions() {
  const index w = leaves<T>().width, n = round_up(20000, w);
  const auto least = static_cast<long double>(std::numeric_limits<T>::min());
  // With a fused multiply-add or without; gelu's in the lower tail.
  const std::pair<Activation, double> limits[] = {
      {Activation::sigmoid, 2.3}, {Activation::tanh, 2.6}, {Activation::softplus, 2.8},
      {Activation::elu, 1.3},     {Activation::selu, 1.9}, {Activation::gelu, 4.9}};
  for (const auto& [f, limit] : limits) {
    Guarded<T> z(n, Edge::end), a(n, Edge::end);
    for (const double range : {1e-3, 0.5, 2.0, 8.0, 30.0, sizeof(T) == 4 ? 85.0 : 700.0}) {
      for (index i = 0; i < n; ++i) z[i] = T(range * (2 * uniform(1, 2, std::uint64_t(i)) - 1));
      leaves<T>().activate({f, T(1), n, 1, z.data(), n, a.data(), n});
      double worst = 0, at = 0;
      for (index i = 0; i < n; ++i) {
        const long double wanted = exact(f, z[i]);
        if (std::abs(wanted) < 8 * least) continue;
        const double off = ulps(a[i], wanted);
        if (off > worst) worst = off, at = double(z[i]);
      }
      About about("activation ", int(f), " ", type_name<T>(), " range ", range, ": ", worst,
                  " ulp at ", at);
      CHECK(worst <= limit);
      if (std::getenv("COTERIE_SHOW")) std::cout << About::lines().back() << std::endl;
    }
    const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    for (index i = 0; i < w; ++i) z[i] = T(0);
    const T special[] = {nan, inf, -inf, T(0)};
    for (index i = 0; i < 4; ++i) {
      z[0] = special[i];
      leaves<T>().activate({f, T(1), w, 1, z.data(), n, a.data(), n});
      CHECK_EQUAL(ulps(a[0], exact(f, z[0])), 0.0);
      if (w > 1) CHECK_EQUAL(ulps(a[w - 1], exact(f, 0)), 0.0);
    }
  }
  for (int f = 0; f <= int(Activation::softmax); ++f) {  // NaN stays NaN
    Guarded<T> z(2 * w, Edge::end), a(2 * w, Edge::end);
    z.fill(T(1)), z[0] = std::numeric_limits<T>::quiet_NaN();
    leaves<T>().activate({Activation(f), T(0.2), w, 2, z.data(), w, a.data(), w});
    About about("NaN through ", f);
    CHECK(std::isnan(a[0]));
    if (w > 1) CHECK(std::isfinite(a[1]));
  }
}

// The update between forbidden pages, at sizes that are no multiple of a vector.
template <class T>
void updates() {
  const index w = leaves<T>().width;
  for (const Edge edge : kEdges)
    for (const index size : sizes({1, w - 1, w, w + 1, 5 * w - 1})) {
      Guarded<T> weights(size, edge), parts(2 * size, edge), slot0(size, edge), slot1(size, edge);
      fill(weights, 1), fill(parts, 2), slot0.fill(0), slot1.fill(0);
      nn::UpdateTask<T> t{};
      t.rule = nn::Rule::nesterov;
      t.w = weights.data(), t.parts = parts.data(), t.n_parts = 2, t.part_stride = size;
      t.slot0 = slot0.data(), t.slot1 = slot1.data(), t.size = size;
      t.clip = std::numeric_limits<T>::infinity(), t.scale = 1, t.keep = 1;
      t.rate = T(0.5), t.momentum = T(0.25);
      leaves<T>().update(t);
      for (index i = 0; i < size; ++i) {
        const double v = -0.5 * double(parts[i] + parts[size + i]);
        CHECK_EQUAL(double(slot0[i]), v);
        CHECK_EQUAL(double(weights[i]), small_integer(1, i, 4) + 0.25 * v + v);
      }
      t.rule = nn::Rule::adam, t.epsilon = T(1e-7), t.beta1 = T(0.9), t.beta2 = T(0.999);
      leaves<T>().update(t);
      for (index i = 0; i < size; ++i) CHECK(std::isfinite(weights[i]));
    }
}

// Averages of weights that have no gradient stay clear of subnormal numbers, on the way too.
template <class T>
void idle_updates() {
  const index size = 3 * leaves<T>().width + 1;
  std::vector<T> weights(size, T(1)), parts(size, T(0)), slots(2 * size, T(0));
  nn::UpdateTask<T> t{};
  t.w = weights.data(), t.parts = parts.data(), t.n_parts = 1;
  t.slot0 = slots.data(), t.slot1 = slots.data() + size, t.size = size;
  t.clip = std::numeric_limits<T>::infinity(), t.scale = t.keep = 1;
  t.rate = T(0.001), t.epsilon = T(1e-7), t.rho = T(0.9), t.beta1 = T(0.9), t.beta2 = T(0.999);
  for (const nn::Rule rule : {nn::Rule::adagrad, nn::Rule::rmsprop, nn::Rule::adam}) {
    About about("rule ", int(rule));
    std::fill(slots.begin(), slots.end(), T(0));
    t.rule = rule;
    std::feclearexcept(FE_UNDERFLOW);
    for (int time = 0; time < 3; ++time) leaves<T>().update(t);
    CHECK(!std::fetestexcept(FE_UNDERFLOW));
    CHECK_EQUAL(std::count(weights.begin(), weights.end(), T(1)), size);
  }
}

// Sums over a line and what they do to it, on integers; NaN beyond the rows must not count.
template <class T>
void lines() {
  const index w = leaves<T>().width;
  for (const Edge edge : kEdges)
    for (const index rows : sizes({1, w - 1, w, w + 1, 5 * w - 1, 300})) {
      const index lanes = round_up(rows, w);
      Guarded<T> x(lanes, edge), g(lanes, edge);
      double wanted[6] = {};  // x, |x|, x^2, (x - mean)^2, g, g (x - 2)
      for (index r = 0; r < lanes; ++r) {
        x[r] = r < rows ? T(small_integer(1, r, 5)) : std::numeric_limits<T>::quiet_NaN();
        g[r] = r < rows ? T(small_integer(2, r, 5)) : T(0);
      }
      for (index r = 0; r < rows; ++r) wanted[0] += double(x[r]), wanted[4] += double(g[r]);
      const double mean = wanted[0] / double(rows);
      for (index r = 0; r < rows; ++r) {
        wanted[1] += std::abs(double(x[r])), wanted[2] += double(x[r] * x[r]);
        wanted[3] += (double(x[r]) - mean) * (double(x[r]) - mean);
        wanted[5] += double(g[r] * (x[r] - 2));
      }
      nn::LineTask<T> t{rows, lanes, x.data(), g.data(), T(2), T(3), T(1), T(4)};
      double got[3];
      leaves<T>().sizes(t, got);
      for (int k = 0; k < 3; ++k) CHECK_EQUAL(got[k], wanted[k]);
      leaves<T>().norm_sums(t, got);
      for (int k = 0; k < 2; ++k) CHECK_EQUAL(got[k], wanted[4 + k]);
      leaves<T>().moments(t, got);
      CHECK_EQUAL(got[0], mean);
      CHECK(std::abs(got[1] * double(rows) - wanted[3]) <= 1e-13 * wanted[3]);
      const auto line = [&](auto leaf, auto value) {
        Guarded<T> out(lanes, edge);
        for (index r = 0; r < lanes; ++r) out[r] = g[r];
        t.out = out.data();
        leaf(t);
        for (index r = 0; r < lanes; ++r) CHECK_EQUAL(out[r], r < rows ? value(x[r], g[r]) : T(0));
      };
      line(leaves<T>().normalize, [](T a, T) { return (a - 2) * 3 + 1; });
      line(leaves<T>().norm_gradient, [](T a, T b) { return 3 * (b - 1 - (a - 2) * 4); });
      line(leaves<T>().penalize, [](T a, T b) {
        return b + 1 + 3 * a + T(a > 0 ? 4 : a < 0 ? -4 : 0);
      });
    }
}

}  // namespace

TEST(nn, turn) { turn<float>(), turn<double>(); }
TEST(nn, products) { products<float>(), products<double>(); }
TEST(nn, gradients) { gradients<float>(), gradients<double>(); }
TEST(nn, functions) { functions<float>(), functions<double>(); }
TEST(nn, updates) { updates<float>(), updates<double>(); }
TEST(nn, idle_updates) { idle_updates<float>(), idle_updates<double>(); }
TEST(nn, lines) { lines<float>(), lines<double>(); }

}  // namespace tests
