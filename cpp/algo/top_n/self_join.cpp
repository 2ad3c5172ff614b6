// Rows against themselves: every product is computed once and offered to both its rows.
//
// Rows are cut into blocks. A round pairs every block with another one, so that no two tasks of a
// round touch the same lists; after some rounds each has met each (of an even number of blocks, in
// one less: the circle method of round-robin tournaments). Within a block all products are
// computed, in both orders. Products are of float32, or of bytes where the items have them.
//
// Where the lists of all rows would take too much memory, blocks form groups. Lists are open for
// two groups at a time: one stays while those after it come, meet it and leave. What their lists
// hold then waits in the memory of the result.
#include <algorithm>
#include <cfloat>
#include <cstring>
#include <limits>
#include <numeric>

#include "../../base/threads.hpp"
#include "join_rows.hpp"
#include "search.hpp"

namespace coterie::top_n {
namespace {

// A block is packed once for every block it meets: the larger the better, while all threads have
// work (bench: top_n, self-join).
constexpr index kBlockBytes = index(1) << 20, kBlocksPerThread = 8;
constexpr index kBytes = index(48) << 20, kLeastBytes = index(16) << 20;
constexpr index kRowBytes = 40;  // of a row, besides its list
// Rows in a group for one that is wanted: fewer, and lists that come and go cost more than sharing
// products saves (bench: top_n, self-join).
constexpr index kWorth = 8, kWorthBytes = 32;
constexpr index kFewShort = 4;      // one in so many rows may be too short to take part
constexpr std::int32_t kOpen = -1;  // instead of a count: not decided

// Candidates a list may get between two cuts.
template <class T>
index list_room() {
  return std::max(panel_rows(), JoinRows<T>::kChunk);
}

// Blocks have `block` rows; groups have `blocks` of them, an even number.
struct Plan {
  index block = 0, blocks = 0, groups = 0, capacity = 0;
  index rows() const { return block * blocks; }  // of a group
  index lists() const { return std::min<index>(groups, 2) * rows(); }
};

template <class T>
Plan plan_for(const Items<T>& items, const Options& options) {
  const index rows = items.rows().rows, cols = items.rows().cols, keep = std::min(options.n, rows);
  const index room = list_room<T>(), least = 2 * keep + 32 + room;
  const index memory = std::max(kLeastBytes, kBytes - kRowBytes * rows) / index(sizeof(Candidate));
  Plan plan;
  plan.capacity = list_capacity(keep, rows, room);
  const bool whole = memory / rows >= std::min(least, plan.capacity);
  if (whole) plan.capacity = std::min(plan.capacity, memory / rows);
  const index in_group = whole ? rows : memory / 2 / plan.capacity;
  if (!whole && in_group < (items.has_bytes() ? kWorthBytes : kWorth) * keep) return {};

  const index mr = panel_rows(), nr = isa::kernels<float>().nr, unit = mr / std::gcd(mr, nr) * nr;
  const index most = kBlockBytes / (4 * cols);
  const index wanted = in_group / (kBlocksPerThread * options.n_threads);
  plan.block = std::max(unit, std::min(most, wanted) / unit * unit);
  plan.blocks =
      whole ? round_up((rows + plan.block - 1) / plan.block, 2) : in_group / plan.block / 2 * 2;
  if (plan.blocks > 0) plan.groups = (rows + plan.rows() - 1) / plan.rows();
  return plan;
}

template <class T>
class SelfJoin {
 public:
  SelfJoin(const Items<T>& items, const Options& options, const Plan& plan, Result<T> result)
      : result_(result),
        n_(options.n),
        count_(items.rows().rows),
        n_threads_(options.n_threads),
        plan_(plan),
        selector_(items.rows(), items, options, items.has_bytes()),
        rows_(items, options, selector_),
        lists_(plan.lists(), plan.capacity, list_room<T>()),
        guessed_(count_, -FLT_MAX),
        thresholds_(count_, std::numeric_limits<float>::infinity()),
        waiting_(count_, 0),
        workers_(static_cast<std::size_t>(options.n_threads)) {
    for (Worker& w : workers_) w.packed = rows_.room(plan.block);
  }

  // The rows that are not decided.
  std::vector<index> run() {
    const auto rows_that = [&](const auto& condition) {
      std::vector<index> rows;
      for (index i = 0; i < count_; ++i)
        if (condition(i)) rows.push_back(i);
      return rows;
    };
    const auto too_short = rows_that([&](index i) { return rows_.too_short(i); });
    if (index(too_short.size()) > count_ / kFewShort) return rows_that([](index) { return true; });
    first_thresholds();
    for (index g = 0; g < plan_.groups; ++g) {
      enter(g, 0);
      within(g);
      for (index h = g + 1; h < plan_.groups; ++h) {
        enter(h, 1);
        between(g, h);
        over_rows(h, [&](index i, Worker& w) { leave(i, w); });
      }
      over_rows(g, [&](index i, Worker& w) { finish(i, w); });
    }
    return rows_that([&](index i) { return waiting_[i] == kOpen; });
  }

 private:
  struct Worker {
    typename Selector<T>::Scratch select;
    typename JoinRows<T>::Packed packed;
  };

  index begin_of(index b) const { return std::min(count_, b * plan_.block); }
  index end_of(index b) const { return begin_of(b + 1); }
  index group_of(index i) const { return i / plan_.rows(); }
  // Where the list of a row of an open group is.
  index slot(index i) const { return i - offset_[group_of(i) == guest_ ? 1 : 0]; }
  // f(block, worker) for the blocks of a group.
  template <class F>
  void over_blocks(index group, const F& f) {
    threads::parallel_blocks(plan_.blocks, n_threads_, [&](index b, int thread) {
      f(group * plan_.blocks + b, workers_[static_cast<std::size_t>(thread)]);
    });
  }
  auto row_of(index offset) const {
    return [offset](index j) { return j + offset; };
  }
  auto seen_of(index offset) const {
    return [this, offset](index j) { return rows_.seen(j + offset); };
  }
  void make_room(index first, index last, Worker& w) {
    const index at = slot(first), offset = first - at;
    lists_.make_room(at, at + last - first, row_of(offset), seen_of(offset), selector_, w.select);
  }

  template <class F>
  void over_rows(index group, const F& f) {  // f(row, worker)
    over_blocks(group, [&](index b, Worker& w) {
      for (index i = begin_of(b); i < end_of(b); ++i) f(i, w);
    });
  }

  void first_thresholds();
  void guess(const Draw& draw, index b, Worker& w);
  template <class F>
  void exchange(index i, index count, const F& f);
  void enter(index group, int place);
  void leave(index i, Worker& w);
  void finish(index i, Worker& w);
  void within(index group);
  void between(index g, index h);
  void meet(index a, index b, Worker& w);

  Result<T> result_;
  index n_, count_;
  int n_threads_;
  Plan plan_;
  Selector<T> selector_;
  JoinRows<T> rows_;
  Lists<T> lists_;
  Buffer<float> guessed_, thresholds_;
  Buffer<std::int32_t> waiting_;  // candidates of a list that has left
  std::vector<Worker> workers_;
  index guest_ = -1, offset_[2] = {0, 0};
};

template <class T>
void SelfJoin<T>::first_thresholds() {
  const Draw draw(count_, selector_.keep());
  for (index g = 0; g < plan_.groups; ++g) {
    offset_[0] = g * plan_.rows();
    if (draw.groups > 0) over_blocks(g, [&](index b, Worker& w) { guess(draw, b, w); });
    over_rows(g, [&](index i, Worker&) {
      const Seen seen = rows_.seen(i);
      if (seen.zero || rows_.too_short(i)) return;
      if (draw.groups > 0) guessed_[i] = lists_.threshold(slot(i));
      thresholds_[i] = std::max(guessed_[i], selector_.first_threshold(seen));
    });
  }
}

template <class T>
void SelfJoin<T>::guess(const Draw& draw, index b, Worker& w) {
  constexpr index kChunk = JoinRows<T>::kChunk;
  const index b0 = begin_of(b), b1 = end_of(b), offset = offset_[0];
  if (b0 == b1) return;
  rows_.pack_queries(b0, b1, w.packed);
  lists_.guess(draw, slot(b0), slot(b0) + b1 - b0, row_of(offset), seen_of(offset), selector_,
               [&](index i, float* peaks) {
                 const index row = draw.panel(i) * panel_rows();
                 rows_.pack_items(row, w.packed);
                 for (index j = b0; j < b1; j += kChunk)
                   rows_.raise_peaks(w.packed, row, j, std::min(kChunk, b1 - j),
                                     peaks + (j - b0) * isa::kernels<float>().width);
               });
}

// The lists of a group, at the first place or the second.
template <class T>
void SelfJoin<T>::enter(index group, int place) {
  guest_ = place == 1 ? group : -1;
  const index offset = offset_[place] = (group - place) * plan_.rows();
  over_blocks(group, [&](index b, Worker&) {
    for (index i = b * plan_.block; i < (b + 1) * plan_.block; ++i) {
      if (i >= count_) {
        lists_.open(i - offset, std::numeric_limits<float>::infinity(), 0);
        continue;
      }
      lists_.open(i - offset, thresholds_[i], waiting_[i]);
      exchange(i, waiting_[i],
               [](void* waits, void* list, std::size_t bytes) { std::memcpy(list, waits, bytes); });
    }
  });
}

// f(where it waits, where it is listed, bytes) of `count` candidates of row i: n in the line of the
// result's indices, and as many as there is room for in that of its scores.
template <class T>
template <class F>
void SelfJoin<T>::exchange(index i, index count, const F& f) {
  Candidate* list = lists_.list(slot(i));
  const index first = std::min(count, n_);
  f(result_.items + i * n_, list, static_cast<std::size_t>(first) * sizeof(Candidate));
  f(result_.scores + i * n_, list + first,
    static_cast<std::size_t>(count - first) * sizeof(Candidate));
}

template <class T>
void SelfJoin<T>::leave(index i, Worker& w) {
  const index j = slot(i), room = n_ + n_ * index(sizeof(T) / 4) / 2;
  index count = lists_.count(j);
  thresholds_[i] = lists_.threshold(j);
  if (count > room)
    count = selector_.cut(i, rows_.seen(i), lists_.list(j), count, room, thresholds_[i], w.select);
  exchange(i, count,
           [](void* waits, void* list, std::size_t bytes) { std::memcpy(waits, list, bytes); });
  waiting_[i] = static_cast<std::int32_t>(count);
}

template <class T>
void SelfJoin<T>::finish(index i, Worker& w) {
  const index j = slot(i);
  const float guessed = lists_.threshold(j) > guessed_[i] ? -FLT_MAX : guessed_[i];
  const bool decided =
      !rows_.too_short(i) && selector_.finish(i, rows_.seen(i), lists_.list(j), lists_.count(j),
                                              guessed, w.select, result_);
  waiting_[i] = decided ? 0 : kOpen;
}

template <class T>
void SelfJoin<T>::within(index group) {
  const index others = plan_.blocks - 1, first = group * plan_.blocks;
  over_blocks(group, [&](index b, Worker& w) { meet(b, b, w); });
  // The last block stands still, the rest move round it.
  for (index round = 0; round < others; ++round)
    threads::parallel_blocks(plan_.blocks / 2, n_threads_, [&](index pair, int thread) {
      const index a = pair == 0 ? others : (round + pair) % others;
      meet(first + a, first + (round + others - pair) % others,
           workers_[static_cast<std::size_t>(thread)]);
    });
}

template <class T>
void SelfJoin<T>::between(index g, index h) {
  for (index round = 0; round < plan_.blocks; ++round)
    over_blocks(
        g, [&](index a, Worker& w) { meet(a, h * plan_.blocks + (a + round) % plan_.blocks, w); });
}

// The rows of block a, as items, with those of block b, as queries; both get what they find.
template <class T>
void SelfJoin<T>::meet(index a, index b, Worker& w) {
  constexpr index kChunk = JoinRows<T>::kChunk;
  const index b0 = begin_of(b), b1 = end_of(b), a1 = end_of(a), mr = panel_rows();
  if (b0 == b1) return;
  rows_.pack_queries(b0, b1, w.packed);
  for (index i = begin_of(a); i < a1; i += mr) {
    if (threads::stopped()) return;
    rows_.pack_items(i, w.packed);
    for (index j = b0; j < b1; j += kChunk) {
      const index count = std::min(kChunk, b1 - j);
      make_room(j, j + count, w);
      if (a == b) {
        rows_.find(w.packed, i, j, count, lists_.from(slot(j)));
        continue;
      }
      make_room(i, std::min(a1, i + mr), w);
      rows_.find_both(w.packed, i, j, count, lists_.from(slot(j)), lists_.from(slot(i)));
    }
  }
}

}  // namespace

template <class T>
bool joins_itself(const View<T>& queries, const Items<T>& items, const Options& options) {
  const View<T>& x = items.rows();
  const bool same = queries.data == x.data && queries.rows == x.rows && queries.stride == x.stride;
  if (!same || !items.usable() || x.rows < 8 * list_room<T>()) return false;
  return plan_for(items, options).groups > 0;
}

template <class T>
std::vector<index> self_join(const Items<T>& items, const Options& options, Result<T> result) {
  return SelfJoin<T>(items, options, plan_for(items, options), result).run();
}

template bool joins_itself(const View<float>&, const Items<float>&, const Options&);
template bool joins_itself(const View<double>&, const Items<double>&, const Options&);
template std::vector<index> self_join(const Items<float>&, const Options&, Result<float>);
template std::vector<index> self_join(const Items<double>&, const Options&, Result<double>);

}  // namespace coterie::top_n
