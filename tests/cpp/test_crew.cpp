// Crews: every piece once, stage after stage and step after step, whoever leads, leaves or fails.
#include "../../cpp/base/crew.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "../../cpp/base/interrupt.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Stages of unlike counts: every piece once, and all of a stage before any of the next.
void stages(int n_threads, int time) {
  constexpr int n_stages = 12;
  threads::Crew crew(n_threads);
  const auto count = [&](int stage, index share) { return (7 * stage + 5 * share + time) % 9; };
  std::atomic<int> ran[n_stages] = {};
  std::atomic<bool> early{false};
  crew.together([&](threads::Crew::Member& member) {
    for (int s = 0; s < n_stages; ++s) {
      member.stage([&](index share) { return count(s, share); },
                   [&](index share, index k) {
                     if (k < 0 || k >= count(s, share)) early = true;
                     ++ran[s];
                   });
      int all = 0;
      for (int share = 0; share < n_threads; ++share) all += static_cast<int>(count(s, share));
      if (ran[s] != all || member.size() != n_threads) early = true;
    }
  });
  CHECK(!early);
}

}  // namespace

TEST(crew, goes_through_stages) {
  for (int n_threads : {1, 2, 3, 4})
    for (int time = 0; time < 200; ++time) stages(n_threads, time);
  // One thread after the other, where there is but one: the first does everything.
  threads::parallel_blocks(2, 2, [&](index, int) { stages(3, 1); });
}

TEST(crew, does_without_who_leaves) {
  for (int n_threads : {1, 2, 4}) {
    threads::Crew crew(n_threads);
    std::atomic<int> ran{0};
    const auto work = [&](threads::Crew::Member& member) {
      for (int s = 0; s < 20; ++s)
        member.stage([](index) { return 10; },
                     [&](index share, index k) {
                       ++ran;
                       if (s == 3 && share == 0 && k == 5) throw std::runtime_error("left");
                     });
    };
    THROWN(std::runtime_error, crew.together(work));
    CHECK_EQUAL(ran.load(), n_threads > 1 ? 200 * n_threads : 36);
    crew.together([&](threads::Crew::Member& member) {
      member.stage([](index) { return 1; }, [&](index, index) { ++ran; });
    });
  }
}

namespace {

// Steps that each offer two jobs; every fifth sleeps, so that another thread leads after it.
struct Steps {
  explicit Steps(int n_threads, int most) : crew(n_threads), most(most) {}
  threads::Crew crew;
  const int most;
  int made = 0,
      pieces = 0;  // not atomic: one thread at a time, and all see what was written before
  std::vector<std::thread::id> leaders;

  template <class F>
  bool step(const F& piece) {
    for (int job = 0; job < 2; ++job) {
      std::atomic<int> ran{0};
      crew.together([&](threads::Crew::Member& member) {
        for (int s = 0; s < 3; ++s)
          member.stage([&](index share) { return 2 + (made + share) % 3; },
                       [&](index, index) { ++ran, piece(made); });
      });
      pieces += ran;
    }
    if (std::find(leaders.begin(), leaders.end(), std::this_thread::get_id()) == leaders.end())
      leaders.push_back(std::this_thread::get_id());
    if (made % 5 == 0) pause_ms(1);
    return ++made < most;
  }
  int wanted() const {
    int all = 0;
    for (int i = 0; i < most; ++i)
      for (int share = 0; share < crew.size(); ++share) all += 6 * (2 + (i + share) % 3);
    return all;
  }
};

}  // namespace

TEST(crew, repeats_steps) {
  const auto check = [](int n_threads, bool others) {
    Steps steps(n_threads, 100);
    // On a busy machine it may take a while until another thread is there to lead.
    for (int time = 0; time < 2 || (others && time < 200 && steps.leaders.size() < 2); ++time) {
      steps.made = steps.pieces = 0;
      steps.crew.repeat([&] { return steps.step([](int) {}); });
      CHECK_EQUAL(steps.made, 100);
      CHECK_EQUAL(steps.pieces, steps.wanted());
    }
    CHECK_EQUAL(steps.leaders.size() > 1, others);
  };
  for (const int n_threads : {1, 2, 3, 4})
    check(n_threads, n_threads > 1 && !threads::runtime().empty());
  threads::parallel_blocks(2, 2, [&](index, int) { check(3, false); });
}

TEST(crew, repeats_until_somebody_fails) {
  for (const int n_threads : {1, 2, 4}) {
    Steps steps(n_threads, 1 << 30);
    std::atomic<bool> failed{false};
    const auto fails = [&](int made) {
      if (made == 23 && !failed.exchange(true)) throw std::runtime_error("piece");
    };
    CHECK_EQUAL(THROWN(std::runtime_error, steps.crew.repeat([&] { return steps.step(fails); })),
                "piece");
    CHECK_EQUAL(steps.made, 23);
    CHECK_EQUAL(THROWN(std::runtime_error, steps.crew.repeat([&] {
                  if (steps.made == 40) throw std::runtime_error("step");
                  return steps.step(fails);
                })),
                "step");
    // Nobody goes on with a long job of which a piece has failed.
    std::atomic<int> ran{0};
    THROWN(std::runtime_error, steps.crew.repeat([&] {
      steps.crew.together([&](threads::Crew::Member& member) {
        member.stage([](index) { return 300; },
                     [&](index, index) {
                       pause_ms(1);
                       if (++ran == 20) throw std::runtime_error("piece");
                     });
      });
      return true;
    }));
    CHECK(ran < 40);
    static const std::thread::id caller = std::this_thread::get_id();
    interrupt::install([] { return std::this_thread::get_id() == caller; });
    THROWN(Interrupted,
           steps.crew.repeat([&] { return steps.step([](int) { threads::answer_interrupt(); }); }));
    interrupt::install(nullptr);
    steps.crew.repeat([&] { return steps.step([](int) {}) && steps.made % 50 != 0; });
    CHECK_EQUAL(steps.made % 50, 0);
  }
}

}  // namespace tests
