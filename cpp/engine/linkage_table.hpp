// The leaves of linkage alone (engine/leaf/linkage.cpp); plain structs, as in table.hpp.
#pragma once
#include <cstdint>

#include "lance_williams.hpp"

namespace coterie {

// A few clusters against many, sixteen of which stand side by side (engine/leaf/near_clusters.hpp,
// engine/leaf/cluster_lines.hpp).
constexpr int kClusterQueries = 16;
struct ClusterTask {
  std::int64_t depth, queries;  // queries <= kClusterQueries
  std::int64_t members;         // of all queries
  const double* x;              // members x depth
  const float* x_share;         // of each member in the mean of its cluster
  const std::int32_t* query;    // whose it is
  std::int64_t groups, tall;    // group g >= tall: sixteen parts of one cluster, in lane 0's slot
  const std::int64_t* height;   // of each group: panels of depth x 16
  const double* panels;
  const float* share;  // 16 a panel; zero where there is no member
};
struct NearClustersTask : ClusterTask {
  std::int64_t keep;
  const std::int64_t* self;        // of each query: the slot that does not count
  const std::int64_t* self_group;  // and the group where that stands
  const std::int64_t* slots;       // 16 a group, -1 where there is no cluster
  float* distance;                 // queries x keep, ascending
  std::int64_t* nearest;           // queries x keep: slots, -1 where there is none
  float* beyond;                   // of each query: what is not listed is at least that far
};

// The distance of two clusters from those of their members.
enum class ClusterMetric {
  farthest_square,
  mean,
  farthest_cosine,
  farthest_city,
  mean_city,
  farthest_chebyshev,
  mean_chebyshev
};
constexpr int kClusterMetrics = 7;

// A few points against many (engine/leaf/near_points.hpp).
struct NearPointsTask {
  std::int64_t depth, queries, keep, count;  // queries <= kClusterQueries; count of the many
  const float* x;                            // queries x depth
  const std::int64_t* self;                  // of each query: the point that does not count
  const float* panels;                       // ceil(count / 16) of depth x 16
  float* distance;                           // the rest as above
  std::int64_t* nearest;
  float* beyond;
  float from = 1;                      // distances are this less products
  const std::int32_t* part = nullptr;  // of each of the many: those of the query's own part
  const std::int32_t* own = nullptr;   // do not count; no parts: all others do
};

enum class PointMetric { product, square };

// A point that joined the tree against `count` in panels (engine/leaf/tree_step.hpp). Of each: its
// least distance to the tree, to whom (the lowest id of those), and the least but one; whole
// panels.
struct TreeStepTask {
  std::int64_t depth, count;
  const float *x, *panels;  // what fills up the last panel: far
  float *best, *next;
  std::int32_t *from, id;
};
struct TreeNearest {
  float least, second;  // of `best`
  std::int64_t at;
};
enum class StepMetric { square, city, chebyshev };
constexpr std::int64_t kTreeSteps = 32;  // features that are summed up at a time
constexpr std::int64_t tree_roundings(std::int64_t depth) {
  return (depth < kTreeSteps ? depth : kTreeSteps) + depth / kTreeSteps + 8;
}

// A point against `count` in panels (engine/leaf/center_step.hpp).
struct CenterTask {
  std::int64_t depth, count;
  const float *x, *panels;  // what fills up the last panel: far
};

// Pairs that merge (engine/leaf/merge_rows.hpp); arrays are readable up to a multiple of 16.
struct PairsTask {
  std::int64_t count;
  const std::int32_t *low, *high;  // columns, no two alike
  const double *apart, *n_low, *n_high;
};
template <class T>
struct RowKernels {  // by Update
  void (*replace[4])(const PairsTask&, double n_other, T* row);
  void (*unite[4])(const T* low, T* high, const double* n_other, std::int64_t count, double apart,
                   double n_low, double n_high);
};

struct LinkageTable {
  void (*near_clusters[kClusterMetrics])(const NearClustersTask&);
  // Sums are divided by the sizes of both clusters (sizes: 16 a group), unless those are null.
  void (*cluster_lines[kClusterMetrics])(const ClusterTask&, const double* own_sizes,
                                         const double* sizes, double* out);
  void (*near_points[2])(const NearPointsTask&);     // by PointMetric
  TreeNearest (*tree_step[3])(const TreeStepTask&);  // by StepMetric
  TreeNearest (*center_nearest)(const CenterTask&, float* values);
  std::int64_t (*center_within)(const CenterTask&, const float* reach, std::int32_t* found);
  RowKernels<float> rows_float;
  RowKernels<double> rows_double;
};

}  // namespace coterie
