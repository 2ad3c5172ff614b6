// parallel_blocks: each block once, the right exception, and a pool that outlives throws,
// interrupts and forks.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "../../cpp/algo/kmeans/kmeans.hpp"
#include "../../cpp/base/interrupt.hpp"
#include "../../cpp/base/threads.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// The pool does its work, whatever happened to it before.
void check_usable() {
  std::atomic<int> ran{0};
  threads::parallel_blocks(100, 4, [&](index, int) { ++ran; });
  CHECK_EQUAL(ran.load(), 100);
}

std::string error_of(int n_threads, index blocks, const std::function<void(index)>& body) {
  try {
    threads::parallel_blocks(blocks, n_threads, [&](index b, int) { body(b); });
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// A fit large enough for several threads.
struct Fit {
  std::vector<float> centers;
  std::vector<std::int32_t> labels;
  double inertia;
  bool operator==(const Fit& o) const {
    return centers == o.centers && labels == o.labels && inertia == o.inertia;
  }
};
Fit fit(std::int64_t max_iter, const std::function<bool(std::int64_t, double, double)>& progress) {
  constexpr index n = 20000, d = 13, k = 24;
  static const Rows<float> x(n, d, d, Edge::end, 31, 1000);
  Fit f{{}, std::vector<std::int32_t>(n), 0};
  for (index e = 0; e < k * d; ++e) f.centers.push_back(x.memory[e]);
  const kmeans::Moments m = kmeans::moments(x.view(), nullptr, 4);
  f.inertia = kmeans::lloyd(x.view(), nullptr, m, f.centers.data(), k, f.labels.data(),
                            {max_iter, 0, kmeans::Empty::relocate, 4, progress})
                  .inertia;
  return f;
}
Fit fit() { return fit(3, nullptr); }

}  // namespace

TEST(threads, every_block_once) {
  for (const int n_threads : {-1, 0, 1, 2, 3, 8})
    for (const index blocks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> count(static_cast<std::size_t>(blocks));
      std::atomic<bool> in_range{true};
      threads::parallel_blocks(blocks, n_threads, [&](index b, int thread) {
        ++count[static_cast<std::size_t>(b)];
        if (thread < 0 || thread >= std::max(1, n_threads)) in_range = false;
      });
      for (const auto& c : count) CHECK_EQUAL(c.load(), 1);
      CHECK(in_range);
    }
  CHECK(threads::available() >= 1);
  CHECK_EQUAL(threads::worth(1, 8), 1);
  CHECK_EQUAL(threads::worth(1e9, 8), 8);
}

TEST(threads, lowest_exception_wins) {
  for (const index late : {0, 1}) {
    // `late` throws after the other one has; alone on its thread it gives up waiting.
    std::atomic<bool> other{false};
    const auto message = error_of(2, 2, [&](index b) {
      for (int i = 0; b == late && !other && i < 100; ++i) pause_ms(2);
      if (b == late) pause_ms(5);
      other = true;
      throw std::runtime_error("block " + std::to_string(b));
    });
    // Where both blocks threw, 0 wins; the first throw may also have kept block 0's fellow from
    // starting.
    CHECK_EQUAL(message, "block 0");
    check_usable();
  }
  for (const int n_threads : {1, 2, 8}) {
    std::atomic<int> ran{0};
    const auto message = error_of(n_threads, 100000, [&](index b) {
      ++ran;
      if (b == 17) throw std::runtime_error("17");
      pause_ms(b > 17 ? 1 : 0);
    });
    CHECK_EQUAL(message, "17");
    CHECK(ran < 5000);  // blocks not yet started are skipped
    check_usable();
  }
}

TEST(threads, shares_stay_with_their_threads) {
  for (int time = 0; time < 50; ++time) {
    std::vector<int> by(4, -1);
    threads::parallel_shares(
        4, [&](index share, int thread) { by[static_cast<std::size_t>(share)] = thread; });
    for (int share = 0; share < 4; ++share)
      CHECK_EQUAL(by[share], threads::runtime().empty() ? 0 : share);
  }
  std::atomic<int> ran{0};
  std::string error;
  try {
    threads::parallel_shares(4, [&](index share, int) {
      ++ran;
      if (share % 2 == 1) throw std::runtime_error(std::to_string(share));
    });
  } catch (const std::runtime_error& e) {
    error = e.what();
  }
  CHECK_EQUAL(error, std::string("1"));
  if (!threads::runtime().empty()) CHECK_EQUAL(ran.load(), 4);
  check_usable();
}

TEST(threads, nested_calls_are_serial) {
  std::atomic<int> inner{0};
  std::atomic<bool> same{true};
  threads::parallel_blocks(8, 4, [&](index, int) {
    const auto here = std::this_thread::get_id();
    index next = 0;
    threads::parallel_blocks(5, 4, [&](index b, int thread) {
      ++inner;
      if (b != next++ || thread != 0 || std::this_thread::get_id() != here) same = false;
    });
  });
  CHECK_EQUAL(inner.load(), 40);
  CHECK(same);
}

TEST(threads, interrupt) {
  static std::thread::id caller;
  static std::atomic<bool> elsewhere;
  static std::atomic<int> asked;
  caller = std::this_thread::get_id(), elsewhere = false, asked = 0;
  const auto stop = [] {
    ++asked;
    if (std::this_thread::get_id() != caller) elsewhere = true;
    return true;
  };
  for (const int n_threads : {1, 3}) {
    interrupt::install(stop);
    CHECK_EQUAL(error_of(n_threads, 100000, [](index) { pause_ms(1); }), "interrupted");
    interrupt::install(nullptr);
    check_usable();
  }
  const Fit before = fit();
  interrupt::install(stop);
  THROWN(Interrupted, fit(1000000, [](std::int64_t, double, double) {
           pause_ms(10);
           return false;
         }));
  interrupt::install(nullptr);
  CHECK(fit() == before);
  CHECK(asked >= 3);

  // The poll is the calling thread's, in nested calls as well.
  interrupt::install([] {
    if (std::this_thread::get_id() != caller) elsewhere = true;
    return false;
  });
  threads::parallel_blocks(
      4, 4, [&](index, int) { threads::parallel_blocks(3, 1, [](index, int) { pause_ms(30); }); });
  interrupt::install(nullptr);
  CHECK(!elsewhere);
}

TEST(threads, progress_may_throw) {
  const auto failing = [](std::int64_t, double, double) -> bool {
    throw std::runtime_error("enough");
  };
  CHECK_EQUAL(THROWN(std::runtime_error, fit(5, failing)), "enough");
  check_usable();
}

// A long block hears that another has failed, on its own thread; outside a region there is nothing
// to hear.
TEST(threads, a_long_block_hears_that_another_failed) {
  std::atomic<bool> started{false}, heard{true};
  const auto failing = [&](index b) {
    if (b == 0) {
      for (int i = 0; i < 2000 && !started; ++i) pause_ms(1);  // without OpenMP nobody starts
      throw std::runtime_error("enough");
    }
    started = true;
    heard = false;
    for (int i = 0; i < 10000 && !heard; ++i) {
      heard = threads::stopped();
      pause_ms(1);
    }
  };
  CHECK_EQUAL(error_of(2, 2, failing), "enough");
  CHECK(heard);
  CHECK(!threads::stopped());
  check_usable();
}

// Left by an exception, a long block does not stand before what another one has to say.
TEST(threads, an_error_stands_before_an_interrupt) {
  const auto failing = [&](index b) {
    if (b == 1) throw std::runtime_error("enough");
    for (int i = 0; i < 2000; ++i) threads::answer_interrupt(), pause_ms(1);
  };
  CHECK_EQUAL(error_of(2, 2, failing), "enough");
  check_usable();
}

TEST(threads, who_waits_for_others_can_be_interrupted) {
  if (threads::runtime().empty()) return;
  static std::atomic<bool> started;
  started = false;
  const auto caller = std::this_thread::get_id();
  interrupt::install([] { return started.load(); });
  const auto body = [&](index) {
    if (std::this_thread::get_id() == caller) {
      for (int i = 0; i < 2000 && !started; ++i) pause_ms(1);
      return;
    }
    started = true;
    for (int i = 0; i < 10000; ++i) threads::answer_interrupt(), pause_ms(1);
    throw std::runtime_error("heard nothing");
  };
  CHECK_EQUAL(error_of(2, 2, body), "interrupted");
  interrupt::install(nullptr);
  check_usable();
}

TEST(threads, fork_after_parallel_work) {
  const Fit wanted = fit();
  check_usable();
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);  // a child that waits for the parent's threads would wait for ever
    bool right = fit() == wanted;
    threads::parallel_blocks(10, 4, [&](index, int thread) { right = right && thread == 0; });
    _exit(right ? 0 : 1);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  check_usable();
}

}  // namespace tests
