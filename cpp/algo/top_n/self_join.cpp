// Rows against themselves: every product is computed once and offered to both its rows.
//
// Rows are cut into an even number of blocks. A round pairs every block with another one, so that
// no two tasks of a round touch the same lists; after blocks - 1 rounds each has met each (the
// circle method of round-robin tournaments). Within a block all products are computed, in both
// orders.
#include <algorithm>
#include <cfloat>
#include <numeric>

#include "../../base/threads.hpp"
#include "search.hpp"

namespace coterie::top_n {
namespace {

constexpr index kChunk = 60;  // queries a call: a multiple of all NR
// A block is packed once for every block it meets: the larger the better, while all threads have
// work (bench: top_n, self-join).
constexpr index kBlockBytes = index(1) << 20, kBlocksPerThread = 8;
constexpr index kListBytes = index(48) << 20;

index least_common(index a, index b) { return a / std::gcd(a, b) * b; }

template <class T>
class SelfJoin {
 public:
  SelfJoin(const Items<T>& items, const Options& options, Result<T> result)
      : items_(items),
        x_(items.rows()),
        result_(result),
        n_threads_(options.n_threads),
        selector_(x_, items, options, false),
        lists_(x_.rows, self_join_capacity(selector_.keep(), x_.rows), self_join_room()),
        zeros_(kChunk, 0.0f),
        seen_(static_cast<std::size_t>(x_.rows)),
        workers_(static_cast<std::size_t>(options.n_threads)) {
    const index unit = least_common(least_common(mr_, nr_), kChunk);
    const index most = kBlockBytes / (4 * x_.cols),
                wanted = x_.rows / (kBlocksPerThread * n_threads_);
    block_ = std::max(unit, std::min(most, wanted) / unit * unit);
    blocks_ = (x_.rows + block_ - 1) / block_;
    blocks_ += blocks_ % 2;
    for (index i = 0; i < x_.rows; ++i) {
      Seen& seen = seen_[static_cast<std::size_t>(i)];
      seen = selector_.see(i);
      if (!seen.zero) lists_.open(i, selector_.first_threshold(seen));
    }
    for (Worker& w : workers_) {
      w.rows = Buffer<float>(checked_product(mr_, x_.cols + 1));
      w.panel = Buffer<float>(checked_product(mr_, x_.cols));
      w.queries = Buffer<float>(checked_product(block_, x_.cols));
      w.partial = Buffer<float>(isa::kernels<float>().tile_scratch(x_.cols));
    }
  }

  void run() {
    const auto at = [&](index, int thread) -> Worker& {
      return workers_[static_cast<std::size_t>(thread)];
    };
    threads::parallel_blocks(blocks_, n_threads_,
                             [&](index b, int thread) { meet(b, b, at(b, thread)); });
    const index others = blocks_ - 1;  // block `others` stands still, the rest move round it
    for (index round = 0; round < others; ++round)
      threads::parallel_blocks(blocks_ / 2, n_threads_, [&](index pair, int thread) {
        const index a = pair == 0 ? others : (round + pair) % others;
        meet(a, (round + others - pair) % others, at(pair, thread));
      });
    threads::parallel_blocks(blocks_, n_threads_, [&](index b, int thread) {
      for (index i = b * block_; i < std::min(x_.rows, (b + 1) * block_); ++i)
        selector_.finish(i, seen_[static_cast<std::size_t>(i)], lists_.list(i), lists_.count(i),
                         -FLT_MAX, at(b, thread).select, result_);
    });
  }

 private:
  struct Worker {
    typename Selector<T>::Scratch select;
    Buffer<float> rows, panel, queries, partial;
  };

  void make_room(index first, index last, Worker& w) {
    lists_.make_room(
        first, last, [](index j) { return j; },
        [&](index j) -> const Seen& { return seen_[static_cast<std::size_t>(j)]; }, selector_,
        w.select);
  }

  // The rows of block a, as items, with those of block b, as queries; both get what they find.
  void meet(index a, index b, Worker& w) {
    const index a1 = std::min(x_.rows, (a + 1) * block_), b0 = b * block_,
                b1 = std::min(x_.rows, b0 + block_);
    const index depth = x_.cols;
    for (index j = b0; j < b1; ++j) {
      items_.scaled(j, 1, w.rows.data());
      float* to = w.queries.data() + (j - b0) / nr_ * nr_ * depth + (j - b0) % nr_;
      for (index p = 0; p < depth; ++p) to[p * nr_] = w.rows[p];
    }
    const TopNTable& table = *isa::table().top_n;
    for (index i = a * block_; i < a1; i += mr_) {
      if (threads::stopped()) return;
      const index rows = std::min(mr_, a1 - i);
      items_.pack(i / mr_, nullptr, w.rows.data(), w.panel.data());
      for (index j = b0; j < b1; j += kChunk) {
        const index count = std::min(kChunk, b1 - j);
        make_room(j, j + count, w);
        if (a != b) make_room(i, i + rows, w);
        const TopNTask task{w.panel.data(),
                            w.queries.data() + (j - b0) * depth,
                            zeros_.data(),
                            depth,
                            count,
                            static_cast<std::uint32_t>(i),
                            rows,
                            lists_.from(j),
                            lists_.from(i),
                            static_cast<std::uint32_t>(j),
                            w.partial.data()};
        if (a == b)
          table.top_n(task);
        else
          table.top_n_both(task);
      }
    }
  }

  const Items<T>& items_;
  const View<T>& x_;
  Result<T> result_;
  int n_threads_;
  index mr_ = panel_rows(), nr_ = isa::kernels<float>().nr;
  Selector<T> selector_;
  Lists<T> lists_;
  Buffer<float> zeros_;
  std::vector<Seen> seen_;
  std::vector<Worker> workers_;
  index block_ = 0, blocks_ = 0;
};

}  // namespace

index self_join_room() { return std::max(panel_rows(), kChunk); }
index self_join_capacity(index keep, index rows) {
  return std::min(list_capacity(keep, rows, self_join_room()), kListBytes / 8 / rows);
}

template <class T>
bool joins_itself(const View<T>& queries, const Items<T>& items, const Options& options) {
  const View<T>& x = items.rows();
  const bool same = queries.data == x.data && queries.rows == x.rows && queries.stride == x.stride;
  // Biased products differ from side to side; what is denied would crowd the lists.
  if (!same || !items.unit() || items.has_bytes() || options.deny != nullptr || !items.usable())
    return false;
  const index keep = std::min(options.n, x.rows), room = self_join_room();
  return x.rows >= 8 * room && self_join_capacity(keep, x.rows) >= 2 * keep + 32 + room;
}

template <class T>
void self_join(const Items<T>& items, const Options& options, Result<T> result) {
  SelfJoin<T>(items, options, result).run();
}

template bool joins_itself(const View<float>&, const Items<float>&, const Options&);
template bool joins_itself(const View<double>&, const Items<double>&, const Options&);
template void self_join(const Items<float>&, const Options&, Result<float>);
template void self_join(const Items<double>&, const Options&, Result<double>);

}  // namespace coterie::top_n
