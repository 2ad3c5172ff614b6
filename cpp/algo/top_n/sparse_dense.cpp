// Panels: some rows of one side densely side by side, met by the CSR rows of the other one by one.
#include <cmath>

#include "seeker.hpp"
#include "sparse.hpp"

namespace coterie::top_n {
namespace {

constexpr index kMemory = index{4} << 20;  // bytes of lists a task may hold
constexpr index kPoll = 4096;              // rows between two looks at an interrupt

index queries_at_once(index n, index wanted) {
  return std::clamp<index>(kMemory / (Best::room(n) * index(sizeof(Hit))), 1, wanted);
}

// lines: one a column, or, of CSR rows, one a column that one of them has; slot says which.
struct Panel {
  Buffer<double> lines;
  Buffer<std::int32_t> slot;
  index lanes = 0;

  template <class T>
  Panel(const View<T>& x, index width, index)
      : lines(checked_product(x.cols, width), 0), lanes(width) {}
  template <class T>
  Panel(const Csr<T>& x, index width, index at_once)
      : slot(std::max<index>(x.cols, 1), 0), lanes(width) {
    index most = 0;
    for (index i = 0; i < x.rows; i += at_once)
      most = std::max(most, x.start[std::min(x.rows, i + at_once)] - x.start[i]);
    lines = Buffer<double>(checked_product(std::min(most, x.cols) + 1, width), 0);
  }

  template <class T>
  void pack(const View<T>& x, const double* factor, index first, index last) {
    for (index i = first; i < last; ++i) {
      double* to = lines.data() + (i - first);
      for (index c = 0; c < x.cols; ++c)
        to[c * lanes] = static_cast<double>(x.row(i)[c]) * factor[i];
    }
  }
  template <class T>
  void pack(const Csr<T>& x, const double* factor, index first, index last) {
    std::int32_t used = 0;
    for (index e = x.start[first]; e < x.start[last]; ++e) {
      std::int32_t& at = slot[x.column[e]];
      if (at == 0) std::fill_n(lines.data() + (at = ++used) * lanes, lanes, 0.0);
    }
    for (index i = first; i < last; ++i)
      for (index e = x.start[i]; e < x.start[i + 1]; ++e)
        lines[slot[x.column[e]] * lanes + i - first] = static_cast<double>(x.value[e]) * factor[i];
  }
  template <class T>
  void clear(const View<T>&, index, index) {}  // the next rows write over all that is read
  template <class T>
  void clear(const Csr<T>& x, index first, index last) {
    for (index e = x.start[first]; e < x.start[last]; ++e) slot[x.column[e]] = 0;
  }
};

template <class Q, class Y>
double key_of(const Judge& judge, const Q& queries, index i, const Y& items, index j,
              double product, double a, double b) {
  return judge.similarity() ? judge.key(product, a, b) : -square_distance(queries, i, items, j);
}

// f(lane) of the hits below `count` lanes.
template <class F>
void each_hit(std::uint32_t hits, index count, const F& f) {
  for (; hits != 0; hits &= hits - 1) {
    const index lane = __builtin_ctz(hits);
    if (lane < count) f(lane);
  }
}

// What a thread works with: the lists of a block of queries, and a panel.
struct Workspace {
  Buffer<Hit> hits;
  std::vector<Seeker> seekers;
  Panel panel;
  Buffer<double> slope, floor, sums;
  template <class X>
  Workspace(const X& side, index lanes, index in_panel, index queries, index kept)
      : hits(checked_product(queries, Best::room(kept))),
        seekers(static_cast<std::size_t>(queries)),
        panel(side, lanes, in_panel),
        slope(std::max(lanes, queries), 0),
        floor(std::max(lanes, queries), 0),
        sums(lanes) {}
  Seeker& seeker(index i) { return seekers[static_cast<std::size_t>(i)]; }
};

// Body of a search: makes a workspace a thread when it is first needed, gives it every task.
template <class Make, class Body>
void run(const Tasks& tasks, const Request& request, Shelf& shelf, const Make& make,
         const Body& body) {
  std::vector<std::unique_ptr<Workspace>> spaces(static_cast<std::size_t>(request.n_threads));
  threads::parallel_blocks(tasks.blocks * tasks.parts, request.n_threads,
                           [&](index task, int thread) {
                             auto& space = spaces[static_cast<std::size_t>(thread)];
                             if (!space) space = make();
                             if (!body(task, thread, *space)) return;
                             for (index i = tasks.first(task); i < tasks.last(task); ++i)
                               shelf.put(task, i, space->seeker(i - tasks.first(task)).best);
                           });
  shelf.merge(request.n_threads);
}

// Queries in lanes.
template <class T, class Q>
void scan_items(const Q& queries, const Csr<T>& items, const Request& request, const Found& out) {
  const auto& kernels = sparse_kernels<T>();
  const Measures of_queries = measure(queries, request.metric, request.n_threads),
                 of_items = measure(items, request.metric, request.n_threads);
  const Judge judge(request, of_queries.terms + of_items.terms);
  const index kept = std::min(request.n, items.rows);
  const index width = queries_at_once(kept, kernels.lanes);
  const Tasks tasks(queries.rows, items.rows, width, kept, request.n_threads);
  Shelf shelf(tasks, judge, request.n, kept, out);
  const Buffer<double> nothing(items.rows, 0);
  const auto make = [&] {
    return std::make_unique<Workspace>(queries, kernels.lanes, width, width, kept);
  };
  run(tasks, request, shelf, make, [&](index task, int thread, Workspace& w) {
    const index first = tasks.first(task), count = tasks.last(task) - first;
    w.panel.pack(queries, of_queries.factor.data(), first, first + count);
    for (index i = 0; i < count; ++i) {
      w.seeker(i) = Seeker(request, judge, first + i, of_queries.level[first + i],
                           w.hits.data() + i * Best::room(kept), kept, judge.first_cut());
      w.slope[i] = w.seeker(i).rule.slope, w.floor[i] = w.seeker(i).rule.floor;
    }
    for (index i = count; i < kernels.lanes; ++i)
      w.slope[i] = 0, w.floor[i] = std::numeric_limits<double>::infinity();
    const PanelTask<T> panel{
        items.value,           items.column,         items.start,    of_items.factor.data(),
        w.panel.slot.data(),   w.panel.lines.data(), w.slope.data(), w.floor.data(),
        of_items.level.data(), nothing.data()};
    const index last = tasks.last_item(task);
    for (index j = tasks.first_item(task); j < last;) {
      if (halted(thread)) return false;
      const index stop = std::min(last, j + kPoll);
      while (j < stop) {
        std::uint32_t hits = 0;
        j = kernels.panel_hit(panel, j, stop, w.sums.data(), &hits);
        if (j == stop) break;
        each_hit(hits, count, [&](index i) {
          Seeker& s = w.seeker(i);
          const double key =
              key_of(judge, queries, first + i, items, j, w.sums[i], s.level, of_items.level[j]);
          if (s.offer(judge, {key, j})) w.slope[i] = s.rule.slope, w.floor[i] = s.rule.floor;
        });
        ++j;
      }
    }
    w.panel.clear(queries, first, first + count);
    return true;
  });
}

// Items in lanes.
template <class T>
void scan_queries(const Csr<T>& queries, const View<T>& items, const Request& request,
                  const Found& out) {
  const auto& kernels = sparse_kernels<T>();
  const index lanes = kernels.lanes, kept = std::min(request.n, items.rows);
  const Measures of_queries = measure(queries, request.metric, request.n_threads),
                 of_items = measure(items, request.metric, request.n_threads);
  const Judge judge(request, of_queries.terms + of_items.terms);
  // Enough queries to outweigh the packing of the items.
  const index entries = queries.start[queries.rows] / queries.rows;
  const index wanted = std::max<index>(256, 16 * items.cols / std::max<index>(entries, 1));
  const Tasks tasks(queries.rows, items.rows, queries_at_once(kept, std::min(wanted, queries.rows)),
                    kept, request.n_threads);
  Shelf shelf(tasks, judge, request.n, kept, out);
  const Buffer<double> nothing(lanes, 0);
  const auto make = [&] {
    return std::make_unique<Workspace>(items, lanes, lanes, tasks.per_block, kept);
  };
  run(tasks, request, shelf, make, [&](index task, int thread, Workspace& w) {
    const index first = tasks.first(task), count = tasks.last(task) - first;
    for (index i = 0; i < count; ++i) {
      w.seeker(i) = Seeker(request, judge, first + i, of_queries.level[first + i],
                           w.hits.data() + i * Best::room(kept), kept, judge.first_cut());
      w.slope[i] = w.seeker(i).rule.slope, w.floor[i] = w.seeker(i).rule.floor;
    }
    Buffer<double> level(lanes, 0);
    const PanelTask<T> panel{queries.value,
                             queries.column,
                             queries.start + first,
                             of_queries.factor.data() + first,
                             nullptr,
                             w.panel.lines.data(),
                             level.data(),
                             nothing.data(),
                             w.slope.data(),
                             w.floor.data()};
    const index last = tasks.last_item(task);
    for (index j = tasks.first_item(task); j < last; j += lanes) {
      if (halted(thread)) return false;
      const index here = std::min(lanes, last - j);
      w.panel.pack(items, of_items.factor.data(), j, j + here);
      std::copy_n(of_items.level.data() + j, here, level.data());
      for (index i = 0; i < count; ++i) {
        std::uint32_t hits = 0;
        i = kernels.panel_hit(panel, i, count, w.sums.data(), &hits);
        if (i == count) break;
        Seeker& s = w.seeker(i);
        each_hit(hits, here, [&](index lane) {
          const double key = key_of(judge, queries, first + i, items, j + lane, w.sums[lane],
                                    s.level, level[lane]);
          if (s.offer(judge, {key, j + lane})) w.slope[i] = s.rule.slope, w.floor[i] = s.rule.floor;
        });
      }
    }
    return true;
  });
}

// Where there is nothing to compare with, all lists are empty.
template <class Q, class Y, class F>
void unless_empty(const Q& queries, const Y& items, const Request& request, const Found& out,
                  const F& f) {
  if (queries.rows == 0) return;
  if (items.rows > 0) return f();
  const Judge judge(request, 0);
  for (index i = 0; i < queries.rows; ++i) emit(Best(), judge, i, request.n, out);
}

}  // namespace

template <class T>
void scan(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out) {
  unless_empty(queries, items, request, out, [&] { scan_items(queries, items, request, out); });
}
template <class T>
void search(const View<T>& queries, const Csr<T>& items, const Request& request, const Found& out) {
  unless_empty(queries, items, request, out, [&] { scan_items(queries, items, request, out); });
}
template <class T>
void search(const Csr<T>& queries, const View<T>& items, const Request& request, const Found& out) {
  unless_empty(queries, items, request, out, [&] { scan_queries(queries, items, request, out); });
}

template void scan(const Csr<float>&, const Csr<float>&, const Request&, const Found&);
template void scan(const Csr<double>&, const Csr<double>&, const Request&, const Found&);
template void search(const View<float>&, const Csr<float>&, const Request&, const Found&);
template void search(const View<double>&, const Csr<double>&, const Request&, const Found&);
template void search(const Csr<float>&, const View<float>&, const Request&, const Found&);
template void search(const Csr<double>&, const View<double>&, const Request&, const Found&);

}  // namespace coterie::top_n
