// Single linkage of points of many features: Boruvka's rounds (boruvka.cpp), with lists of
// neighbours from tiles of products instead of a tree.
//
// A search is a filter in float32. With z = s (x - m), m the median of features, s a power of two,
// half the square of a distance is
//
//   |z_i|^2 / 2 + |z_j|^2 / 2 - <z_i, z_j>
//
// of which the filter computes the last two terms less c (|z_j|^2 + |z_i| |z_j|), more than they
// can be wrong by. So what it finds is never too far, pair by pair: points in the middle are told
// apart even where others are a million times as far from it. What a list names is measured in
// float64; what is not farther than anything the list leaves out may be is certain, in the order of
// (distance, id). A point of which the filter can tell nothing is compared with all others.
//
// Where it can tell nothing of many (groups much tighter than they are apart, points that are there
// often), Prim's algorithm takes over.
#include <atomic>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <tuple>

#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "../../engine/rounding.hpp"
#include "boruvka.hpp"
#include "points.hpp"
#include "rows.hpp"

namespace coterie::linkage {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();
constexpr index kList = 8;  // neighbours a point lists
constexpr index kBlock = kClusterQueries;
constexpr std::size_t kBatch = 1024;     // searches between two looks at what they found
constexpr index kSample = 512;           // points that are tried first
constexpr index kVague = kSample / 128;  // of which so many may be compared with all others

struct Neighbour {
  double distance;
  index id;
  bool operator<(const Neighbour& other) const {
    return std::tie(distance, id) < std::tie(other.distance, other.id);
  }
};

// The points as the filter reads them: panels of depth + 2 features.
class Filter {
 public:
  Filter(const View<double>& x, PairMetric metric, int n_threads)
      : depth(x.cols + 2),
        cosine_(metric == PairMetric::cosine),
        share_(static_cast<double>(depth + 8) * 0x1p-23),
        floor_(floor_of<float>(depth)),
        half_(x.rows, 1.0),
        panels_(checked_product(whole_panels(x.rows), depth), 0.0f) {
    const std::vector<double> middle = cosine_ ? std::vector<double>(x.cols, 0.0) : middle_of(x);
    double largest = cosine_ ? 1 : 0;
    for (index i = 0; i < x.rows && !cosine_; ++i) {
      double sum = 0;
      for (index f = 0; f < x.cols; ++f)
        sum += (x.row(i)[f] - middle[f]) * (x.row(i)[f] - middle[f]);
      half_[i] = sum;
      largest = std::max(largest, sum);
    }
    sound = largest > 1e-200 && largest < 1e200;
    if (!sound) return;
    const double scale = cosine_ ? 1 : std::exp2(-std::ceil(std::log2(largest) / 2));
    unit_ = cosine_ ? 1 : 2 / (scale * scale);
    threads::parallel_blocks(whole_panels(x.rows) / kPanel, n_threads, [&](index p, int) {
      for (index i = p * kPanel; i < std::min(x.rows, (p + 1) * kPanel); ++i)
        write(x.row(i), middle, scale, i);
    });
  }

  void query(index i, float* to) const {
    for (index f = 0; f < depth - 2; ++f) to[f] = at(i)[f * kPanel];
    to[depth - 2] = 1;
    to[depth - 1] = static_cast<float>(share_ * std::sqrt(cosine_ ? 1 : 2 * half_[i]));
  }
  // What the filter's value says of the distance of point i: it is at least that, as computed.
  double least(index i, float value) const {
    const double d = unit_ * (half_[i] + double(value) - floor_),
                 n = static_cast<double>(depth + 64);
    return cosine_ ? d - n * 0x1p-50 : d * (1 - n * 0x1p-50);
  }

  const index depth;
  const float* panels() const { return panels_.data(); }
  bool sound = false;  // nothing overflows

 private:
  float* at(index i) { return panels_.data() + i / kPanel * kPanel * depth + i % kPanel; }
  const float* at(index i) const { return const_cast<Filter*>(this)->at(i); }

  void write(const double* x, const std::vector<double>& middle, double scale, index i) {
    float* to = at(i);
    for (index f = 0; f < depth - 2; ++f)
      to[f * kPanel] = static_cast<float>((x[f] - middle[f]) * scale);
    half_[i] *= cosine_ ? 1 : scale * scale / 2;
    const double square = cosine_ ? 1 : 2 * half_[i];
    to[(depth - 2) * kPanel] = static_cast<float>(share_ * square - (cosine_ ? 0 : half_[i]));
    to[(depth - 1) * kPanel] = static_cast<float>(std::sqrt(square));
  }

  const bool cosine_;
  const double share_, floor_;
  double unit_ = 1;      // of distances
  Buffer<double> half_;  // |z|^2 / 2; cosine: 1
  Buffer<float> panels_;
};

using Bound = std::atomic<double>;

void lower(Bound& bound, double d) {
  double now = bound.load(std::memory_order_relaxed);
  while (d < now && !bound.compare_exchange_weak(now, d, std::memory_order_relaxed)) {
  }
}

class Tiles {
 public:
  Tiles(const View<double>& x, PairMetric metric, int n_threads)
      : x_(x),
        n_(x.rows),
        metric_(metric),
        n_threads_(n_threads),
        filter_(x, metric, n_threads),
        listed_(n_ * kList),
        size_(n_, 0),
        first_(n_, 0),
        beyond_(n_, Neighbour{-kFar, -1}),
        part_(whole_panels(n_), 0),
        parts_(n_) {
    std::iota(part_.data(), part_.data() + n_, 0);
  }

  // Whether the filter tells enough.
  bool tells() {
    if (!filter_.sound) return false;
    std::vector<index> some;
    for (index i = 0; i < kSample; ++i) some.push_back(i * n_ / kSample);
    std::atomic<index> vague{0};
    search(some, false, [&](index i) { vague += size_[i] == 0; });
    return vague <= kVague;
  }

  std::vector<Merge> run(const Progress& progress) {
    std::vector<Merge> edges;
    edges.reserve(static_cast<std::size_t>(n_ - 1));
    std::vector<index> rows(n_);
    std::iota(rows.begin(), rows.end(), index{0});
    search(rows, false, [&](index i) { settle(i, false); });
    best_ = std::vector<Bound>(n_);
    while (parts_ > 1) {
      offer();
      search_outside();
      join(choose(), edges);
      if (interrupt::pending()) throw Interrupted();
      if (progress) progress(static_cast<index>(edges.size()));
    }
    return edges;
  }

 private:
  double distance(index i, index j) const {
    return row_distance(metric_, x_.row(i), x_.row(j), x_.cols);
  }

  // Makes the lists of rows, of other parts' points alone if `outside`; then(row) for each.
  template <class F>
  void search(const std::vector<index>& rows, bool outside, const F& then) {
    const index all = static_cast<index>(rows.size());
    const double work = double(all) * double(n_) * double(filter_.depth) / 16;
    const int team = threads::worth(work, n_threads_);
    threads::parallel_blocks((all + kBlock - 1) / kBlock, team, [&](index b, int) {
      const index first = b * kBlock, count = std::min(kBlock, all - first);
      search_block(rows.data() + first, count, outside);
      for (index q = 0; q < count; ++q) then(rows[first + q]);
    });
  }

  void search_block(const index* rows, index count, bool outside) {
    Buffer<float> x(count * filter_.depth);
    float distance[kBlock * kList], beyond[kBlock];
    index nearest[kBlock * kList];
    std::int32_t own[kBlock];
    std::fill_n(nearest, kBlock * kList, index{-1});
    for (index q = 0; q < count; ++q) {
      filter_.query(rows[q], x.data() + q * filter_.depth);
      own[q] = part_[rows[q]];
    }
    NearPointsTask task{filter_.depth,    count,    kList,   n_,    x.data(), rows,
                        filter_.panels(), distance, nearest, beyond};
    task.from = 0;
    task.own = own;
    task.part = outside ? part_.data() : nullptr;
    isa::table().linkage->near_points[int(PointMetric::product)](task);
    for (index q = 0; q < count; ++q) take(rows[q], nearest + q * kList, beyond[q]);
  }

  void take(index i, const index* nearest, float beyond) {
    Neighbour* list = listed_.data() + i * kList;
    index count = 0;
    for (; count < kList && nearest[count] >= 0; ++count)
      list[count] = {distance(i, nearest[count]), nearest[count]};
    std::sort(list, list + count);
    beyond_[i] = {std::isinf(beyond) ? kFar : filter_.least(i, beyond), -1};
    while (count > 0 && !(list[count - 1] < beyond_[i])) --count;
    size_[i] = static_cast<std::uint8_t>(count);
    first_[i] = 0;
  }

  // Of a row whose list is empty, the least of all distances.
  void settle(index i, bool outside) {
    if (size_[i] > 0) return;
    Neighbour* list = listed_.data() + i * kList;
    index count = 0;
    for (index j = 0; j < n_; ++j) {
      if (j == i || (outside && part_[j] == part_[i])) continue;
      const Neighbour one{distance(i, j), j};
      if (count == kList && !(one < list[count - 1])) continue;
      index to = count < kList ? count++ : kList - 1;
      for (; to > 0 && one < list[to - 1]; --to) list[to] = list[to - 1];
      list[to] = one;
    }
    beyond_[i] = count < kList ? Neighbour{kFar, n_} : list[count - 1];
    size_[i] = static_cast<std::uint8_t>(count);
  }

  // The first of each list that is outside.
  void offer() {
    for (index p = 0; p < parts_; ++p) best_[p].store(kFar, std::memory_order_relaxed);
    constexpr index block = 1024;
    const int team = threads::worth(10.0 * static_cast<double>(n_), n_threads_);
    threads::parallel_blocks((n_ + block - 1) / block, team, [&](index b, int) {
      for (index i = b * block; i < std::min(n_, (b + 1) * block); ++i) {
        while (first_[i] < size_[i] && part_[listed(i).id] == part_[i]) ++first_[i];
        if (first_[i] < size_[i]) lower(best_[part_[i]], listed(i).distance);
      }
    });
  }
  const Neighbour& listed(index i) const { return listed_[i * kList + first_[i]]; }

  // Is the list used up, and could what it left out be the least of the part?
  bool wanted(index i) const {
    return part_[i] != largest_ && first_[i] == size_[i] &&
           beyond_[i].distance <= best_[part_[i]].load(std::memory_order_relaxed);
  }
  void search_outside() {
    std::vector<index> rows, some;
    for (index i = 0; i < n_; ++i)
      if (wanted(i)) rows.push_back(i);
    std::sort(rows.begin(), rows.end(), [&](index a, index b) { return beyond_[a] < beyond_[b]; });
    for (std::size_t at = 0; at < rows.size(); at += kBatch) {  // many are ruled out by then
      const auto from = rows.begin() + static_cast<std::ptrdiff_t>(at);
      const auto to = from + static_cast<std::ptrdiff_t>(std::min(kBatch, rows.size() - at));
      some.clear();
      std::copy_if(from, to, std::back_inserter(some), [&](index i) { return wanted(i); });
      search(some, true, [&](index i) {
        settle(i, true);
        lower(best_[part_[i]], listed(i).distance);
      });
    }
  }

  // The least edge of each part, by the point that offers it; the largest part takes none: the
  // others find enough.
  std::vector<index> choose() const {
    std::vector<index> chosen(parts_, -1);
    for (index i = 0; i < n_; ++i) {
      const index part = part_[i];
      if (part == largest_ || first_[i] == size_[i]) continue;
      if (listed(i).distance > best_[part].load(std::memory_order_relaxed)) continue;
      if (chosen[part] < 0 || ends(i) < ends(chosen[part])) chosen[part] = i;
    }
    return chosen;
  }
  std::pair<index, index> ends(index i) const { return std::minmax(i, index{listed(i).id}); }

  void join(const std::vector<index>& chosen, std::vector<Merge>& edges) {
    std::vector<std::int32_t> root(parts_);
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&](std::int32_t p) {
      while (root[p] != p) p = root[p] = root[root[p]];
      return p;
    };
    for (const index i : chosen) {
      if (i < 0) continue;
      const std::int32_t a = find(part_[i]), b = find(part_[listed(i).id]);
      if (a == b) continue;  // the other one has taken the same edge
      root[std::max(a, b)] = std::min(a, b);
      const auto [low, high] = ends(i);
      edges.push_back({listed(i).distance, low, high});
    }
    std::vector<std::int32_t> label(parts_);
    std::int32_t count = 0;
    for (std::int32_t p = 0; p < parts_; ++p)  // a root comes before those it stands for
      label[p] = root[p] == p ? count++ : label[find(p)];
    std::vector<index> size(count, 0);
    for (index i = 0; i < n_; ++i) ++size[part_[i] = label[part_[i]]];
    parts_ = count;
    largest_ = std::max_element(size.begin(), size.end()) - size.begin();
  }

  const View<double> x_;
  const index n_;
  const PairMetric metric_;
  const int n_threads_;
  const Filter filter_;
  Buffer<Neighbour> listed_;                // kList a point, ascending
  std::vector<std::uint8_t> size_, first_;  // how many; the first one of another part
  std::vector<Neighbour> beyond_;           // what is not listed comes after that
  Buffer<std::int32_t> part_;               // of a point
  std::vector<Bound> best_;                 // of a part: its least distance to another one
  index parts_, largest_ = -1;
};

}  // namespace

std::vector<Merge> spanning_tree_high(const View<double>& x, PairMetric metric, int n_threads,
                                      const Progress& progress) {
  if (x.rows >= kSample) {
    Tiles tiles(x, metric == PairMetric::euclidean ? PairMetric::sqeuclidean : metric, n_threads);
    if (tiles.tells()) return tiles.run(progress);
  }
  return spanning_tree(x, metric, n_threads, progress);
}

}  // namespace coterie::linkage
