// Sizes that do not fit, and the form of a refusal.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "../../cpp/base/buffer.hpp"
#include "../../cpp/base/check.hpp"
#include "../../cpp/engine/isa.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

TEST(base, checked_product) {
  constexpr index most = std::numeric_limits<index>::max();
  CHECK_EQUAL(checked_product(0, most), 0);
  CHECK_EQUAL(checked_product(1, most), most);
  CHECK_EQUAL(checked_product(index{1} << 31, index{1} << 31), index{1} << 62);
  THROWN(std::bad_alloc, checked_product(index{1} << 32, index{1} << 31));
  THROWN(std::bad_alloc, checked_product(most, 2));
  THROWN(std::bad_alloc, checked_product(-1, 5));
  THROWN(std::bad_alloc, checked_product(5, -1));
}

TEST(base, kept_memory) {
  // What was given back may come again, always large and aligned enough, and never twice.
  std::vector<Buffer<double>> all;
  for (int round = 0; round < 4; ++round) {
    for (index size = 1; size <= (index{1} << 20); size = size * 3 + round) all.emplace_back(size);
    for (std::size_t k = 0; k < all.size(); ++k) {
      CHECK_EQUAL(reinterpret_cast<std::uintptr_t>(all[k].data()) % 64, 0u);
      all[k].fill(double(k));
    }
    for (std::size_t k = 0; k < all.size(); ++k)
      for (index i = 0; i < all[k].size(); ++i)
        if (all[k][i] != double(k)) CHECK_EQUAL(all[k][i], double(k));
    all.resize(all.size() / 2);
  }
}

TEST(base, zero_memory) {
  // Zero to the last value, also where memory of that size was written to and given back before.
  for (const index size : {index{1} << 10, index{1} << 17, (index{17} << 20) + 3})
    for (int round = 0; round < 2; ++round) {
      Buffer<float> zeros(size, 0.0f);
      CHECK_EQUAL(std::count(zeros.data(), zeros.data() + size, 0.0f), size);
      zeros.fill(1);
      const Buffer<float> ones(size, 1.0f);
      CHECK_EQUAL(std::count(ones.data(), ones.data() + size, 1.0f), size);
    }
}

TEST(base, buffer) {
  THROWN(std::bad_alloc, Buffer<double>(index{1} << 61));
  THROWN(std::bad_alloc, Buffer<float>(-1));
  Buffer<double> none, nothing(0), some(5, 2.5);
  CHECK_EQUAL(none.size(), 0);
  CHECK_EQUAL(nothing.size(), 0);
  for (index i = 0; i < some.size(); ++i) CHECK_EQUAL(some[i], 2.5);
  CHECK_EQUAL(reinterpret_cast<std::uintptr_t>(some.data()) % 64, std::uintptr_t{0});
  double* const was = some.data();
  const Buffer<double> moved = std::move(some);
  CHECK(moved.data() == was);
}

TEST(base, refuse) {
  CHECK_EQUAL(THROWN(std::invalid_argument, refuse("k", "at least 1", -3, " and ", 2.5)),
              "k: wanted at least 1, got -3 and 2.5");
}

TEST(base, tables) {
  const auto compiled = isa::compiled(), supported = isa::supported();
  CHECK(std::count(compiled.begin(), compiled.end(), "odd") == 1);
  CHECK(std::count(supported.begin(), supported.end(), "baseline") == 1);
  for (const std::string& name : supported)
    CHECK(std::count(compiled.begin(), compiled.end(), name) == 1);
}

TEST(base, uniform) {
  double sum = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const double u = uniform(7, 1, i);
    CHECK(u >= 0 && u < 1);
    sum += u;
  }
  // Six standard deviations of a mean of 10,000.
  CHECK(std::abs(sum / 10000 - 0.5) < 6 * 0.2887 / 100);
  CHECK(uniform(7, 1, 0) != uniform(7, 2, 0) && uniform(7, 1, 0) != uniform(8, 1, 0));
}

}  // namespace tests
