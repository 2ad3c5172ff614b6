// All OpenMP of the project: parallel loops over blocks and shares, and how many threads to use.
//
// Results never depend on the thread count: a block's work is a function of its number alone, and
// what blocks produce is combined by the caller in block order.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace coterie::threads {

// CPUs this process may use: min(affinity, cgroup quota rounded up, OMP_NUM_THREADS).
int available();

// OpenMP runtime and version, or "" when built without.
std::string runtime();

// Threads worth starting for `operations` simple vector operations: small work runs on one.
int worth(double operations, int n_threads);

using Body = std::function<void(std::int64_t, int)>;

// body(block, thread) for 0 <= block < blocks, thread < n_threads, each block once, in any order.
//
// The exception of the lowest-numbered block that threw is rethrown here after all threads have
// left the loop; blocks not yet started are then skipped. An interrupt is looked for between
// blocks, and while the calling thread waits for the others, and thrown as Interrupted unless a
// block threw something else. In a child forked after the pool was used, the loop runs on the
// calling thread alone: the pool's threads do not exist there and waiting for them would never end.
void parallel_blocks(std::int64_t blocks, int n_threads, const Body& body);

// body(share) for 0 <= share < shares, on as many threads, share i always on thread i: what a share
// wrote is in that core's caches when the next call comes. For few shares of equal work, of which
// none is skipped when another one throws.
void parallel_shares(int shares, const Body& body);

// The same for any callable, which is not copied: nothing is allocated.
template <class F>
void parallel_blocks(std::int64_t blocks, int n_threads, const F& body) {
  parallel_blocks(blocks, n_threads, Body(std::cref(body)));
}
template <class F>
void parallel_shares(int shares, const F& body) {
  parallel_shares(shares, Body(std::cref(body)));
}

// Within a body: has another block failed or been interrupted? Long bodies ask now and then, and
// return.
bool stopped();

// The same for bodies that are left by an exception, and for the calling thread's own long work:
// throws Interrupted if there was an interrupt or another block failed.
void answer_interrupt();

// How long a thread has been on no CPU, for whatever reason. Made and asked on that thread.
class Presence {
 public:
  Presence();
  // Since the last time it was asked, in seconds; 0 where the system does not tell.
  double away();

 private:
  double wall_, own_;
};

// One turn of a loop that waits for what another thread is about to write.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  asm volatile("pause");
#endif
}

}  // namespace coterie::threads
