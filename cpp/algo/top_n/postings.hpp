// The transpose of a Csr, made for adding columns up: lists of items, or whole lines where a column
// is dense.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/threads.hpp"
#include "../../base/view.hpp"

namespace coterie::top_n {

template <class T>
struct Posting {
  T value;
  std::int32_t item;
};

// Column c: list[start[c]] to list[start[c + 1]], items ascending, or line line_of[c] of `lines`,
// one value an item. Values are multiplied by the item's factor.
template <class T>
struct Postings {
  Buffer<Posting<T>> list;
  Buffer<std::int64_t> start;
  Buffer<T> lines;
  Buffer<std::int32_t> line_of;  // -1: a list
  Postings(const Csr<T>& x, const double* factor, int n_threads);

 private:
  void choose_lines(const Buffer<std::int64_t>& counts, index items);
};

// Entries of every column.
template <class T>
Buffer<std::int64_t> column_counts(const Csr<T>& x) {
  Buffer<std::int64_t> counts(x.cols, 0);
  for (index e = 0; e < x.start[x.rows]; ++e) ++counts[x.column[e]];
  return counts;
}

// A column of which more than a sixteenth is there is added up faster as a line (bench: top_n,
// power law), but lines beyond 32 MB would leave the cache.
template <class T>
void Postings<T>::choose_lines(const Buffer<std::int64_t>& counts, index items) {
  constexpr index share = 16, memory = index{32} << 20;
  std::vector<std::int32_t> dense;
  for (index c = 0; c < counts.size(); ++c)
    if (counts[c] * share > items) dense.push_back(static_cast<std::int32_t>(c));
  std::sort(dense.begin(), dense.end(), [&](std::int32_t a, std::int32_t b) {
    return counts[a] > counts[b] || (counts[a] == counts[b] && a < b);
  });
  const index most = memory / (items * index(sizeof(T)));
  if (index(dense.size()) > most) dense.resize(static_cast<std::size_t>(most));
  for (std::size_t i = 0; i < dense.size(); ++i) line_of[dense[i]] = static_cast<std::int32_t>(i);
  lines = Buffer<T>(index(dense.size()) * items, T(0));
}

// Every thread counts and places the items of its own range, a slab at a time, so that Ctrl-C is
// heard.
template <class T>
Postings<T>::Postings(const Csr<T>& x, const double* factor, int n_threads)
    : start(x.cols + 1), line_of(x.cols, -1) {
  constexpr index memory = index{16} << 20, slab_entries = index{1} << 21;
  const index chunks = std::clamp<index>(
      memory / (8 * x.cols), 1, threads::worth(static_cast<double>(x.start[x.rows]), n_threads));
  const index rows = (x.rows + chunks - 1) / chunks;
  const index slabs = x.start[x.rows] / (slab_entries * chunks) + 1;
  Buffer<std::int64_t> next(chunks * x.cols, 0);
  const auto each_entry = [&](const auto& f) {
    for (index s = 0; s < slabs; ++s)
      threads::parallel_blocks(chunks, n_threads, [&](index chunk, int) {
        std::int64_t* own = next.data() + chunk * x.cols;
        const index begin = std::min(x.rows, chunk * rows), end = std::min(x.rows, begin + rows);
        const index size = (end - begin + slabs - 1) / slabs;
        for (index i = std::min(end, begin + s * size), to = std::min(end, i + size); i < to; ++i)
          for (index e = x.start[i]; e < x.start[i + 1]; ++e) f(own, i, e);
      });
  };
  each_entry([&](std::int64_t* own, index, index e) { ++own[x.column[e]]; });
  Buffer<std::int64_t> counts(x.cols, 0);
  for (index k = 0; k < chunks; ++k)
    for (index c = 0; c < x.cols; ++c) counts[c] += next[k * x.cols + c];
  choose_lines(counts, x.rows);
  std::int64_t at = 0;
  for (index c = 0; c < x.cols; ++c) {
    start[c] = at;
    for (index k = 0; k < chunks && line_of[c] < 0; ++k) {
      std::int64_t& own = next[k * x.cols + c];
      at += std::exchange(own, at);
    }
  }
  start[x.cols] = at;
  list = Buffer<Posting<T>>(at);
  each_entry([&](std::int64_t* own, index i, index e) {
    const index c = x.column[e];
    const T value = static_cast<T>(static_cast<double>(x.value[e]) * factor[i]);
    if (line_of[c] >= 0)
      lines[line_of[c] * x.rows + i] = value;
    else
      list[own[c]++] = {value, static_cast<std::int32_t>(i)};
  });
}

}  // namespace coterie::top_n
