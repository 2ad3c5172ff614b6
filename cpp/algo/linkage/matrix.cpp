// Linkage on a square matrix of distances.
//
// Reducible methods: rounds of reciprocal nearest neighbours. Each row is its own affair: a row
// that stays replaces the entries of every two that merge by that of their union; the row of a new
// cluster comes from the two rows, after the pairs of lower key and before the others. So every
// entry is what merging one pair at a time gives, bit for bit, and no column is walked. Dead
// columns are infinite until a quarter of them are dead and rows close up.
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <type_traits>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/linkage_table.hpp"
#include "square.hpp"
#include "update.hpp"

namespace coterie::linkage {
namespace {

constexpr index kRows = 8;      // a task
constexpr index kLines = 4096;  // points below which a matrix from the start is faster

template <class T, Method method>
class Rounds {
 public:
  Rounds(Square<T>& d, int n_threads) : Rounds(d.n, n_threads) { d_ = std::move(d); }
  Rounds(const Lines<T>& lines, const Room& room, int n_threads) : Rounds(lines.n, n_threads) {
    const bool few = lines.n < kLines;
    const index least = few ? lines.n : lines.n / 2;  // of rows a matrix has
    room(Square<T>::bytes(least), least);
    if (few)
      d_ = Square<T>(lines, n_threads);
    else
      lines_ = &lines, room_ = &room;
  }

  Rounds(Square<T>& d, Start start, int n_threads) : Rounds(d, n_threads) {
    for (index i = 0; i < columns_; ++i) slots_[i] = {i, start.ids[i], start.sizes[i], T(0)};
    merges_ = std::move(start.merges);
  }

  std::vector<Merge> run(const Progress& progress) {
    if (lines_)
      first_round();
    else
      each_row([&](index i, int) { search(i, row(i)); });
    while (left_ > 1) {
      find_pairs();
      each_row([&](index i, int thread) {
        if (partner_[i] < 0)
          renew(i, row(i));
        else if (joint(i).high == i)
          unite(joint(i), row(joint(i).low), row(i), thread);
      });
      settle();
      if (4 * left_ < 3 * columns_) close_up();
      if (interrupt::pending()) throw Interrupted();
      if (progress) progress(static_cast<index>(merges_.size()));
    }
    return std::move(merges_);
  }

 private:
  struct Slot {
    index row, id;  // of the matrix, -1 where the cluster is no more; its last point
    double size;
    T distance;  // to the nearest
  };
  struct Joint {
    std::int32_t low, high;  // slots
    std::int32_t rank;       // among the pairs of the round, by key
    Pair pair;
  };
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();

  Rounds(index n, int n_threads)
      : n_threads_(n_threads), left_(n), columns_(n), slots_(n), near_(n, -1), partner_(n, -1) {
    for (index i = 0; i < n; ++i) slots_[i] = {i, i, 1.0, T(0)};
    merges_.reserve(static_cast<std::size_t>(n - 1));
  }

  T* row(index i) { return d_.row(slots_[i].row); }
  const Joint& joint(index i) const { return pairs_[partner_[i]]; }

  // The first round needs no matrix: lines are computed twice, and the matrix is that of what is
  // left, two thirds of its size (bench: linkage, complete).
  void first_round() {
    const index stride = lines_->stride;
    std::vector<Buffer<T>> scratch;
    for (int t = 0; t < n_threads_; ++t) scratch.emplace_back(2 * stride);
    each_row([&](index i, int thread) {
      lines_->fill(i, scratch[thread].data());
      search(i, scratch[thread].data());
    });
    find_pairs();
    std::vector<index> kept;
    for (index i = 0; i < columns_; ++i)
      if (partner_[i] < 0 || joint(i).high == i) kept.push_back(i);
    const index left = static_cast<index>(kept.size());
    (*room_)(Square<T>::bytes(left), left);
    d_ = Square<T>(left);
    const int team = threads::worth(static_cast<double>(stride * stride), n_threads_);
    scratch_.resize(static_cast<std::size_t>(team));
    threads::parallel_blocks(d_.n, team, [&](index k, int thread) {
      const index i = kept[k];
      T *high = scratch[thread].data(), *low = high + stride, *to = d_.row(k);
      lines_->fill(i, high);
      if (partner_[i] < 0) {
        renew(i, high);
      } else {
        lines_->fill(joint(i).low, low);
        unite(joint(i), low, high, thread);
      }
      for (index j = 0; j < d_.n; ++j) to[j] = high[kept[j]];
      for (index j = d_.n; j < d_.stride; ++j) to[j] = kInfinity;
    });
    settle();
    renumber(kept);
    for (index k = 0; k < d_.n; ++k) slots_[k].row = k;
  }

  template <class F>
  void each_row(const F& f) {
    const double work = static_cast<double>(columns_) * static_cast<double>(columns_);
    const int team = threads::worth(work, n_threads_);
    scratch_.resize(static_cast<std::size_t>(team));
    threads::parallel_blocks((columns_ + kRows - 1) / kRows, team, [&](index b, int thread) {
      for (index i = b * kRows; i < std::min(columns_, (b + 1) * kRows); ++i)
        if (slots_[i].row >= 0) f(i, thread);
    });
  }

  void search(index i, const T* row) {
    near_[i] = isa::kernels<T>().least(row, columns_);  // -1: the last one, or an overflow
    slots_[i].distance = near_[i] < 0 ? kInfinity : row[near_[i]];
  }

  // Where the nearest merged. Nothing came nearer, so whatever is as near as that one was will do,
  // if it is the first from there on: without this, rows that tie are read in full for every merge.
  void search_again(index i, const T* row) {
    const auto least = isa::kernels<T>().least;
    index best = -1;
    for (index from = near_[i], chunk = 64; from < columns_; from += chunk, chunk *= 2) {
      const index at = least(row + from, std::min(chunk, columns_ - from));
      if (at >= 0 && (best < 0 || row[from + at] < row[best])) best = from + at;
      if (best >= 0 && row[best] <= slots_[i].distance) {
        near_[i] = best;
        return;
      }
    }
    const index before = least(row, near_[i]);
    near_[i] = before >= 0 && (best < 0 || row[before] <= row[best]) ? before : best;
    slots_[i].distance = near_[i] < 0 ? kInfinity : row[near_[i]];
  }

  void find_pairs() {
    pairs_.clear();
    for (index i = 0; i < columns_; ++i) {
      const index j = near_[i];
      if (slots_[i].row < 0) continue;
      if (j < 0)
        refuse("y", "distances that are finite, squared as well for ward, centroid and median",
               "an overflow");
      if (j < i || near_[j] != i) continue;
      partner_[i] = partner_[j] = static_cast<index>(pairs_.size());
      pairs_.push_back({static_cast<std::int32_t>(i),
                        static_cast<std::int32_t>(j),
                        0,
                        {double(slots_[i].distance), slots_[i].size, slots_[j].size}});
    }
    if (pairs_.empty()) refuse("y", "distances of which the least can be told", "none");
    std::vector<index> order(pairs_.size());
    std::iota(order.begin(), order.end(), index{0});
    std::sort(order.begin(), order.end(), [&](index a, index b) {
      return std::tie(pairs_[a].pair.apart, a) < std::tie(pairs_[b].pair.apart, b);
    });
    for (std::size_t m = 0; m < order.size(); ++m) {
      Joint& p = pairs_[order[m]];
      p.rank = static_cast<std::int32_t>(m);
      merges_.push_back({p.pair.apart, slots_[p.low].id, slots_[p.high].id});
    }
    list_pairs();
  }

  static const RowKernels<T>& kernels() {
    if constexpr (std::is_same_v<T, float>)
      return isa::table().linkage->rows_float;
    else
      return isa::table().linkage->rows_double;
  }

  // Pairs in the order of their columns: rows are read forwards.
  void list_pairs() {
    const std::size_t room = static_cast<std::size_t>(whole_panels(index(pairs_.size())));
    for (auto* columns : {&low_, &high_}) columns->assign(room, 0);
    for (auto* values : {&apart_, &n_low_, &n_high_}) values->assign(room, 1);
    for (std::size_t m = 0; m < pairs_.size(); ++m) {
      const Joint& p = pairs_[m];
      low_[m] = p.low, high_[m] = p.high;
      apart_[m] = p.pair.apart, n_low_[m] = p.pair.n_low, n_high_[m] = p.pair.n_high;
    }
  }

  // The entries of a pair in a row whose cluster has n points.
  static void replace(T* row, double n, const Joint& p) {
    row[p.high] = T(update<method>(row[p.low], row[p.high], p.pair, n));
    row[p.low] = kInfinity;
  }

  void renew(index i, T* row) {
    const PairsTask pairs{index(pairs_.size()), low_.data(),   high_.data(),
                          apart_.data(),        n_low_.data(), n_high_.data()};
    kernels().replace[static_cast<int>(update_of(method))](pairs, slots_[i].size, row);
    if (partner_[near_[i]] >= 0) search_again(i, row);
  }

  void unite(const Joint& p, T* low, T* high, int thread) {
    for (const Joint& q : pairs_) {
      if (q.rank >= p.rank) continue;
      replace(low, p.pair.n_low, q);
      replace(high, p.pair.n_high, q);
    }
    std::vector<double>& sizes = scratch_[thread];
    if (method == Method::ward) {
      sizes.resize(static_cast<std::size_t>(whole_panels(columns_)));
      for (index j = 0; j < columns_; ++j) sizes[j] = slots_[j].size;
      for (const Joint& q : pairs_)
        if (q.rank < p.rank) sizes[q.high] += sizes[q.low];
    }
    kernels().unite[static_cast<int>(update_of(method))](low, high, sizes.data(), columns_,
                                                         p.pair.apart, p.pair.n_low, p.pair.n_high);
    high[p.low] = high[p.high] = kInfinity;
    for (const Joint& q : pairs_)
      if (q.rank > p.rank) replace(high, p.pair.n_low + p.pair.n_high, q);
    search(p.high, high);
  }

  void settle() {
    for (const Joint& p : pairs_) {
      slots_[p.high].size += slots_[p.low].size;
      slots_[p.low].row = -1;
      partner_[p.low] = partner_[p.high] = -1;
    }
    left_ -= static_cast<index>(pairs_.size());
  }

  void close_up() {
    std::vector<index> kept;
    for (index i = 0; i < columns_; ++i)
      if (slots_[i].row >= 0) kept.push_back(i);
    each_row([&](index i, int) {
      T* at = row(i);
      for (std::size_t j = 0; j < kept.size(); ++j) at[j] = at[kept[j]];
    });
    renumber(kept);
  }

  // Slots from now on: what was in slot kept[j] is in slot j.
  void renumber(const std::vector<index>& kept) {
    std::vector<index> to(static_cast<std::size_t>(columns_), -1);
    for (std::size_t j = 0; j < kept.size(); ++j) to[kept[j]] = static_cast<index>(j);
    for (std::size_t j = 0; j < kept.size(); ++j) {
      slots_[j] = slots_[kept[j]];
      near_[j] = near_[kept[j]] >= 0 ? to[near_[kept[j]]] : -1;
      partner_[j] = -1;
    }
    columns_ = static_cast<index>(kept.size());
  }

  const Lines<T>* lines_ = nullptr;  // or a matrix from the start
  const Room* room_ = nullptr;
  Square<T> d_;
  const int n_threads_;
  index left_, columns_;
  std::vector<Slot> slots_;
  std::vector<index> near_, partner_;  // slot of the nearest; the pair a slot belongs to
  std::vector<Joint> pairs_;
  std::vector<std::int32_t> low_, high_;  // the same, each by itself
  std::vector<double> apart_, n_low_, n_high_;
  std::vector<Merge> merges_;
  std::vector<std::vector<double>> scratch_;
};

// One merge at a time, for methods that are not reducible; every row knows its nearest.
template <class T, Method method>
void in_order(Square<T>& d, const Progress& progress, double* z) {
  const index n = d.n;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const auto least = isa::kernels<T>().least;
  std::vector<index> ids(n), near(n);
  std::vector<double> sizes(n, 1.0);
  std::vector<T> best(n);
  const auto search = [&](index i) {
    near[i] = least(d.row(i), n);
    best[i] = near[i] < 0 ? infinity : d.row(i)[near[i]];
  };
  for (index i = 0; i < n; ++i) ids[i] = i, search(i);
  for (index t = 0; t < n - 1; ++t) {
    const index a = least(best.data(), n);
    if (a < 0)
      refuse("y", "distances that are finite, squared as well for ward, centroid and median",
             "an overflow");
    const index i = std::min(a, near[a]), j = std::max(a, near[a]);
    const Pair pair{double(best[a]), sizes[i], sizes[j]};
    double* out = z + 4 * t;
    out[0] = static_cast<double>(std::min(ids[i], ids[j]));
    out[1] = static_cast<double>(std::max(ids[i], ids[j]));
    out[2] = std::sqrt(pair.apart);
    out[3] = sizes[j] = sizes[i] + sizes[j];
    ids[j] = n + t, ids[i] = -1, best[i] = infinity;
    for (index k = 0; k < n; ++k) {
      if (ids[k] < 0 || k == j) continue;
      T* row = d.row(k);
      row[j] = d.row(j)[k] = T(update<method>(row[i], row[j], pair, sizes[k]));
      row[i] = infinity;
      if (near[k] == i || near[k] == j)
        search(k);
      else if (row[j] < best[k] || (row[j] == best[k] && j < near[k]))
        best[k] = row[j], near[k] = j;
    }
    d.row(j)[i] = infinity;
    search(j);
    if (interrupt::pending()) throw Interrupted();
    if (progress && t % 256 == 255) progress(t + 1);
  }
}

template <class T, class... From>
std::vector<Merge> run_rounds(Method method, const Progress& progress, From&&... from) {
  switch (method) {
    case Method::complete:
      return Rounds<T, Method::complete>(from...).run(progress);
    case Method::average:
      return Rounds<T, Method::average>(from...).run(progress);
    case Method::weighted:
      return Rounds<T, Method::weighted>(from...).run(progress);
    case Method::ward:
      return Rounds<T, Method::ward>(from...).run(progress);
    default:
      refuse("method", "complete, average, weighted or ward", "another");
  }
}

}  // namespace

template <class T>
std::vector<Merge> merge_matrix(Square<T>& d, Method method, int n_threads,
                                const Progress& progress) {
  return run_rounds<T>(method, progress, d, n_threads);
}

template <class T>
std::vector<Merge> merge_lines(const Lines<T>& lines, Method method, const Room& room,
                               int n_threads, const Progress& progress) {
  return run_rounds<T>(method, progress, lines, room, n_threads);
}

template <class T>
std::vector<Merge> merge_matrix_from(Square<T>& d, Start start, Method method, int n_threads,
                                     const Progress& progress) {
  return run_rounds<T>(method, progress, d, std::move(start), n_threads);
}

template <class T>
void merge_matrix_in_order(Square<T>& d, Method method, const Progress& progress, double* z) {
  if (method == Method::centroid)
    in_order<T, Method::centroid>(d, progress, z);
  else
    in_order<T, Method::median>(d, progress, z);
}

#define COTERIE_INSTANTIATE(T)                                                           \
  template std::vector<Merge> merge_matrix<T>(Square<T>&, Method, int, const Progress&); \
  template std::vector<Merge> merge_lines<T>(const Lines<T>&, Method, const Room&, int,  \
                                             const Progress&);                           \
  template std::vector<Merge> merge_matrix_from<T>(Square<T>&, Start, Method, int,       \
                                                   const Progress&);                     \
  template void merge_matrix_in_order<T>(Square<T>&, Method, const Progress&, double*);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::linkage
