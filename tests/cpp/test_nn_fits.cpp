// Whole fits: any number of threads, any size of a batch.
#include "../../cpp/algo/nn/nn.hpp"
#include "data.hpp"

namespace tests {
namespace {

using namespace coterie;
using nn::Activation;

// A net with everything in it: the same bits for 1 and 3 threads, loss that falls.
template <class T>
void fits(index rows, index width) {
  std::vector<nn::Op> ops(6);
  ops[0] = {nn::Kind::dropout, 5, 5};
  ops[0].rate = 0.1;
  ops[1] = {nn::Kind::dense, 5, width, Activation::gelu};
  ops[1].weights = 0, ops[1].bias = 5 * width, ops[1].l2 = 1e-3;
  ops[2] = {nn::Kind::noise, width, width};
  ops[2].rate = 0.05;
  ops[3] = {nn::Kind::dense, width, 7, Activation::tanh};
  ops[3].weights = 6 * width, ops[3].bias = 13 * width;
  ops[4] = {nn::Kind::activity, 7, 7};
  ops[4].activity_l1 = 1e-4;
  ops[5] = {nn::Kind::dense, 7, 2};
  ops[5].weights = 13 * width + 7, ops[5].bias = 13 * width + 21;
  const nn::Net net(ops);
  Rows<T> x(rows, 5, 5, Edge::end, 1, 2), y(rows, 2, 2, Edge::end, 2, 2);
  std::vector<std::vector<T>> outcomes;
  for (const int n_threads : {1, 3}) {
    std::vector<T> theta(static_cast<std::size_t>(net.n_theta)), slots(2 * theta.size());
    for (std::size_t i = 0; i < theta.size(); ++i)
      theta[i] = T(0.1) * T(small_integer(3, index(i), 3));
    std::vector<double> history(2 * 2 * 5);
    const double rate = 0.01;
    nn::Objective objective;
    objective.metrics = {nn::Metric::mae};
    nn::Optimizer optimizer;
    optimizer.rule = nn::Rule::adam;
    optimizer.rates = &rate;
    nn::Settings settings{5, 0, rows / 2 + 1, true, 7, n_threads};
    const nn::Data<T> data{x.view(), y.view(), nullptr, nullptr};
    const nn::Fit<T> fit{net,   objective, theta.data(), nullptr,        slots.data(), data,
                         &data, optimizer, settings,     history.data(), nullptr};
    const nn::Outcome done = nn::fit(fit);
    CHECK_EQUAL(done.epochs, 5);
    CHECK(history[4 * 4] < history[0]);
    std::vector<T> out(static_cast<std::size_t>(2 * rows));
    nn::forward<T>(net, theta.data(), nullptr, x.view(), out.data(), n_threads);
    theta.insert(theta.end(), out.begin(), out.end());
    outcomes.push_back(theta);
  }
  CHECK(outcomes[0] == outcomes[1]);
}

// The last batch of an epoch is cut by its own size: as if it were fitted on its own, to the bit.
template <class T>
void last_batch(index hidden, index batch, index rest) {
  About about("last batch ", type_name<T>(), " ", hidden, " ", batch, " + ", rest);
  std::vector<nn::Op> ops = {{nn::Kind::dense, 10, hidden, Activation::tanh},
                             {nn::Kind::dense, hidden, 5}};
  ops[0].weights = 0, ops[1].weights = 10 * hidden, ops[1].bias = 15 * hidden;
  const nn::Net net(ops);
  const index rows = batch + rest;
  Rows<T> x(rows, 10, 10, Edge::end, 1, 2), y(rows, 5, 5, Edge::end, 2, 2);
  const auto fit = [&](std::vector<T>& theta, index first, index count, int n_threads) {
    const double rate = 0.01;
    nn::Optimizer optimizer;
    optimizer.rates = &rate;
    const nn::Settings settings{1, 0, batch, false, 0, n_threads};
    const nn::Data<T> data{{x.view().row(first), count, 10, 10},
                           {y.view().row(first), count, 5, 5}};
    double loss = 0;
    nn::fit<T>({net,
                {},
                theta.data(),
                nullptr,
                nullptr,
                data,
                nullptr,
                optimizer,
                settings,
                &loss,
                nullptr});
  };
  for (const int n_threads : {1, 3}) {
    std::vector<T> whole(static_cast<std::size_t>(net.n_theta), T(0.1)), apart = whole;
    fit(whole, 0, rows, n_threads);
    fit(apart, 0, batch, n_threads), fit(apart, batch, rest, n_threads);
    CHECK(whole == apart);
  }
}

template <class T>
void last_batches() {
  for (const index hidden : {20, 30, 40, 50})
    for (const index batch : {130, 170, 200, 300, 1000})
      for (const index rest : {95, 125, 155, 190, 222})
        if (rest < batch) last_batch<T>(hidden, batch, rest);
  for (const index limit : {64, 128, 256}) last_batch<T>(4, 65 * limit, 64 * limit);
}

// By Adam, shuffled; the loss falls.
template <class T>
void two_epochs(const nn::Net& net, std::vector<T>& theta, T* state, const Rows<T>& x,
                const Rows<T>& y, index batch, int n_threads) {
  std::vector<T> slots(2 * theta.size());
  const double rate = 1e-3;
  nn::Optimizer optimizer;
  optimizer.rule = nn::Rule::adam, optimizer.rates = &rate;
  double losses[2];
  const nn::Settings settings{2, 0, batch, true, 7, n_threads};
  const nn::Data<T> data{x.view(), y.view(), nullptr, nullptr};
  nn::fit<T>({net,
              {},
              theta.data(),
              state,
              slots.data(),
              data,
              nullptr,
              optimizer,
              settings,
              losses,
              nullptr});
  CHECK(losses[1] < losses[0]);
}

// Wide layers, whose weights threads share: sums in halves on both ways, odd shares.
template <class T>
void wide(const std::vector<index>& widths, bool frozen, index rows, index batch) {
  std::vector<nn::Op> ops;
  index size = 0;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    const index d = widths[i], m = widths[i + 1];
    ops.push_back({nn::Kind::dense, d, m, i % 2 ? Activation::gelu : Activation::relu});
    ops.back().weights = size, ops.back().bias = size + d * m;
    size += (d + 1) * m;
  }
  ops.back().activation = Activation::linear;
  ops.front().trainable = !frozen;
  const index inputs = widths.front(), outputs = widths.back();
  const nn::Net net(ops);
  Rows<T> x(rows, inputs, inputs, Edge::end, 1, 2), y(rows, outputs, outputs, Edge::end, 2, 2);
  std::vector<std::vector<T>> outcomes;
  for (const int n_threads : {1, 3}) {
    std::vector<T> theta(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < theta.size(); ++i)
      theta[i] = T(0.01) * T(small_integer(3, index(i), 3));
    two_epochs<T>(net, theta, nullptr, x, y, batch, n_threads);
    outcomes.push_back(theta);
    CHECK(outcomes[0] == theta);
  }
}

// A whole batch of more rows than gradients are summed at a time, its columns normalised.
template <class T>
void many_rows(index rows, index width, index outputs) {
  About about("many rows ", type_name<T>(), " ", rows, " ", width, " ", outputs);
  std::vector<nn::Op> ops = {{nn::Kind::dense, 5, width},
                             {nn::Kind::batch_norm, width, width},
                             {nn::Kind::dense, width, outputs}};
  ops[0].weights = 0, ops[0].bias = 5 * width;
  ops[1].gamma = 6 * width, ops[1].beta = 7 * width, ops[1].mean = 0, ops[1].variance = width;
  ops[1].momentum = 0.9, ops[1].epsilon = 1e-3;
  ops[2].weights = 8 * width, ops[2].bias = (8 + outputs) * width;
  const nn::Net net(ops);
  Rows<T> x(rows, 5, 5, Edge::end, 1, 2), y(rows, outputs, outputs, Edge::end, 2, 2);
  std::vector<std::vector<T>> outcomes;
  for (const int n_threads : {1, 3}) {
    std::vector<T> theta(static_cast<std::size_t>(net.n_theta));
    for (std::size_t i = 0; i < theta.size(); ++i)
      theta[i] = T(0.1) * T(small_integer(3, index(i), 3));
    std::vector<T> state(static_cast<std::size_t>(net.n_state), T(1));
    two_epochs<T>(net, theta, state.data(), x, y, rows, n_threads);
    outcomes.push_back(theta);
    CHECK(outcomes[0] == theta);
  }
}

}  // namespace

TEST(nn, wide_layers) {
  const std::vector<index> widening = {20, 300, 270, 20, 281}, narrowing = {640, 320, 200, 20};
  wide<float>(widening, false, 40, 33), wide<double>(widening, false, 20, 11);
  wide<float>(narrowing, true, 20, 11), wide<double>(narrowing, false, 20, 20);
}
TEST(nn, many_rows) {
  many_rows<float>(1025, 70, 150), many_rows<double>(2100, 33, 3), many_rows<float>(1100, 1500, 64);
}
TEST(nn, last_batches) { last_batches<float>(), last_batches<double>(); }
TEST(nn, fits) {
  fits<float>(301, 9), fits<double>(1, 3), fits<double>(2000, 31);
  fits<float>(150, 6000);
}

}  // namespace tests
