// Exact top-N: for each query row q the n items y of highest rank, ties to the lowest index.
//
//   cosine     s = <q, y> / (|q| |y|), 0 where either is zero; angular: arccos(s) / pi
//   dot        s = <q, y>
//   euclidean  s = -|q - y|^2, reported as |q - y|
//
// Kernels are filters (float32 products, or bytes); what they cannot rule out is ranked by s in
// float64, in one order of additions. So results have the same bits for any number of threads and
// on any ISA, whether bytes or float32 filtered, and whether or not a self-join shares its
// products.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../../base/view.hpp"

namespace coterie::top_n {

enum class Metric { cosine, dot, euclidean, angular };

inline bool is_distance(Metric m) { return m == Metric::euclidean || m == Metric::angular; }

// What each query must not return: ascending item numbers item[start[i]] .. item[start[i + 1]];
// start may be null.
struct Exclude {
  const std::int64_t* start = nullptr;
  const std::int64_t* item = nullptr;
};

struct Options {
  index n = 1;
  double threshold = 0;  // only what is at least as similar (a distance: at most as far)
  Exclude exclude;
  const std::uint8_t* deny = nullptr;  // items that nobody gets
  bool exclude_self = false;           // query i does not get item i
  int n_threads = 1;
};

// rows x n: item numbers and what is reported of them. Where fewer than n items remain: -1, and
// -infinity (a distance: +infinity).
template <class T>
struct Result {
  std::int64_t* items;
  T* scores;
};

template <class T>
class Items;  // algo/top_n/items.hpp

// The filter works in bytes if the items were prepared for it.
template <class T>
void search(const View<T>& queries, const Items<T>& items, const Options& options,
            Result<T> result);

// out(queries, items), C-ordered: what `search` would report of every pair.
template <class T>
void similarity(const View<T>& queries, const View<T>& items, Metric metric, T* out, int n_threads);

}  // namespace coterie::top_n
