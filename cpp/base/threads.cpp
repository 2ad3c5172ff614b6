#include "threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <exception>
#include <fstream>
#include <limits>
#include <mutex>
#include <sstream>
#include <thread>

#include "interrupt.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace coterie::threads {
namespace {

std::atomic<bool> pool_used{false};
std::atomic<bool> forked{false};  // this process is a child of one whose pool was in use

#ifdef __linux__
const int fork_hook = pthread_atfork(nullptr, nullptr, [] {
  if (pool_used) forked = true;
});

int affinity() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// CPUs allowed by one "quota period" pair; no limit where the quota is "max" or negative.
double quota_of(const std::string& quota, double period) {
  if (quota.empty() || quota == "max" || quota[0] == '-' || period <= 0)
    return std::numeric_limits<double>::infinity();
  return std::stod(quota) / period;
}

// The tightest CPU quota over this process's cgroup and its ancestors, version 2 then version 1.
double cgroup_quota() {
  double limit = std::numeric_limits<double>::infinity();
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v1 = controllers.find("cpu") != std::string::npos;
    if (!controllers.empty() && !v1) continue;
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      std::string quota;
      double period = 0;
      if (v1) {
        std::ifstream(("/sys/fs/cgroup/cpu" + path) + "/cpu.cfs_quota_us") >> quota;
        std::ifstream(("/sys/fs/cgroup/cpu" + path) + "/cpu.cfs_period_us") >> period;
      } else {
        std::ifstream("/sys/fs/cgroup" + path + "/cpu.max") >> quota >> period;
      }
      limit = std::min(limit, quota_of(quota, period));
      if (path.find('/') == std::string::npos) break;
    }
  }
  return limit;
}
#else
int affinity() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }
double cgroup_quota() { return std::numeric_limits<double>::infinity(); }
#endif

// The exception of the lowest-numbered block wins, so that what the caller sees does not depend on
// timing; over an interrupt too, for that is how a long body leaves when another one failed.
struct Failure {
  std::mutex mutex;
  std::atomic<bool> stop{false}, interrupted{false};
  std::int64_t block = std::numeric_limits<std::int64_t>::max();
  std::exception_ptr error;

  void record(std::int64_t at, std::exception_ptr what) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (at < block) block = at, error = std::move(what);
    stop = true;
  }
  void interrupt() { interrupted = stop = true; }
  void rethrow() const {
    if (error) std::rethrow_exception(error);
    if (interrupted) throw Interrupted();
  }
};

thread_local const std::atomic<bool>* region_stop = nullptr;  // of the region this thread works in
thread_local bool called_from_outside = true;  // this thread; others cannot be interrupted

// ask: on the thread that called from outside; in a loop within a loop the outer one asks.
void serial(std::int64_t blocks, const Body& body, bool ask) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    body(b, 0);
    if (ask && interrupt::pending()) throw Interrupted();
  }
}

}  // namespace

int available() {
  // Once: reading it takes longer than a small fit.
  static const double quota = std::ceil(cgroup_quota());
  double limit = std::min<double>(affinity(), quota);
#ifdef _OPENMP
  limit = std::min<double>(limit, omp_get_max_threads());
#endif
  return std::max(1, static_cast<int>(limit));
}

std::string runtime() {
#ifdef _OPENMP
  std::ostringstream text;
  text << "OpenMP " << _OPENMP;
  return text.str();
#else
  return "";
#endif
}

int worth(double operations, int n_threads) {
  // Waking a sleeping pool costs some 10 us, about 50,000 vector operations (bench: tiny).
  constexpr double per_thread = 5e4;
  return static_cast<int>(std::clamp(operations / per_thread, 1.0, static_cast<double>(n_threads)));
}

namespace {

#ifdef CLOCK_THREAD_CPUTIME_ID
double seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
double wall_time() { return seconds(CLOCK_MONOTONIC); }
double own_time() { return seconds(CLOCK_THREAD_CPUTIME_ID); }
#else
double wall_time() { return 0; }
double own_time() { return 0; }
#endif

}  // namespace

Presence::Presence() : wall_(wall_time()), own_(own_time()) {}

double Presence::away() {
  const Presence before = *this;
  *this = Presence();
  return wall_ - before.wall_ - (own_ - before.own_);
}

bool stopped() { return region_stop != nullptr && *region_stop; }

void answer_interrupt() {
  if (stopped() || (called_from_outside && interrupt::pending())) throw Interrupted();
}

namespace {

#ifdef _OPENMP
// The calling thread, done with its blocks, while the others are at work: awake for as long as most
// loops are uneven, then looking up now and then. (Whoever has a block has counted itself before.)
void wait_for(const std::atomic<int>& at_work, Failure& failure) {
  constexpr int awake = 4096;
  for (int looks = 0; at_work > 0; ++looks) {
    if (looks < awake)
      relax();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    if (looks >= awake && !failure.stop && interrupt::pending()) failure.interrupt();
  }
}
#endif

// fixed: thread t takes blocks t, t + team, ...; otherwise whoever is free takes the next one.
void run(std::int64_t blocks, int n_threads, const Body& body, bool fixed) {
#ifdef _OPENMP
  const int team = static_cast<int>(std::min<std::int64_t>(blocks, n_threads));
  const bool nested = omp_in_parallel();
  if (team <= 1 || forked || nested) return serial(blocks, body, !nested);
  pool_used = true;
  Failure failure;
  std::atomic<std::int64_t> next{0};
  std::atomic<int> others{0};
#pragma omp parallel num_threads(team)
  {
    const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    region_stop = &failure.stop;
    called_from_outside = thread == 0;
    if (thread > 0) ++others;
    for (std::int64_t own = thread; fixed || !failure.stop; own += threads) {
      const std::int64_t block = fixed ? own : next++;
      if (block >= blocks) break;
      try {
        body(block, thread);
        if (thread == 0 && interrupt::pending()) throw Interrupted();
      } catch (const Interrupted&) {
        failure.interrupt();
      } catch (...) {
        failure.record(block, std::current_exception());
      }
    }
    if (thread > 0)
      --others;
    else
      wait_for(others, failure);
    region_stop = nullptr;
  }
  failure.rethrow();
#else
  (void)n_threads, (void)fixed;
  serial(blocks, body, true);
#endif
}

}  // namespace

void parallel_blocks(std::int64_t blocks, int n_threads, const Body& body) {
  run(blocks, n_threads, body, false);
}

void parallel_shares(int shares, const Body& body) { run(shares, shares, body, true); }

}  // namespace coterie::threads
