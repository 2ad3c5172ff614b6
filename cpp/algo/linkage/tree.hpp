// What can be read off a linkage matrix Z: orders, cuts, statistics of links, cophenetic distances.
//
// Z is (n - 1) x 4, as SciPy has it: row t joins the clusters Z(t, 0) and Z(t, 1) at height Z(t, 2)
// into cluster n + t; clusters 0 to n - 1 are the observations. Column 3 is not read. Heights may
// fall (centroid, median). n >= 2.
//
// "Link t" is row t, so arrays over links have n - 1 entries. Every result takes O(n) time and
// memory unless it says otherwise; nothing recurses, so a chain of a million links is like any
// other tree. Results have the same bits for any number of threads.
#pragma once
#include <utility>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"

namespace coterie::tree {

// The shape of the tree and its leaves from left to right. The members of any cluster stand side by
// side in that order: those of cluster c are leaf[start[c]] to leaf[start[c] + size[c] - 1].
struct Tree {
  // Throws std::invalid_argument, naming the row, unless every cluster but the last is joined
  // exactly once, after it was formed.
  explicit Tree(const View<double>& Z);

  index n;                    // observations
  Buffer<index> left, right;  // n - 1: the clusters that link t joins
  Buffer<double> height;      // n - 1
  Buffer<index> size, start;  // 2n - 1: members of a cluster, position of its first
  Buffer<index> leaf;         // n: observation at each position

  bool is_leaf(index cluster) const { return cluster < n; }
};

// out (n - 1): the largest value among link t and all links below it.
void subtree_max(const Tree& tree, const double* values, double* out);

// Cuts every link but those whose `criterion` is <= t or that lie below such a link. labels (n):
// clusters from 1, numbered depth first: whole clusters where they are met, left before right; a
// link's own leaves, left before right, after all that is below the link.
void flat_clusters(const Tree& tree, const double* criterion, double t, std::int32_t* labels);

// The smallest t at which flat_clusters leaves at most k >= 1 clusters; -infinity for k >= n.
double threshold_for(const Tree& tree, const double* criterion, index k);

// rank (n - 1): the position of each link in the order in which links are made as clusters become
// fewer. That is by height, of equal heights the deeper and the more leftward first; where heights
// fall somewhere, the order of rows. O(n log n).
void merge_ranks(const Tree& tree, double* rank);

// labels (cuts x n): in row c the clusters after all links with key < t[c], from 0 in the order of
// their first observation. A link's key must not be below those of the links under it. O(cuts n).
void cut(const Tree& tree, const double* key, const double* t, index cuts, std::int64_t* labels,
         int n_threads);

// (cluster, label) for the topmost clusters whose members all have one label, in post-order.
std::vector<std::pair<index, std::int32_t>> leaders(const Tree& tree, const std::int32_t* labels);

// out ((n - 1) x 4): mean and standard deviation (n - 1 in the denominator; 0 of a single one) of
// the heights of link t and the links down to `depth` levels, itself the first; their number;
// (height - mean) / deviation, or 0. Time in proportion to the numbers.
void inconsistency(const Tree& tree, index depth, double* out, int n_threads);

// out (n (n - 1) / 2, condensed): the height of the link at which two observations meet. O(n^2).
void cophenetic(const Tree& tree, double* out, int n_threads);

// out ((n - 1) x 2): the two columns of clusters, some swapped, so that the sum of distances
// between neighbours among the leaves is the least that any such swaps give. distances: condensed,
// finite. O(n^3) time, at most 10 n^2 bytes.
void optimal_order(const Tree& tree, const double* distances, double* out, int n_threads);

}  // namespace coterie::tree
