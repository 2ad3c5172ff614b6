// The loops of top-N: queries in blocks against panels of items, or a few queries against shards of
// them.
#include <algorithm>
#include <cfloat>
#include <numeric>

#include "../../base/threads.hpp"
#include "queries.hpp"
#include "search.hpp"

namespace coterie::top_n {
namespace {

constexpr index kListBytes = index(24) << 20;   // lists of a batch of queries
constexpr index kQueryBytes = index(8) << 20;   // packed queries of a batch
constexpr index kPanelBytes = index(16) << 20;  // packed panels that the threads share
constexpr index kBatch = 8192;                  // queries
constexpr index kRows = 4;     // queries up to which rows are read as they lie (bench: top_n, few)
constexpr index kShards = 48;  // queries up to which it is the items that are cut into shares

template <class T>
class Batch {
 public:
  Batch(const View<T>& queries, const Items<T>& items, const Options& options, Filter filter,
        std::vector<index> ids, const float* bias, int n_threads)
      : items_(items),
        filter_(filter),
        bias_(bias),
        depth_(items.rows().cols),
        mr_(panel_rows()),
        n_threads_(n_threads),
        selector_(queries, items, options, filter == Filter::bytes || filter == Filter::halves),
        queries_(queries, items, selector_, filter, std::move(ids), n_threads),
        workers_(static_cast<std::size_t>(n_threads)) {
    for (Worker& w : workers_) {
      w.rows = Buffer<float>(checked_product(mr_, depth_ + 1));
      w.panel = Buffer<float>(checked_product(mr_, depth_));
      w.partial = Buffer<float>(isa::kernels<float>().tile_scratch(depth_));
    }
  }

  void sharded(Result<T> result);
  // The queries that are not decided yet, since their threshold was guessed too high.
  std::vector<index> blocked(bool guessing, Result<T> result);

 private:
  struct Worker {
    typename Selector<T>::Scratch select;
    Buffer<float> rows, panel, partial;
  };

  index capacity() const { return list_capacity(selector_.keep(), items_.rows().rows, mr_); }
  Lists<T> lists() const {
    Lists<T> lists(queries_.count(), capacity(), mr_);
    for (index j = 0; j < queries_.count(); ++j)
      if (!queries_.seen(j).zero) lists.open(j, selector_.first_threshold(queries_.seen(j)));
    return lists;
  }
  // f(block, j0, j1, worker) for blocks of queries, whole tiles.
  template <class F>
  void over_blocks(const F& f) {
    const index nr = isa::kernels<float>().nr, count = queries_.count(), tasks = 16 * n_threads_;
    const index block = round_up(std::max<index>(kShards, (count + tasks - 1) / tasks), nr);
    threads::parallel_blocks((count + block - 1) / block, n_threads_, [&](index b, int thread) {
      f(b * block, std::min(count, (b + 1) * block), workers_[static_cast<std::size_t>(thread)]);
    });
  }
  void make_room(Lists<T>& lists, index j0, index j1, Worker& w) const {
    lists.make_room(
        j0, j1, [&](index j) { return queries_.id(j); },
        [&](index j) -> const Seen& { return queries_.seen(j); }, selector_, w.select);
  }
  // Panel p against queries [j0, j1), j0 a whole tile; packed: where it lies, if it is packed.
  // Found candidates go to the lists, or the best of each lane to `peaks`.
  void panel(index p, const float* packed, index j0, index j1, CandidateLists found, float* peaks,
             Worker& w) const;
  void guess(Lists<T>& found);

  const Items<T>& items_;
  Filter filter_;
  const float* bias_;
  index depth_, mr_;
  int n_threads_;
  Selector<T> selector_;
  Queries<T> queries_;
  std::vector<Worker> workers_;
};

template <class T>
void Batch<T>::panel(index p, const float* packed, index j0, index j1, CandidateLists found,
                     float* peaks, Worker& w) const {
  const TopNTable& table = *isa::table().top_n;
  const View<T>& x = items_.rows();
  const index first = p * mr_, rows = std::min(mr_, x.rows - first), count = j1 - j0;
  const auto item = static_cast<std::uint32_t>(first);
  if (filter_ == Filter::bytes) {
    byte_kernels().top_n({items_.bytes(p),
                          queries_.bytes(j0),
                          items_.words(),
                          count,
                          item,
                          rows,
                          found,
                          queries_.starts() + j0,
                          queries_.scales() + j0,
                          queries_.reaches() + j0,
                          items_.byte_scales() + first,
                          items_.radii() + first,
                          bias_ + first,
                          !items_.biased(),
                          {},
                          0,
                          nullptr,
                          nullptr,
                          nullptr},
                         peaks);
  } else if (filter_ == Filter::halves) {
    table.top_n_halves({items_.halves(first), x.cols, rows, x.cols, (x.rows - first) * x.cols,
                        items_.byte_scales() + first, bias_ + first, queries_.lines(j0),
                        queries_.line(), count, item, found});
  } else if (filter_ == Filter::rows) {
    leaves<T>().top_n_rows({x.row(first), x.stride, rows, x.cols, x.readable(first),
                            items_.factors() + first, bias_ + first, queries_.lines(j0),
                            queries_.line(), count, item, found});
  } else {
    const TopNTask task{packed,
                        queries_.lines(j0),
                        queries_.zeros(),
                        depth_,
                        count,
                        item,
                        rows,
                        bias_ == nullptr ? nullptr : bias_ + first,
                        found,
                        w.partial.data(),
                        {},
                        0,
                        nullptr};
    if (peaks != nullptr)
      table.top_n_peaks(task, peaks);
    else
      table.top_n(task);
  }
}

// Few queries: each task has its own share of the items and lists of its own, merged at the end.
template <class T>
void Batch<T>::sharded(Result<T> result) {
  const index panels = items_.panels(), count = queries_.count();
  const index most = std::max<index>(1, kListBytes / (count * capacity() * 8));
  const index shards = std::min({panels, most, index(n_threads_) * 4});
  std::vector<Lists<T>> found;
  for (index s = 0; s < shards; ++s) found.push_back(lists());
  threads::parallel_blocks(shards, n_threads_, [&](index s, int thread) {
    Worker& w = workers_[static_cast<std::size_t>(thread)];
    Lists<T>& mine = found[static_cast<std::size_t>(s)];
    for (index p = panels * s / shards; p < panels * (s + 1) / shards; ++p) {
      if (p % 64 == 0 && threads::stopped()) return;
      if (filter_ == Filter::panels) items_.pack(p, w.rows.data(), w.panel.data());
      make_room(mine, 0, count, w);
      panel(p, w.panel.data(), 0, count, mine.from(0), nullptr, w);
    }
  });
  std::vector<Candidate> all;
  for (index j = 0; j < count; ++j) {
    all.clear();
    for (auto& lists : found) all.insert(all.end(), lists.list(j), lists.list(j) + lists.count(j));
    selector_.finish(queries_.id(j), queries_.seen(j), all.data(), static_cast<index>(all.size()),
                     -FLT_MAX, workers_[0].select, result);
  }
}

template <class T>
void Batch<T>::guess(Lists<T>& found) {
  const Draw draw(items_.rows().rows, selector_.keep());
  if (draw.groups == 0) return;
  const index size = filter_ == Filter::panels ? mr_ * depth_ : 0;
  Buffer<float> packed(checked_product(draw.panels, size));
  if (size > 0)
    threads::parallel_blocks(draw.panels, n_threads_, [&](index i, int thread) {
      items_.pack(draw.panel(i), workers_[static_cast<std::size_t>(thread)].rows.data(),
                  packed.data() + i * size);
    });
  over_blocks([&](index j0, index j1, Worker& w) {
    found.guess(
        draw, j0, j1, [&](index j) { return queries_.id(j); },
        [&](index j) -> const Seen& { return queries_.seen(j); }, selector_,
        [&](index i, float* peaks) {
          panel(draw.panel(i), packed.data() + i * size, j0, j1, found.from(j0), peaks, w);
        });
  });
}

// Many queries: panels are packed once, a stretch at a time, and every block of queries meets them
// all.
template <class T>
std::vector<index> Batch<T>::blocked(bool guessing, Result<T> result) {
  const index panels = items_.panels(), size = mr_ * depth_;
  const bool pack = filter_ == Filter::panels;
  const index stretch = pack ? std::clamp<index>(kPanelBytes / 4 / size, 1, panels) : panels;
  Buffer<float> packed(pack ? checked_product(stretch, size) : 0);
  Lists<T> found = lists();
  if (guessing) guess(found);
  std::vector<float> guessed;
  for (index j = 0; j < queries_.count(); ++j) guessed.push_back(found.threshold(j));
  for (index p0 = 0; p0 < panels; p0 += stretch) {
    const index p1 = std::min(panels, p0 + stretch);
    if (pack)
      threads::parallel_blocks(p1 - p0, n_threads_, [&](index p, int thread) {
        items_.pack(p0 + p, workers_[static_cast<std::size_t>(thread)].rows.data(),
                    packed.data() + p * size);
      });
    over_blocks([&](index j0, index j1, Worker& w) {
      for (index p = p0; p < p1; ++p) {
        if (p % 64 == 0 && threads::stopped()) return;
        make_room(found, j0, j1, w);
        panel(p, packed.data() + (p - p0) * size, j0, j1, found.from(j0), nullptr, w);
      }
    });
  }
  std::vector<char> open(guessed.size(), 0);
  over_blocks([&](index j0, index j1, Worker& w) {
    for (index j = j0; j < j1; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const float limit = found.threshold(j) > guessed[at] ? -FLT_MAX : guessed[at];
      open[at] = !selector_.finish(queries_.id(j), queries_.seen(j), found.list(j), found.count(j),
                                   limit, w.select, result);
    }
  });
  std::vector<index> left;
  for (std::size_t j = 0; j < open.size(); ++j)
    if (open[j]) left.push_back(queries_.id(static_cast<index>(j)));
  return left;
}

// Biases with the lowest of all for what is denied.
template <class T>
Buffer<float> denied(const Items<T>& items, const float* biases, const std::uint8_t* deny) {
  Buffer<float> bias(items.panels() * panel_rows());
  std::copy_n(biases, bias.size(), bias.data());
  for (index i = 0; i < items.rows().rows; ++i)
    if (deny[i]) bias[i] = -FLT_MAX;
  return bias;
}

template <class T>
Filter filter_for(const View<T>& queries, const Items<T>& items) {
  if (items.has_bytes()) return Filter::bytes;
  if (queries.rows > kRows) return Filter::panels;
  return items.has_halves() ? Filter::halves : items.plain() ? Filter::rows : Filter::panels;
}

// Some of the queries, a batch.
template <class T>
void search_some(const View<T>& queries, const Items<T>& items, const Options& options,
                 Filter filter, std::vector<index> ids, const float* bias, bool guessing,
                 Result<T> result) {
  for (; !ids.empty(); guessing = false) {
    const double work = double(ids.size()) * double(items.rows().rows) * double(queries.cols) / 16;
    const int n_threads = threads::worth(work, options.n_threads);
    const bool shard = index(ids.size()) <= kShards;
    Batch<T> some(queries, items, options, filter, std::move(ids), bias, n_threads);
    ids.clear();
    if (shard)
      some.sharded(result);
    else
      ids = some.blocked(guessing, result);
  }
}

}  // namespace

template <class T>
void search(const View<T>& queries, const Items<T>& items, const Options& options,
            Result<T> result) {
  const index keep = std::min(options.n, items.rows().rows);
  const Filter filter = filter_for(queries, items);
  // Halves stand for their rows but for a radius, which a query of length 1 adds to the score.
  const float* biases = filter == Filter::halves ? items.radii() : items.biases();
  Buffer<float> own;
  if (options.deny != nullptr) own = denied(items, biases, options.deny);
  const float* bias = options.deny != nullptr                      ? own.data()
                      : filter != Filter::panels || items.biased() ? biases
                                                                   : nullptr;
  const index line = 4 * queries.cols,
              list = 8 * list_capacity(keep, items.rows().rows, panel_rows());
  const index batch = std::max<index>(1, std::min({kBatch, kListBytes / list, kQueryBytes / line}));
  const bool joined = joins_itself(queries, items, options);
  std::vector<index> left;  // of a join, undecided
  if (joined) left = self_join(items, options, result);
  const index count = joined ? static_cast<index>(left.size()) : queries.rows;
  for (index first = 0; first < count; first += batch) {
    std::vector<index> ids(static_cast<std::size_t>(std::min(batch, count - first)));
    if (joined)
      std::copy_n(left.begin() + first, ids.size(), ids.begin());
    else
      std::iota(ids.begin(), ids.end(), first);
    search_some(queries, items, options, filter, std::move(ids), bias, !joined, result);
  }
}

template void search(const View<float>&, const Items<float>&, const Options&, Result<float>);
template void search(const View<double>&, const Items<double>&, const Options&, Result<double>);

}  // namespace coterie::top_n
