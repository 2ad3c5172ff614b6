// Threads that go through the same stages of a job side by side. Each begins with pieces of its
// own, whose memory its caches may still hold, and then helps the others; a thread that comes late,
// or not at all, is waited for only as long as a piece it has begun, and, at a job's end, until it
// has left it.
//
// Where other processes want the CPUs, too, the system takes one away for milliseconds, and all
// would wait for the piece that was begun there. In `repeat`, which is many jobs one after the
// other, the threads therefore ask for their CPU time between jobs: there Linux looks whether a
// time slice is over (since 6.6), and lets another process have the CPU at once, not in the middle
// of a piece. And whoever led while it was off its CPU lets another thread lead.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "interrupt.hpp"
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
          if (crew_.failed_.load(std::memory_order_relaxed)) throw Interrupted();
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
  // others; in `repeat` they leave, too.
  template <class F>
  void together(const F& work) {
    for (int i = 0; i < n_; ++i) slots_[i].taken = slots_[i].done = 0;
    if (repeats_) return offer(work);
    parallel_shares(n_, [&](std::int64_t share, int) {
      Member member(*this, static_cast<int>(share));
      work(member);
    });
  }

  // step() again and again until it returns false, on one thread at a time, not always the same;
  // the others stand by for each `together` in it. Throws Interrupted, perhaps after the last step.
  template <class F>
  void repeat(const F& step) {
    if (n_ == 1) {
      while (step()) {
      }
      return;
    }
    repeats_ = true, over_ = false, leader_ = slots_[0].away ? -1 : 0;
    const Reset reset{*this};
    parallel_shares(
        n_, [&](std::int64_t share, int) { lead_or_follow(static_cast<int>(share), step); });
  }

 private:
  struct Reset {
    Crew& crew;
    ~Reset() { crew.repeats_ = crew.failed_ = false; }
  };

  // Of jobs on offer: how many others are in this one, whether it is open, its number.
  static constexpr std::uint64_t kOpen = 1 << 15, kNext = 1 << 16;

  // Closes the job and waits until all have left it, for its work is the leader's.
  struct Offer {
    std::atomic<std::uint64_t>& gate;
    ~Offer() {
      gate.fetch_and(~kOpen, std::memory_order_acq_rel);
      for (int looks = 0; gate.load(std::memory_order_acquire) % kOpen > 0; ++looks) {
        relax();
        if (looks > 4096) std::this_thread::yield();
      }
    }
  };

  template <class F>
  void offer(const F& work) {
    job_ = [](const void* f, Member& member) {
      try {
        (*static_cast<const F*>(f))(member);
      } catch (...) {
        member.crew_.failed_ = true;  // before it leaves: `offer` looks when all have left
        throw;
      }
    };
    work_ = &work;
    {
      const std::uint64_t number = gate_.load(std::memory_order_relaxed) / kNext;
      gate_.store((number + 1) * kNext + kOpen, std::memory_order_release);
      const Offer offered{gate_};
      Member member(*this, leader_.load(std::memory_order_relaxed));
      job_(work_, member);
    }
    if (failed_) throw Interrupted();
  }

  // The job on offer, unless it is none or was `last`.
  bool join(int own, std::uint64_t& last) {
    std::uint64_t seen = gate_.load(std::memory_order_acquire);
    if (!(seen & kOpen) || seen / kNext == last ||
        !gate_.compare_exchange_strong(seen, seen + 1, std::memory_order_acq_rel))
      return false;
    last = seen / kNext;
    struct Leave {
      std::atomic<std::uint64_t>& gate;
      ~Leave() { gate.fetch_sub(1, std::memory_order_acq_rel); }
    } leave{gate_};
    Member member(*this, own);
    job_(work_, member);
    return true;
  }

  template <class F>
  void lead_or_follow(int own, const F& step) {
    constexpr double long_away = 0.5e-3;  // seconds
    constexpr int most = 256;             // looks for which the lead is left to the others
    struct Over {
      std::atomic<bool>& over;
      ~Over() { over = true; }  // the last step was made, or there is an exception
    } last_out{over_};
    bool& away = slots_[own].away;
    Presence presence;
    std::uint64_t last = 0;
    for (int looks = 0; !over_.load(std::memory_order_acquire); ++looks) {
      int leader = leader_.load(std::memory_order_acquire);
      if (leader < 0 && (!away || looks > most) &&
          leader_.compare_exchange_strong(leader, own, std::memory_order_acq_rel))
        leader = own, presence = Presence();
      if (leader == own) {
        if (!step()) return;
        away = presence.away() > long_away;
        if (away) leader_.store(-1, std::memory_order_release), looks = 0;
      } else if (join(own, last)) {
        presence.away();
        looks = 0;
      } else {
        relax();
        answer_interrupt();
        if (looks > 4096) std::this_thread::yield();
      }
    }
  }

  std::atomic<std::uint64_t> gate_{0};
  void (*job_)(const void*, Member&) = nullptr;
  const void* work_ = nullptr;
  bool repeats_ = false;
  std::atomic<bool> over_{false}, failed_{false};
  std::atomic<int> leader_{0};  // -1: whoever comes

  // Of a share's pieces in the stage in the upper half: how many were taken, how many are done.
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> taken{0}, done{0};
    int patience = 0;   // of the thread whose slot it is
    bool away = false;  // it was, when it led last
  };

  std::unique_ptr<Slot[]> slots_;
  int n_;
};

}  // namespace coterie::threads
