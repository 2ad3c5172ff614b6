// Threads that go through the same stages of a job side by side. Each begins with pieces of its
// own, whose memory its caches may still hold, and then helps the others; a thread that comes late,
// or not at all, is waited for only as long as a piece it has begun.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "threads.hpp"

namespace coterie::threads {

class Crew {
 public:
  explicit Crew(int n_threads)
      : slots_(new Slot[static_cast<std::size_t>(n_threads)]), n_(n_threads) {}

  int size() const { return n_; }

  // One thread's way through the stages.
  class Member {
   public:
    int size() const { return crew_.n_; }

    // f(share, k) for 0 <= k < count(share) and every share, each once, on any thread; returns when
    // all are done. Counts below 2^32.
    template <class Count, class F>
    void stage(const Count& count, const F& f) {
      ++stage_;
      for (int i = 0; i < crew_.n_; ++i) {
        const int share = own_ + i < crew_.n_ ? own_ + i : own_ + i - crew_.n_;
        Slot& slot = crew_.slots_[share];
        const auto n = static_cast<std::uint32_t>(count(share));
        if (i > 0) let_finish(slot.done, n);
        for (std::int64_t k; (k = raise(slot.taken, n)) >= 0;) {
          const Done done{*this, slot.done, n};
          f(share, k);
        }
      }
      for (int share = 0; share < crew_.n_; ++share)
        wait(crew_.slots_[share].done, static_cast<std::uint32_t>(count(share)));
    }

   private:
    friend class Crew;
    Member(Crew& crew, int own) : crew_(crew), own_(own) {}

    // Counts the piece however f is left, so that nobody waits for it in vain.
    struct Done {
      Member& member;
      std::atomic<std::uint64_t>& done;
      std::uint32_t count;
      ~Done() { member.raise(done, count); }
    };

    // What the count of this stage was before it was raised by one; -1 if it was `most`, or if the
    // stage is over. A count of an earlier stage is none of this one.
    std::int64_t raise(std::atomic<std::uint64_t>& counter, std::uint32_t most) const {
      std::uint64_t seen = counter.load(std::memory_order_acquire), now;
      do {
        now = seen < stage_ << 32 ? stage_ << 32 : seen;
        if (now - (stage_ << 32) >= most) return -1;
      } while (!counter.compare_exchange_weak(seen, now + 1, std::memory_order_acq_rel,
                                              std::memory_order_acquire));
      return static_cast<std::int64_t>(now - (stage_ << 32));
    }

    bool over(const std::atomic<std::uint64_t>& done, std::uint32_t count) const {
      return count == 0 || done.load(std::memory_order_acquire) >= (stage_ << 32) + count;
    }

    // What another core has in its caches is best left to it, if it is soon done. Whoever waits in
    // vain, for a thread that is off its CPU, soon waits no more.
    void let_finish(const std::atomic<std::uint64_t>& done, std::uint32_t count) {
      constexpr int most = 512;  // some 10 us
      int& patience = crew_.slots_[own_].patience;
      for (int looks = 0; looks < patience; ++looks) {
        if (over(done, count)) {
          patience = most;
          return;
        }
        relax();
      }
      patience /= 4;
      if (over(done, count)) patience = most;
    }

    // Looks again soon; but not for long where there are fewer CPUs than threads.
    void wait(const std::atomic<std::uint64_t>& done, std::uint32_t count) const {
      for (int looks = 0; !over(done, count); ++looks) {
        relax();
        if (looks > 4096) std::this_thread::yield();
      }
    }

    Crew& crew_;
    int own_;
    std::uint64_t stage_ = 0;
  };

  // work(member) on every thread. They all come to the same stages, with the same counts; outside
  // of them nothing is written that others read. Who leaves by an exception leaves the rest to the
  // others.
  template <class F>
  void together(const F& work) {
    for (int i = 0; i < n_; ++i) slots_[i].taken = slots_[i].done = 0;
    parallel_shares(n_, [&](std::int64_t share, int) {
      Member member(*this, static_cast<int>(share));
      work(member);
    });
  }

 private:
  // Of a share's pieces in the stage in the upper half: how many were taken, how many are done.
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> taken{0}, done{0};
    int patience = 0;  // of the thread whose slot it is
  };

  std::unique_ptr<Slot[]> slots_;
  int n_;
};

}  // namespace coterie::threads
