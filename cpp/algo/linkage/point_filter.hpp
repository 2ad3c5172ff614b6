// Points in panels of float32, and the lists of those nearest to some of them: a filter in front of
// exact distances.
#pragma once
#include <vector>

#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "points.hpp"

namespace coterie::linkage {

class PointFilter {
 public:
  // read(i, to): point i.
  template <class Read>
  PointFilter(index count, index depth, PointMetric metric, int n_threads, const Read& read)
      : count_(count),
        depth_(depth),
        n_threads_(n_threads),
        near_(isa::table().linkage->near_points[static_cast<int>(metric)]),
        rows_(checked_product(count, depth)),
        panels_(checked_product(whole_panels(count), depth)) {
    constexpr index block = 4 * kPanel;
    const int team = threads::worth(double(count) * double(depth), n_threads);
    threads::parallel_blocks((count + block - 1) / block, team, [&](index b, int) {
      const index end = std::min(count, (b + 1) * block);
      for (index i = b * block; i < whole_panels(end); ++i) {
        float *row = rows_.data() + i * depth,
              *to = panels_.data() + i / kPanel * kPanel * depth + i % kPanel;
        if (i < end) read(i, row);
        for (index f = 0; f < depth; ++f) to[f * kPanel] = i < end ? row[f] : 0;
      }
    });
  }

  // found(i, distance, nearest, beyond) for each of these points: `keep` others, ascending, and
  // what is not among them is at least that far; nearest: -1 where there is none.
  template <class F>
  void search(const std::vector<index>& points, index keep, const F& found) const {
    constexpr index block = kClusterQueries;
    const index all = static_cast<index>(points.size());
    const double work = double(all) * double(count_) * double(depth_) / 16;
    threads::parallel_blocks(
        (all + block - 1) / block, threads::worth(work, n_threads_), [&](index b, int) {
          const index* own = points.data() + b * block;
          const index queries = std::min(block, all - b * block);
          std::vector<float> x(queries * depth_), distance(queries * keep);
          std::vector<index> nearest(queries * keep, -1);
          float beyond[block];
          for (index q = 0; q < queries; ++q)
            std::copy_n(rows_.data() + own[q] * depth_, depth_, x.data() + q * depth_);
          near_({depth_, queries, keep, count_, x.data(), own, panels_.data(), distance.data(),
                 nearest.data(), beyond});
          for (index q = 0; q < queries; ++q)
            found(own[q], distance.data() + q * keep, nearest.data() + q * keep, beyond[q]);
        });
  }

 private:
  const index count_, depth_;
  const int n_threads_;
  void (*near_)(const NearPointsTask&);
  Buffer<float> rows_, panels_;
};

}  // namespace coterie::linkage
