// Prim's algorithm, on a filter in float32.
#pragma once
#include <tuple>
#include <vector>

#include "linkage.hpp"

namespace coterie::linkage {

constexpr index kPoll = 256;  // steps between two looks at Ctrl-C

inline bool before(const Merge& a, const Merge& b) {
  return std::tie(a.height, a.low, a.high) < std::tie(b.height, b.low, b.high);
}

// The edges of spanning_tree(); none where the filter tells too little. x: finite, fewer than 2^31
// rows; all but hamming and jaccard, euclidean as sqeuclidean.
std::vector<Merge> filtered_tree(const View<double>& x, PairMetric metric, int n_threads,
                                 const Progress& progress);

}  // namespace coterie::linkage
