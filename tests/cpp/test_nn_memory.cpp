// What a fit allocates. The operators of a sanitizer are not to be replaced: nothing is here then.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <atomic>
#include <cstdlib>
#include <new>

#include "../../cpp/algo/nn/nn.hpp"
#include "data.hpp"

namespace {
std::atomic<long> news{0};
}
void* operator new(std::size_t size) {
  ++news;
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace tests {
namespace {

using namespace coterie;
using nn::Activation;

// Epochs, with validation and without, take no memory that a fit did not take before the first.
template <class T>
long allocations(index rows, index width, index batch, bool validated, index epochs) {
  std::vector<nn::Op> ops = {{nn::Kind::dense, 20, width, Activation::relu},
                             {nn::Kind::dense, width, 3}};
  ops[0].weights = 0, ops[1].weights = 20 * width;
  const nn::Net net(ops);
  Rows<T> x(rows, 20, 20, Edge::end, 1, 2), y(rows, 3, 3, Edge::end, 2, 2);
  std::vector<T> theta(static_cast<std::size_t>(net.n_theta), T(0.1));
  std::vector<double> history(static_cast<std::size_t>(2 * epochs));
  const double rate = 1e-6;
  nn::Optimizer optimizer;
  optimizer.rates = &rate;
  const nn::Data<T> data{x.view(), y.view(), nullptr, nullptr};
  const nn::Settings settings{epochs, 0, batch, true, 7, 3};
  const long before = news;
  nn::fit<T>({net,
              {},
              theta.data(),
              nullptr,
              nullptr,
              data,
              validated ? &data : nullptr,
              optimizer,
              settings,
              history.data(),
              nullptr});
  return news - before;
}

template <class T>
void nothing_allocated() {
  for (const index width : {15, 2000, 5000})
    for (const index batch : {32, 600}) {
      const index rows = width > 1000 ? 100 : 600;
      for (const bool validated : {false, true}) {
        About about(type_name<T>(), " width ", width, " batch ", batch, " validated ", validated);
        allocations<T>(rows, width, batch, validated, 1);
        CHECK_EQUAL(allocations<T>(rows, width, batch, validated, 2),
                    allocations<T>(rows, width, batch, validated, 3));
      }
    }
}

}  // namespace

TEST(nn, epochs_allocate_nothing) { nothing_allocated<float>(), nothing_allocated<double>(); }

}  // namespace tests

#endif
