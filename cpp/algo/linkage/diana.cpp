#include "diana.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "../../base/check.hpp"
#include "../../base/threads.hpp"

namespace coterie::diana {
namespace {

constexpr index row_block = 64;  // rows that are measured together: a column of them is one read
constexpr index member_block = 2048;    // members whose gains are one block
constexpr double gain_operations = 10;  // for one member, in the sense of threads::worth

// A sum and its rounding errors (Neumaier, ZAMM 54 (1974)): what was added can be taken off again,
// and a far row that has left a cluster leaves no noise behind.
struct Sum {
  double high = 0, low = 0;
  void add(double x) {
    const double sum = high + x;
    low += std::abs(high) >= std::abs(x) ? (high - sum) + x : (x - sum) + high;
    high = sum;
  }
  double value() const { return high + low; }
};

struct Member {
  index row = 0;
  Sum stay, leave;   // distances to the members that stay, to those that leave
  double reach = 0;  // no other member is farther
  bool leaves = false;
};

struct Cluster {
  double diameter;
  index begin, size;  // members
  index lowest;       // row
  double* id;         // where its number is to be written
};

bool later(const Cluster& a, const Cluster& b) {
  return a.diameter != b.diameter ? a.diameter < b.diameter : a.lowest > b.lowest;
}

struct Best {
  double gain = -std::numeric_limits<double>::infinity();
  index at = 0;
};

index blocks_of(index size, index block) { return (size + block - 1) / block; }

// The most by which two entries of a symmetric matrix may differ, as a share of the largest: the
// root of float32's precision, which is what |x|^2 - 2 xy + |y|^2 leaves of a small distance.
constexpr double symmetric = 0x1p-11;

struct Gap {
  double size = 0;
  index row = 0, column = 0;
  void add(double gap, index i, index j) {
    if (gap > size || (std::isnan(gap) && !std::isnan(size))) *this = {gap, i, j};
  }
};

template <class Distances>
class Diana {
 public:
  Diana(const Distances& d, const Divisions& out, int n_threads)
      : d_(d), n_(d.rows()), out_(out), n_threads_(n_threads), members_(n_) {}

  void run() {
    measure();
    double root;
    add(0, n_, &root);
    for (index t = n_ - 2; t >= 0; --t) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Cluster cluster = heap_.back();
      heap_.pop_back();
      divide(cluster, t);
    }
    for (index i = 0; i < n_; ++i) out_.order[i] = members_[i].row;
    for (index t = 0; t < n_ - 1; ++t)
      if (double* z = out_.merges + 4 * t; z[0] > z[1]) std::swap(z[0], z[1]);
  }

 private:
  // The sum of each row's distances, and the largest; all of them are looked at here.
  void measure() {
    const double limit =
        std::numeric_limits<double>::max() / (static_cast<double>(n_) * static_cast<double>(n_));
    const double operations = static_cast<double>(n_) * static_cast<double>(n_);
    std::vector<Gap> gaps(blocks_of(n_, row_block));
    threads::parallel_blocks(
        blocks_of(n_, row_block), threads::worth(operations, n_threads_), [&](index b, int) {
          const index begin = b * row_block, end = std::min(begin + row_block, n_);
          for (index i = begin; i < end; ++i) members_[i].row = i;
          for (index j = 0; j < n_; ++j)
            for (index i = begin; i < end; ++i) {
              const double x = d_(j, i);
              if (!(x >= 0 && x <= limit))
                refuse("X", "distances >= 0, no NaN or inf, whose sums do not overflow",
                       x < 0 ? "Negative values in data: " : "", x, " between rows ", i, " and ",
                       j);
              gaps[b].add(d_.asymmetry(i, j), i, j);
              members_[i].stay.add(x);
              members_[i].reach = std::max(members_[i].reach, x);
            }
        });
    double largest = 0;
    for (const Member& m : members_) largest = std::max(largest, m.reach);
    for (const Gap& gap : gaps)
      if (!(gap.size <= symmetric * largest))
        refuse("X", "a symmetric matrix of distances with zeros on the diagonal, no NaN or inf",
               gap.size, " too much at row ", gap.row, ", column ", gap.column);
  }

  // The members from `begin` on form a cluster, whose number belongs at `id`.
  void add(index begin, index size, double* id) {
    const index lowest = members_[begin].row;  // members ascend
    if (size == 1) {
      *id = static_cast<double>(lowest);
      return;
    }
    heap_.push_back({diameter(&members_[begin], size), begin, size, lowest, id});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  // The largest distance within a cluster. `reach` may stem from a larger one, so it only bounds:
  // members are asked again from the largest on, until none can exceed what was found.
  double diameter(Member* m, index size) {
    std::vector<index> by_reach(size);
    std::iota(by_reach.begin(), by_reach.end(), index{0});
    std::sort(by_reach.begin(), by_reach.end(), [m](index a, index b) {
      return m[a].reach != m[b].reach ? m[a].reach > m[b].reach : a < b;
    });
    double widest = 0;
    for (index at = 0, count = 1; at < size && m[by_reach[at]].reach > widest; at += count) {
      count = std::min(std::max<index>(2 * at, 1), size - at);
      const double operations = static_cast<double>(count) * static_cast<double>(size);
      threads::parallel_blocks(count, threads::worth(operations, n_threads_), [&](index b, int) {
        Member& asked = m[by_reach[at + b]];
        double reach = 0;
        for (index j = 0; j < size; ++j) reach = std::max(reach, d_(asked.row, m[j].row));
        asked.reach = reach;
      });
      for (index b = at; b < at + count; ++b) widest = std::max(widest, m[by_reach[b]].reach);
    }
    return widest;
  }

  // Takes member `last` (-1: none), which has left, out of the sums; returns the largest gain.
  // Gains are multiplied by the two counts, the same for all: integers then stay exact.
  Best follow(Member* m, index size, index last, index n_left) {
    const double left = static_cast<double>(n_left),
                 others = static_cast<double>(size - n_left - 1);
    const index blocks = blocks_of(size, member_block);
    best_.assign(blocks, Best());
    const double operations = gain_operations * static_cast<double>(size);
    threads::parallel_blocks(blocks, threads::worth(operations, n_threads_), [&](index b, int) {
      Best best;
      const index end = std::min((b + 1) * member_block, size);
      for (index i = b * member_block; i < end; ++i) {
        if (last >= 0) {
          const double x = d_(m[last].row, m[i].row);
          m[i].stay.add(-x);
          m[i].leave.add(x);
        }
        const double stay = m[i].stay.value();
        const double gain = n_left == 0 ? stay : stay * left - m[i].leave.value() * others;
        if (!m[i].leaves && gain > best.gain) best = {gain, i};
      }
      best_[b] = best;
    });
    Best best;
    for (const Best& b : best_)
      if (b.gain > best.gain) best = b;
    return best;
  }

  void divide(const Cluster& cluster, index t) {
    Member* m = &members_[cluster.begin];
    const index size = cluster.size;
    index n_left = 0, last = -1;
    while (true) {
      const Best best = follow(m, size, last, n_left);
      if (n_left == size - 1 || (n_left > 0 && best.gain <= 0)) break;
      m[best.at].leaves = true;
      last = best.at;
      ++n_left;
    }
    std::stable_partition(m, m + size, [](const Member& a) { return !a.leaves; });
    const index stay = size - n_left;
    for (index i = 0; i < size; ++i) {
      if (i >= stay) m[i].stay = m[i].leave;
      m[i].leave = Sum();
      m[i].leaves = false;
    }
    double* merge = out_.merges + 4 * t;
    *cluster.id = static_cast<double>(n_ + t);
    merge[2] = cluster.diameter;
    merge[3] = static_cast<double>(size);
    out_.cuts[t] = cluster.begin + stay;
    add(cluster.begin, stay, merge);
    add(cluster.begin + stay, n_left, merge + 1);
  }

  const Distances& d_;
  const index n_;
  const Divisions& out_;
  const int n_threads_;
  std::vector<Member> members_;  // each cluster side by side, ascending by row
  std::vector<Cluster> heap_;    // those of two rows or more, the next to divide on top
  std::vector<Best> best_;
};

}  // namespace

template <class Distances>
void divide(const Distances& distances, const Divisions& out, int n_threads) {
  Diana<Distances>(distances, out, n_threads).run();
}

template void divide(const Condensed&, const Divisions&, int);
template void divide(const Square&, const Divisions&, int);

}  // namespace coterie::diana
