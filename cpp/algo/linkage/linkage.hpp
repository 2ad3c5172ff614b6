// Agglomerative linkage: n - 1 merges, each of the two clusters that are nearest by
// (distance, smaller id, larger id).
//
//   single     least distance of two points           Prim or Boruvka from points, O(n d)
//   complete   greatest                               from members, then a square matrix of few
//   average    mean                                   likewise, or O(n d) by a closed form
//   weighted   mean of the two children's             likewise
//   ward       sqrt(2 |A||B| / (|A| + |B|)) |a - b|   O(n d), or square matrix
//   centroid   |a - b|, a the mean                    likewise
//   median     |a - b|, a the children's midpoint     likewise
//
// The first four and ward are reducible: merging two clusters brings none nearer than the nearer of
// them was. All pairs that are each other's nearest then merge in one round, whatever else happens
// (Bruynooghe 1977; Murtagh 1983). Updates: Lance & Williams 1967.
//
// Distances are float64 from differences, feature by feature, so results have the same bits for any
// number of threads and on any ISA.
#pragma once
#include <functional>
#include <vector>

#include "../../base/view.hpp"
#include "../../engine/table.hpp"

namespace coterie::linkage {

enum class Method { single, complete, average, weighted, centroid, median, ward };

// Clusters go by a point of theirs: the last (largest) one.
struct Merge {
  double height;
  index low, high;
};

using Progress = std::function<void(index merges)>;  // called now and then; may throw
// Asked before a matrix of distances of so many clusters is allocated; throws where it does not
// fit.
using Room = std::function<void(index bytes, index clusters)>;

// Condensed distances: out[n * i - i * (i + 1) / 2 + j - i - 1] for i < j. Rows of unit length for
// cosine.
void pairwise(const View<double>& x, PairMetric metric, double* out, int n_threads);
// out (x.rows x y.rows): from the rows of x to those of y.
void cross(const View<double>& x, const View<double>& y, PairMetric metric, double* out,
           int n_threads);

// The minimum spanning tree under (distance, smaller id, larger id), n - 1 edges; euclidean as
// sqeuclidean.
std::vector<Merge> spanning_tree(const View<double>& x, PairMetric metric, int n_threads,
                                 const Progress& progress);
std::vector<Merge> spanning_tree(const double* condensed, index n, const Progress& progress);

// From points alone: ward, average and weighted of squared distances; of cosines (unit rows).
// Heights are squared for ward.
std::vector<Merge> merge_points(const View<double>& x, Method method, PairMetric metric,
                                int n_threads, const Progress& progress);
// complete, average and weighted of distances of which members of clusters tell: from points while
// clusters are many, then by a matrix of T of those that are left.
bool by_members(const View<double>& x, Method method, PairMetric metric);
template <class T>
std::vector<Merge> merge_members(const View<double>& x, Method method, PairMetric metric,
                                 const Room& room, int n_threads, const Progress& progress);
// How many are left at most, where rounds merge enough of them; and the bytes all that takes.
constexpr index members_left(index n) { return n / 8 > 1024 ? n / 8 : 1024; }
template <class T>
index members_bytes(index n, index depth);
// centroid, median: z complete.
void merge_centers(const View<double>& x, Method method, int n_threads, const Progress& progress,
                   double* z);

// By a square matrix of T (square.hpp): of lines of distances, or given whole and taken over; ward,
// centroid and median on their squares. Reducible methods return merges, the others fill z.
template <class T>
class Lines;
template <class T>
class Square;
template <class T>
std::vector<Merge> merge_matrix(Square<T>& distances, Method method, int n_threads,
                                const Progress& progress);
template <class T>
std::vector<Merge> merge_lines(const Lines<T>& lines, Method method, const Room& room,
                               int n_threads, const Progress& progress);
// From clusters: what was merged before, what they go by and their sizes, ids ascending.
struct Start {
  std::vector<Merge> merges;
  std::vector<index> ids;
  std::vector<double> sizes;
};
template <class T>
std::vector<Merge> merge_matrix_from(Square<T>& distances, Start start, Method method,
                                     int n_threads, const Progress& progress);
// complete, average and weighted of points of which many are equal, not by cosine; none where too
// many are left.
template <class T>
std::vector<Merge> merge_distinct(const View<double>& x, Method method, PairMetric metric,
                                  const Room& room, int n_threads, const Progress& progress);
template <class T>
void merge_matrix_in_order(Square<T>& distances, Method method, const Progress& progress,
                           double* z);

// Merges to SciPy's matrix Z, (n - 1) x 4: ids, height, size. edges: of a spanning tree, any order.
// merges: children before parents; a parent is never lower than its children. `root` takes the
// square root of heights.
void emit_edges(std::vector<Merge> edges, index n, bool root, double* z);
void emit_merges(std::vector<Merge> merges, index n, bool root, double* z);

}  // namespace coterie::linkage
