// The loops of top-N: queries in blocks against panels of items, or a few queries against shards of them.
#include <algorithm>
#include <cfloat>

#include "../../base/threads.hpp"
#include "lists.hpp"
#include "queries.hpp"

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
  Batch(const View<T>& queries, const Items<T>& items, const Options& options, Filter filter, index first,
        index count, const float* bias)
      : items_(items),
        options_(options),
        filter_(filter),
        bias_(bias),
        lines_(items.rows().cols + (bias != nullptr ? 1 : 0)),
        mr_(panel_rows()),
        selector_(queries, items, options, filter == Filter::bytes),
        queries_(queries, items, selector_, filter, first, count, lines_) {}

  void sharded(int n_threads, Result<T> result);
  void blocked(int n_threads, Result<T> result);

 private:
  using Scratch = typename Selector<T>::Scratch;

  struct Worker {
    Scratch select;
    Buffer<float> rows, panel, partial;
  };

  Lists<T> lists() const {
    const index capacity = list_capacity(selector_.keep(), items_.rows().rows, mr_);
    Lists<T> lists(queries_.count(), capacity, mr_);
    for (index j = 0; j < queries_.count(); ++j)
      if (!queries_.seen()[j].zero) lists.open(j, selector_.first_threshold(queries_.seen()[j]));
    return lists;
  }
  void prepare(Worker& w) const {
    if (w.rows.size() > 0) return;
    w.rows = Buffer<float>(checked_product(mr_, lines_ + 1));
    w.panel = Buffer<float>(checked_product(mr_, lines_));
    w.partial = Buffer<float>(isa::kernels<float>().tile_scratch(lines_));
  }
  // Panel p against queries [j0, j1), j0 a whole tile; packed: where the panel lies, if it was packed.
  void panel(index p, const float* packed, index j0, index j1, Lists<T>& lists, Worker& w) const;
  void finish(index j, Candidate* list, index count, Scratch& scratch, Result<T> result) const {
    selector_.finish(queries_.first() + j, queries_.seen()[j], list, count, scratch, result);
  }

  const Items<T>& items_;
  const Options& options_;
  Filter filter_;
  const float* bias_;
  index lines_, mr_;
  Selector<T> selector_;
  Queries<T> queries_;
};

template <class T>
void Batch<T>::panel(index p, const float* packed, index j0, index j1, Lists<T>& lists, Worker& w) const {
  const TopNTable& table = *isa::table().top_n;
  const View<T>& x = items_.rows();
  const index first = p * mr_, rows = std::min(mr_, x.rows - first), count = j1 - j0;
  const auto item = static_cast<std::uint32_t>(first);
  lists.make_room(j0, j1, queries_.first(), selector_, queries_.seen(), w.select);
  if (filter_ == Filter::bytes) {
    const auto kernel = isa::has_byte_dot() ? table.top_n_int8_dot : table.top_n_int8;
    kernel({items_.bytes(p), queries_.bytes(j0), items_.words(), count, item, rows, lists.from(j0),
            queries_.starts() + j0, queries_.scales() + j0, queries_.reaches() + j0,
            items_.byte_scales() + first, items_.radii() + first, bias_ + first});
  } else if (filter_ == Filter::rows) {
    leaves<T>().top_n_rows({x.row(first), x.stride, rows, x.cols, x.readable(first),
                            items_.factors() + first, bias_ + first, queries_.lines(j0), queries_.line(),
                            count, item, lists.from(j0)});
  } else {
    table.top_n({packed, queries_.lines(j0), queries_.zeros(), lines_, count, item, rows, lists.from(j0),
                 {}, 0, w.partial.data()});
  }
}

// Few queries: each task has its own share of the items and lists of its own, merged at the end.
template <class T>
void Batch<T>::sharded(int n_threads, Result<T> result) {
  const index panels = items_.panels(), count = queries_.count();
  const index bytes = count * list_capacity(selector_.keep(), items_.rows().rows, mr_) * 8;
  const index most = std::max<index>(1, kListBytes / bytes);
  const index shards = std::min({panels, most, index(n_threads) * 4});
  std::vector<Lists<T>> found;
  for (index s = 0; s < shards; ++s) found.push_back(lists());
  std::vector<Worker> workers(static_cast<std::size_t>(n_threads));
  threads::parallel_blocks(shards, n_threads, [&](index s, int thread) {
    Worker& w = workers[static_cast<std::size_t>(thread)];
    prepare(w);
    for (index p = panels * s / shards; p < panels * (s + 1) / shards; ++p) {
      if (p % 64 == 0 && threads::stopped()) return;
      if (filter_ == Filter::panels) items_.pack(p, bias_, w.rows.data(), w.panel.data());
      panel(p, w.panel.data(), 0, count, found[static_cast<std::size_t>(s)], w);
    }
  });
  std::vector<Candidate> all;
  for (index j = 0; j < count; ++j) {
    all.clear();
    for (auto& lists : found) all.insert(all.end(), lists.list(j), lists.list(j) + lists.count(j));
    finish(j, all.data(), static_cast<index>(all.size()), workers[0].select, result);
  }
}

// Many queries: panels are packed once, a stretch at a time, and every block of queries meets them all.
template <class T>
void Batch<T>::blocked(int n_threads, Result<T> result) {
  const index panels = items_.panels(), count = queries_.count(), nr = isa::kernels<float>().nr;
  const bool pack = filter_ == Filter::panels;
  const index size = mr_ * lines_;
  const index stretch = pack ? std::clamp<index>(kPanelBytes / 4 / size, 1, std::max<index>(1, panels)) : panels;
  Buffer<float> packed(pack ? checked_product(stretch, size) : 0);
  Lists<T> found = lists();
  std::vector<Worker> workers(static_cast<std::size_t>(n_threads));
  const index block = round_up(std::max<index>(kShards, (count + 4 * n_threads - 1) / (4 * n_threads)), nr);
  const index blocks = (count + block - 1) / block;
  for (index p0 = 0; p0 < panels; p0 += stretch) {
    const index p1 = std::min(panels, p0 + stretch);
    if (pack)
      threads::parallel_blocks(p1 - p0, n_threads, [&](index p, int thread) {
        Worker& w = workers[static_cast<std::size_t>(thread)];
        prepare(w);
        items_.pack(p0 + p, bias_, w.rows.data(), packed.data() + p * size);
      });
    threads::parallel_blocks(blocks, n_threads, [&](index b, int thread) {
      Worker& w = workers[static_cast<std::size_t>(thread)];
      prepare(w);
      for (index p = p0; p < p1; ++p) {
        if (p % 64 == 0 && threads::stopped()) return;
        panel(p, packed.data() + (p - p0) * size, b * block, std::min(count, (b + 1) * block), found, w);
      }
    });
  }
  threads::parallel_blocks(blocks, n_threads, [&](index b, int thread) {
    for (index j = b * block; j < std::min(count, (b + 1) * block); ++j)
      finish(j, found.list(j), found.count(j), workers[static_cast<std::size_t>(thread)].select, result);
  });
}

// The items' biases, with the lowest of all for what is denied.
template <class T>
Buffer<float> denied(const Items<T>& items, const std::uint8_t* deny) {
  Buffer<float> bias(items.panels() * panel_rows());
  std::copy_n(items.biases(), bias.size(), bias.data());
  for (index i = 0; i < items.rows().rows; ++i)
    if (deny[i]) bias[i] = -FLT_MAX;
  return bias;
}

}  // namespace

template <class T>
void search(const View<T>& queries, const Items<T>& items, const Options& options, Result<T> result) {
  const index keep = std::min(options.n, items.rows().rows);
  const bool few = queries.rows <= kRows && items.plain();
  const Filter filter = items.has_bytes() ? Filter::bytes : few ? Filter::rows : Filter::panels;
  Buffer<float> own;
  if (options.deny != nullptr) own = denied(items, options.deny);
  const float* bias = options.deny != nullptr                                ? own.data()
                      : filter != Filter::panels || items.biased() ? items.biases()
                                                                   : nullptr;
  const index line = 4 * (queries.cols + 1), list = 8 * list_capacity(keep, items.rows().rows, panel_rows());
  const index batch = std::max<index>(1, std::min({kBatch, kListBytes / list, kQueryBytes / line}));
  for (index first = 0; first < queries.rows; first += batch) {
    const index count = std::min(batch, queries.rows - first);
    Batch<T> some(queries, items, options, filter, first, count, bias);
    const double work = double(count) * double(items.rows().rows) * double(items.rows().cols) / 16;
    const int n_threads = threads::worth(work, options.n_threads);
    if (count <= kShards) some.sharded(n_threads, result);
    else some.blocked(n_threads, result);
  }
}

template void search(const View<float>&, const Items<float>&, const Options&, Result<float>);
template void search(const View<double>&, const Items<double>&, const Options&, Result<double>);

}  // namespace coterie::top_n
