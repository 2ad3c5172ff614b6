// Rows against themselves: every product is computed once and offered to both its rows.
//
// Rows are cut into an even number of blocks. A round pairs every block with another one, so that
// no two tasks of a round touch the same lists; after blocks - 1 rounds each has met each (the
// circle method of round-robin tournaments). Within a block all products are computed, in both
// orders. Products are of float32, or of bytes where the items have them.
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
        selector_(x_, items, options, items.has_bytes()),
        lists_(x_.rows, self_join_capacity(selector_.keep(), x_.rows), self_join_room()),
        zeros_(kChunk, 0.0f),
        seen_(static_cast<std::size_t>(x_.rows)),
        guessed_(static_cast<std::size_t>(x_.rows), -FLT_MAX),
        open_(static_cast<std::size_t>(x_.rows), 0),
        workers_(static_cast<std::size_t>(options.n_threads)) {
    const index unit = least_common(least_common(mr_, nr_), kChunk);
    const index most = kBlockBytes / (4 * x_.cols),
                wanted = x_.rows / (kBlocksPerThread * n_threads_);
    block_ = std::max(unit, std::min(most, wanted) / unit * unit);
    blocks_ = (x_.rows + block_ - 1) / block_;
    blocks_ += blocks_ % 2;
    if (items_.has_bytes()) prepare_bytes();
    for (index i = 0; i < x_.rows; ++i) {
      Seen& seen = seen_[static_cast<std::size_t>(i)];
      seen = selector_.see(i);
      if (items_.has_bytes()) reaches_[i] = selector_.widen(seen, items_.radii()[i]);
      if (!seen.zero) lists_.open(i, selector_.first_threshold(seen));
    }
    const index line = items_.has_bytes() ? items_.words() : x_.cols;
    for (Worker& w : workers_) {
      w.rows = Buffer<float>(checked_product(mr_, x_.cols + 1));
      w.panel = Buffer<float>(checked_product(mr_, x_.cols));
      w.queries = Buffer<float>(items_.has_bytes() ? 0 : checked_product(block_, line), 0.0f);
      w.bytes = Buffer<std::int32_t>(items_.has_bytes() ? checked_product(block_, line) : 0, 0);
      w.partial = Buffer<float>(isa::kernels<float>().tile_scratch(x_.cols));
    }
  }

  // The rows that are not decided.
  std::vector<index> run() {
    const auto at = [&](index, int thread) -> Worker& {
      return workers_[static_cast<std::size_t>(thread)];
    };
    const Draw draw(x_.rows, selector_.keep());
    if (draw.groups > 0)
      threads::parallel_blocks(blocks_, n_threads_,
                               [&](index b, int thread) { guess(draw, b, at(b, thread)); });
    threads::parallel_blocks(blocks_, n_threads_,
                             [&](index b, int thread) { meet(b, b, at(b, thread)); });
    const index others = blocks_ - 1;  // block `others` stands still, the rest move round it
    for (index round = 0; round < others; ++round)
      threads::parallel_blocks(blocks_ / 2, n_threads_, [&](index pair, int thread) {
        const index a = pair == 0 ? others : (round + pair) % others;
        meet(a, (round + others - pair) % others, at(pair, thread));
      });
    threads::parallel_blocks(blocks_, n_threads_,
                             [&](index b, int thread) { finish(b, at(b, thread)); });
    std::vector<index> left;
    for (index i = 0; i < x_.rows; ++i)
      if (open_[static_cast<std::size_t>(i)]) left.push_back(i);
    return left;
  }

 private:
  struct Worker {
    typename Selector<T>::Scratch select;
    Buffer<float> rows, panel, queries, partial;
    Buffer<std::int32_t> bytes;
  };

  index end_of(index b) const { return std::min(x_.rows, (b + 1) * block_); }
  auto seen() const {
    return [this](index j) -> const Seen& { return seen_[static_cast<std::size_t>(j)]; };
  }
  void make_room(index first, index last, Worker& w) {
    lists_.make_room(
        first, last, [](index j) { return j; }, seen(), selector_, w.select);
  }

  void prepare_bytes();
  void pack_queries(index b, Worker& w) const;
  void pack_items(index i, Worker& w) const {
    if (!items_.has_bytes()) items_.pack(i / mr_, nullptr, w.rows.data(), w.panel.data());
  }
  enum class Found { peaks, queries, both };
  // A packed panel, rows from i on, against `count` rows from j on of the packed block from b0 on.
  void panel(index i, index j, index count, index b0, Found found, float* peaks, Worker& w);
  void guess(const Draw& draw, index b, Worker& w);
  void meet(index a, index b, Worker& w);
  void finish(index b, Worker& w);

  const Items<T>& items_;
  const View<T>& x_;
  Result<T> result_;
  int n_threads_;
  index mr_ = panel_rows(), nr_ = isa::kernels<float>().nr;
  Selector<T> selector_;
  Lists<T> lists_;
  Buffer<float> zeros_, scales_, reaches_;  // the last two and starts_: of bytes
  Buffer<std::int32_t> starts_;
  std::vector<Seen> seen_;
  std::vector<float> guessed_;
  std::vector<char> open_;  // not decided
  std::vector<Worker> workers_;
  index block_ = 0, blocks_ = 0;
};

// Row i as a query: an item's bytes are a query's and 128. What lies beyond the depth is 0.
template <class T, class F>
void over_words(const Items<T>& items, index i, const F& f) {
  const index mr = panel_rows(), words = items.words(), rest = 4 * words - items.rows().cols;
  const std::int32_t* row = items.bytes(i / mr) + i % mr;
  for (index w = 0; w < words; ++w) {
    std::uint32_t word = static_cast<std::uint32_t>(row[w * mr]) ^ 0x80808080u;
    if (w == words - 1) word &= 0xffffffffu >> 8 * rest;
    f(w, static_cast<std::int32_t>(word));
  }
}

template <class T>
void SelfJoin<T>::prepare_bytes() {
  const index size = round_up(x_.rows, mr_) + 2 * mr_;
  scales_ = Buffer<float>(size, 0.0f);
  reaches_ = Buffer<float>(size, 0.0f);
  starts_ = Buffer<std::int32_t>(size, 0);
  std::copy_n(items_.byte_scales(), x_.rows, scales_.data());
  threads::parallel_blocks(blocks_, n_threads_, [&](index b, int) {
    for (index i = b * block_; i < end_of(b); ++i) {
      std::int32_t sum = 0;
      over_words(items_, i, [&](index, std::int32_t word) {
        for (int p = 0; p < 4; ++p) sum += static_cast<std::int8_t>(word >> (8 * p) & 255);
      });
      starts_[i] = -128 * sum;
    }
  });
}

template <class T>
void SelfJoin<T>::pack_queries(index b, Worker& w) const {
  const index words = items_.words(), depth = x_.cols, b0 = b * block_;
  for (index j = b0; j < end_of(b); ++j) {
    const index tile = (j - b0) / nr_ * nr_, lane = (j - b0) % nr_;
    if (items_.has_bytes()) {
      std::int32_t* to = w.bytes.data() + tile * words + lane;
      over_words(items_, j, [&](index p, std::int32_t word) { to[p * nr_] = word; });
      continue;
    }
    items_.scaled(j, 1, w.rows.data());
    float* to = w.queries.data() + tile * depth + lane;
    for (index p = 0; p < depth; ++p) to[p * nr_] = w.rows[p];
  }
}

template <class T>
void SelfJoin<T>::panel(index i, index j, index count, index b0, Found found, float* peaks,
                        Worker& w) {
  const index rows = std::min(mr_, x_.rows - i);
  const auto first = static_cast<std::uint32_t>(i), first_query = static_cast<std::uint32_t>(j);
  if (items_.has_bytes()) {
    const TopNInt8Task task{items_.bytes(i / mr_),
                            w.bytes.data() + (j - b0) * items_.words(),
                            items_.words(),
                            count,
                            first,
                            rows,
                            lists_.from(j),
                            starts_.data() + j,
                            scales_.data() + j,
                            reaches_.data() + j,
                            items_.byte_scales() + i,
                            items_.radii() + i,
                            items_.biases() + i,
                            true,
                            lists_.from(i),
                            first_query,
                            items_.radii() + j,
                            reaches_.data() + i};
    if (found == Found::both)
      byte_kernels().top_n_both(task);
    else
      byte_kernels().top_n(task, peaks);
    return;
  }
  const TopNTask task{w.panel.data(),
                      w.queries.data() + (j - b0) * x_.cols,
                      zeros_.data(),
                      x_.cols,
                      count,
                      first,
                      rows,
                      lists_.from(j),
                      lists_.from(i),
                      first_query,
                      w.partial.data()};
  const TopNTable& table = *isa::table().top_n;
  if (found == Found::peaks)
    table.top_n_peaks(task, peaks);
  else if (found == Found::both)
    table.top_n_both(task);
  else
    table.top_n(task);
}

template <class T>
void SelfJoin<T>::guess(const Draw& draw, index b, Worker& w) {
  const index b0 = b * block_, b1 = end_of(b);
  if (b0 >= b1) return;
  pack_queries(b, w);
  lists_.guess(
      draw, b0, b1, [](index j) { return j; }, seen(), selector_,
      [&](index i, float* peaks) {
        const index row = draw.panel(i) * mr_;
        pack_items(row, w);
        for (index j = b0; j < b1; j += kChunk)
          panel(row, j, std::min(kChunk, b1 - j), b0, Found::peaks,
                peaks + (j - b0) * isa::kernels<float>().width, w);
      });
  for (index j = b0; j < b1; ++j) guessed_[static_cast<std::size_t>(j)] = lists_.threshold(j);
}

// The rows of block a, as items, with those of block b, as queries; both get what they find.
template <class T>
void SelfJoin<T>::meet(index a, index b, Worker& w) {
  const index b0 = b * block_, b1 = end_of(b);
  pack_queries(b, w);
  for (index i = a * block_; i < end_of(a); i += mr_) {
    if (threads::stopped()) return;
    pack_items(i, w);
    for (index j = b0; j < b1; j += kChunk) {
      const index count = std::min(kChunk, b1 - j);
      make_room(j, j + count, w);
      if (a != b) make_room(i, std::min(x_.rows, i + mr_), w);
      panel(i, j, count, b0, a == b ? Found::queries : Found::both, nullptr, w);
    }
  }
}

template <class T>
void SelfJoin<T>::finish(index b, Worker& w) {
  for (index i = b * block_; i < end_of(b); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float limit = lists_.threshold(i) > guessed_[at] ? -FLT_MAX : guessed_[at];
    open_[at] =
        !selector_.finish(i, seen_[at], lists_.list(i), lists_.count(i), limit, w.select, result_);
  }
}

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
  if (!same || !items.unit() || options.deny != nullptr || !items.usable()) return false;
  const index keep = std::min(options.n, x.rows), room = self_join_room();
  return x.rows >= 8 * room && self_join_capacity(keep, x.rows) >= 2 * keep + 32 + room;
}

template <class T>
std::vector<index> self_join(const Items<T>& items, const Options& options, Result<T> result) {
  return SelfJoin<T>(items, options, result).run();
}

template bool joins_itself(const View<float>&, const Items<float>&, const Options&);
template bool joins_itself(const View<double>&, const Items<double>&, const Options&);
template std::vector<index> self_join(const Items<float>&, const Options&, Result<float>);
template std::vector<index> self_join(const Items<double>&, const Options&, Result<double>);

}  // namespace coterie::top_n
