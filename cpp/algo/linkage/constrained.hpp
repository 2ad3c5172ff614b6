// Agglomeration along the edges of a graph: only clusters that an edge joins may merge.
//
//   ward      2 n_a n_b / (n_a + n_b) |m_a - m_b|^2, root reported, from sizes and means
//   complete  the larger of the two sides' values
//   average   (n_a a + n_b b) / (n_a + n_b)
//   single    the smaller
//
// Where only one of two merged clusters had an edge to a third, the merged one keeps that edge and
// its value: distances between rows without an edge never count (as in scikit-learn's structured
// clustering). Ward's values are those of the clusters themselves, so that they, unlike the others,
// may fall from merge to merge.
//
// Every merge takes the smallest (distance, smaller name, larger name); a row's name is its number,
// a cluster's the largest number in it; for single both are the rows of the edge. With e edges that
// is O(e log^2 e) operations: of two clusters the one with fewer edges hands them over. But ward
// measures all edges of a merged cluster anew, and where many distances are equal the order of ties
// has complete and average look at them, too, as names change. single is Kruskal's algorithm.
#pragma once
#include <vector>

#include "../../base/view.hpp"

namespace coterie::linkage {

enum class Constrained { ward, complete, average, single };

// Edge e joins nodes a[e] < b[e] < nodes; no pair occurs twice.
struct Graph {
  const std::int32_t *a, *b;
  index edges, nodes;
};

struct Merges {
  std::vector<std::int64_t>
      children;  // two a merge, the smaller first; merge t forms number nodes + t
  std::vector<double> heights;
};

// Merges until n_clusters are left. lengths: one an edge, finite; x: nodes rows, finite. Ward reads
// x alone, the others lengths alone. Throws std::invalid_argument where the graph has more
// components than n_clusters.
Merges constrained(const Graph& graph, Constrained method, const double* lengths,
                   const View<double>& x, index n_clusters);

}  // namespace coterie::linkage
