#include "interrupt.hpp"

#include <chrono>

namespace coterie::interrupt {
namespace {

std::atomic<Poll> installed{nullptr};

}  // namespace

void install(Poll poll) { installed = poll; }

bool pending() {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point last{};
  const Clock::time_point now = Clock::now();
  if (now - last < std::chrono::milliseconds(50)) return false;
  last = now;
  const Poll poll = installed;
  return poll != nullptr && poll();
}

}  // namespace coterie::interrupt
