// CSR against the transpose of a CSR: a query's entries add up its products with all items they
// meet.
//
// Entries come in ascending column order and products are added one by one in float64, so a
// finished sum is the exact value that ranks; there is nothing to score again. Most items meet a
// query nowhere: their key is 0 and they matter only to lists that are short of better ones.
#include <cmath>

#include "postings.hpp"
#include "seeker.hpp"
#include "sparse.hpp"

namespace coterie::top_n {
namespace {

constexpr index kNarrow = 4096;    // items whose sums stay in the L1 cache
constexpr index kWide = 131072;    // in the L2 cache
constexpr index kGroup = 32;       // queries that share the lines of a narrow range
constexpr index kDense = 8;        // touched > items / kDense: look at all sums, not at the touched
constexpr index kAhead = 2;        // entries whose postings are fetched ahead
constexpr index kTouched = 16384;  // touched items set aside before the best are taken
constexpr double kLift = 0x1p200;  // so that no positive product of cosines becomes 0
constexpr double kSlack = 1e-14;   // of a key formed with inverses, relatively

template <class T>
struct Entry {
  double value;
  const Posting<T>*from, *at, *end;  // of the last range: from..at; still to come: at..end
  const T* line;                     // or null
};

struct Touched {
  Buffer<double> key, product, most;
  Buffer<std::int32_t> item;
  explicit Touched(index kept) : key(kTouched), product(kTouched), most(2 * kept), item(kTouched) {}
};

template <class T>
class Join {
 public:
  Join(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out)
      : queries_(queries),
        items_(items),
        request_(request),
        out_(out),
        of_queries_(measure(queries, request.metric, request.n_threads)),
        of_items_(measure(items, request.metric, request.n_threads)),
        judge_(request, of_queries_.terms + of_items_.terms),
        kept_(std::min(request.n, items.rows)),
        inverse_(items.rows, 0),
        postings_(items, of_items_.factor.data(), request.n_threads) {
    for (index j = 0; j < items.rows; ++j)
      if (request.deny != nullptr && request.deny[j] != 0)
        inverse_[j] = 0;
      else if (judge_.metric() == Metric::dot)
        inverse_[j] = 1;
      else if (of_items_.level[j] > 0)
        inverse_[j] = kLift / of_items_.level[j];
  }

  void run() {
    constexpr index memory = index{4} << 20;
    const index group =
        std::clamp<index>(memory / (Best::room(kept_) * index(sizeof(Hit))), 1, kGroup);
    std::vector<std::unique_ptr<Worker>> workers(static_cast<std::size_t>(request_.n_threads));
    threads::parallel_blocks(
        (queries_.rows + group - 1) / group, request_.n_threads, [&](index block, int thread) {
          auto& w = workers[static_cast<std::size_t>(thread)];
          if (!w)
            w = std::make_unique<Worker>(group, kept_, std::clamp(items_.rows, kNarrow, kWide),
                                         thread);
          const index first = block * group, last = std::min(queries_.rows, first + group);
          search(*w, first, last);
        });
  }

 private:
  struct Query {
    Seeker seeker;
    index row, begin, end;  // entries
    bool dense;             // looks at all sums
  };
  struct Worker {
    Buffer<double> sums;  // 0 between uses
    Buffer<Hit> hits;
    std::vector<Entry<T>> entries;
    std::vector<Query> queries;
    Touched touched;
    int thread;
    Worker(index group, index kept, index width, int number)
        : sums(width, 0),
          hits(checked_product(group, Best::room(kept))),
          touched(kept),
          thread(number) {}
  };

  // The lists of a group of queries.
  void search(Worker& w, index first, index last) {
    w.entries.clear(), w.queries.clear();
    for (index row = first; row < last; ++row) {
      Query q{{}, row, index(w.entries.size()), 0, false};
      const index touched = enter(w.entries, row);
      q.end = index(w.entries.size());
      q.dense = touched * kDense > items_.rows;
      start(w, q, row - first);
      w.queries.push_back(q);
    }
    if (!sweep(w, false, w.sums.size()) || !sweep(w, true, kNarrow)) return;
    for (Query& q : w.queries) {
      q.seeker.best.finish();
      const bool is_short = !q.dense && q.seeker.best.count() < kept_ && judge_.accepts(0);
      if (is_short && !fill(w, q)) return;
      emit(q.seeker.best, judge_, q.row, request_.n, out_);
    }
  }

  // Adds the entries of a row; returns the number of items they touch, which many may do.
  index enter(std::vector<Entry<T>>& entries, index row) const {
    index touched = 0;
    for (index e = queries_.start[row]; e < queries_.start[row + 1]; ++e) {
      const index c = queries_.column[e], line = postings_.line_of[c];
      const Posting<T>* list = postings_.list.data();
      const Posting<T>*begin = list + postings_.start[c], *end = list + postings_.start[c + 1];
      const double value = static_cast<double>(queries_.value[e]) * of_queries_.factor[row];
      const T* dense = line < 0 ? nullptr : postings_.lines.data() + line * items_.rows;
      if (begin < end || dense) entries.push_back({value, begin, begin, end, dense});
      touched += dense ? items_.rows : end - begin;
    }
    return touched;
  }

  // A sparse query looks for items above 0 first.
  void start(Worker& w, Query& q, index place) const {
    Hit cut = judge_.first_cut();
    if (!q.dense && cut.key < 0) cut = {0, -1};
    q.seeker = Seeker(request_, judge_, q.row, of_queries_.level[q.row],
                      w.hits.data() + place * Best::room(kept_), kept_, cut);
  }

  // All items, `width` at a time, for the dense queries or the others. False: stopped.
  bool sweep(Worker& w, bool dense, index width) const {
    for (index low = 0; low < items_.rows; low += width) {
      const index high = std::min(items_.rows, low + width);
      for (Query& q : w.queries) {
        if (q.dense != dense) continue;
        if (halted(w.thread)) return false;
        add(w, q, low, high);
        if (dense)
          collect_all(w, q.seeker, low, high);
        else
          collect_touched(w, q, low);
      }
    }
    return true;
  }

  // sums[j - low] = <query, item j>, and the entries' cursors move on.
  void add(Worker& w, const Query& q, index low, index high) const {
    double* const sums = w.sums.data() - low;
    for (index e = q.begin; e < q.end; ++e) {
      Entry<T>& entry = w.entries[static_cast<std::size_t>(e)];
      const double value = entry.value;
      if (entry.line) {
        add_line_(sums + low, entry.line + low, value, high - low);
        continue;
      }
      const Posting<T>*p = entry.at, *const end = entry.end;
      if (e + kAhead < q.end) fetch(w.entries[static_cast<std::size_t>(e + kAhead)].at);
      for (; p < end && p->item < high; ++p) sums[p->item] += value * static_cast<double>(p->value);
      entry.from = entry.at;
      entry.at = p;
    }
  }
  static void fetch(const Posting<T>* p) {
    for (int line = 0; line < 12; ++line)
      __builtin_prefetch(reinterpret_cast<const char*>(p) + 64 * line);
  }

  void consider(Seeker& s, index item, double product) const {
    s.offer(judge_, {judge_.key(product, s.level, of_items_.level[item]), item});
  }

  void collect_touched(Worker& w, Query& q, index low) const {
    double* const sums = w.sums.data() - low;
    const double* const inverse = inverse_.data();
    Touched& t = w.touched;
    q.seeker.mask.each(low, low + w.sums.size(), [&](index item) { sums[item] = 0; });
    index count = 0;
    for (index e = q.begin; e < q.end; ++e) {
      const Entry<T>& entry = w.entries[static_cast<std::size_t>(e)];
      for (const Posting<T>* p = entry.from; p < entry.at;) {
        const Posting<T>* const stop = p + std::min<index>(entry.at - p, kTouched - count);
        for (; p < stop; ++p, ++count) {
          const index item = p->item;
          const double product = sums[item];
          sums[item] = 0;  // met again in another list, it is not above
          t.product[count] = product;
          t.key[count] = product * inverse[item];
          t.item[count] = p->item;
        }
        if (count == kTouched) take(q.seeker, t, std::exchange(count, 0));
      }
    }
    take(q.seeker, t, count);
  }

  // Offers the best of what was touched and is allowed. The n-th largest of the largest of each of
  // some groups of keys is a bound that n items reach, and few more.
  void take(Seeker& s, Touched& t, index count) const {
    const double lifted = judge_.metric() == Metric::dot ? 1 : s.level * kLift;
    double floor = s.best.cut().key * lifted * (1 - kSlack);
    const index groups = 2 * kept_;
    if (count >= 2 * groups) {
      double* const most = t.most.data();
      std::copy_n(t.key.data(), groups, most);
      for (index k = groups; k < count; k += groups)
        for (index g = 0, here = std::min(groups, count - k); g < here; ++g)
          most[g] = most[g] < t.key[k + g] ? t.key[k + g] : most[g];
      std::nth_element(most, most + kept_ - 1, most + groups, std::greater<double>());
      floor = std::max(floor, most[kept_ - 1] * (1 - kSlack));
    }
    const auto* key = t.key.data();
    for (index k = 0; k < count; ++k) {
      k = first_above_(key, key, 0, floor, k, count);
      if (k < count) consider(s, t.item[k], t.product[k]);
    }
  }
  void collect_all(Worker& w, Seeker& s, index low, index high) const {
    double* const sums = w.sums.data();
    const double* const level = of_items_.level.data() + low;
    const index count = high - low;
    for (index k = 0; k < count; ++k) {
      k = first_above_(sums, level, s.rule.slope, s.rule.floor, k, count);
      if (k < count) consider(s, low + k, sums[k]);
    }
    std::fill_n(sums, count, 0.0);
  }

  // A list short of items above 0 goes on with those at 0, which come by their index; where there
  // are too few, everything is looked at. False: stopped.
  bool fill(Worker& w, Query& q) const {
    Best& best = q.seeker.best;
    index missing = kept_ - best.count();
    rewind(w, q);
    for (index low = 0; low < items_.rows && missing > 0; low += kNarrow) {
      if (halted(w.thread)) return false;
      const index high = std::min(items_.rows, low + kNarrow);
      add(w, q, low, high);
      for (index j = low; j < high && missing > 0; ++j) {
        const double product = w.sums[j - low];
        if (judge_.key(product, q.seeker.level, of_items_.level[j]) != 0) continue;
        if (q.seeker.mask.allows(j)) best.push({0, j}), --missing;
      }
      std::fill_n(w.sums.data(), high - low, 0.0);
    }
    best.finish();
    if (missing == 0) return true;
    rewind(w, q);
    q.dense = true;
    start(w, q, &q - w.queries.data());
    for (index low = 0; low < items_.rows; low += kNarrow) {
      if (halted(w.thread)) return false;
      const index high = std::min(items_.rows, low + kNarrow);
      add(w, q, low, high);
      collect_all(w, q.seeker, low, high);
    }
    best.finish();
    return true;
  }
  void rewind(Worker& w, const Query& q) const {
    std::vector<Entry<T>> again;
    enter(again, q.row);
    std::copy(again.begin(), again.end(), w.entries.begin() + q.begin);
  }

  const Csr<T>&queries_, &items_;
  const Request& request_;
  const Found out_;
  const Measures of_queries_, of_items_;
  const Judge judge_;
  const index kept_;
  Buffer<double> inverse_;  // product * inverse ranks about as the key does; 0: denied
  const Postings<T> postings_;
  decltype(SparseKernels<T>::add_line) add_line_ = sparse_kernels<T>().add_line;
  decltype(SparseTable::first_above) first_above_ = isa::table().sparse->first_above;
};

}  // namespace

template <class T>
void join(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out) {
  if (queries.rows == 0 || items.rows == 0) return scan(queries, items, request, out);
  Join<T>(queries, items, request, out).run();
}

template <class T>
void search(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out) {
  if (request.metric == Metric::euclidean || queries.rows == 0 || items.rows == 0)
    return scan(queries, items, request, out);
  // Cycles, roughly (bench: top_n): a panel looks at every entry of the items, which costs most
  // where its columns are those of a query; a row adds up the postings of its columns, or lines.
  const auto counts = column_counts(items);
  const auto entries = static_cast<double>(items.start[items.rows]);
  const auto rows = static_cast<double>(queries.rows);
  const auto lanes = static_cast<double>(sparse_kernels<T>().lanes);
  double met = 0, added = 0;
  for (index e = 0; e < queries.start[queries.rows]; ++e) {
    const std::int64_t count = counts[queries.column[e]];
    met += static_cast<double>(count),
        added += static_cast<double>(std::min(count, items.rows / 16));
  }
  const double shared = std::min(1.0, lanes * met / (rows * std::max(entries, 1.0)));
  const double by_panel = std::ceil(rows / lanes) * entries * (3 + 17 * shared);
  if (by_panel < entries * 12 + added * 5) return scan(queries, items, request, out);
  join(queries, items, request, out);
}

template void join(const Csr<float>&, const Csr<float>&, const Request&, const Found&);
template void join(const Csr<double>&, const Csr<double>&, const Request&, const Found&);
template void search(const Csr<float>&, const Csr<float>&, const Request&, const Found&);
template void search(const Csr<double>&, const Csr<double>&, const Request&, const Found&);

}  // namespace coterie::top_n
