// Shares of work that take different times, for cores are not alike: who is done helps the others.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "threads.hpp"

namespace coterie::threads {

class Helping {
 public:
  explicit Helping(int shares) : slots_(new Slot[static_cast<std::size_t>(shares)]), n_(shares) {}

  // f(k) for 0 <= k < count from within the work of a share, each once, in any order; some of them
  // on threads whose own work is done. f must not throw; count below 2^20.
  template <class F>
  void pieces(int share, std::int64_t count, const F& f) {
    Slot& slot = slots_[share];
    slot.context = &f;
    slot.call = [](const void* context, std::int64_t k) { (*static_cast<const F*>(context))(k); };
    slot.done.store(0, std::memory_order_relaxed);
    slot.state.store(++slot.calls << 40 | static_cast<std::uint64_t>(count) << 20,
                     std::memory_order_release);
    while (one(slot)) continue;
    for (int spins = 0; slot.done.load(std::memory_order_acquire) < count; ++spins) rest(spins);
  }

  // work(), the whole of a share, and then what others still have to do.
  template <class F>
  void share(const F& work) {
    struct Present {
      explicit Present(std::atomic<int>& n) : count(n) { ++count; }
      ~Present() { --count; }
      std::atomic<int>& count;
    };
    {
      const Present present(at_work_);
      work();
    }
    for (int spins = 0; at_work_ > 0; ++spins) {
      for (int i = 0; i < n_; ++i)
        while (one(slots_[i])) spins = 0;
      rest(spins);
    }
  }

 private:
  // state: how many calls there were, the pieces of this one, the next of them. Whoever raises the
  // last of these has that piece, and the call does not end before it is done.
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> state{0};
    std::atomic<std::int64_t> done{0};
    std::uint64_t calls = 0;
    const void* context = nullptr;
    void (*call)(const void*, std::int64_t) = nullptr;
  };

  static bool one(Slot& slot) {
    constexpr std::uint64_t mask = (1u << 20) - 1;
    std::uint64_t state = slot.state.load(std::memory_order_acquire);
    do {
      if ((state & mask) >= (state >> 20 & mask)) return false;
    } while (!slot.state.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel,
                                               std::memory_order_acquire));
    slot.call(slot.context, static_cast<std::int64_t>(state & mask));
    slot.done.fetch_add(1, std::memory_order_release);
    return true;
  }

  // Looks again soon; but not for long where there are fewer CPUs than threads.
  static void rest(int spins) {
    relax();
    if (spins > 4096) std::this_thread::yield();
  }

  std::unique_ptr<Slot[]> slots_;
  int n_;
  std::atomic<int> at_work_{0};
};

}  // namespace coterie::threads
