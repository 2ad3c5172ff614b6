// Prim's algorithm on a filter in float32: half the bytes, twice the lanes, and no exact distance
// but of the edges themselves and of what the filter cannot tell apart.
//
// With z = s (x - m), m the median of features, s a power of two, a point outside knows its least
// value |z - t| to points t of the tree, whose it is, and the least but one. The point of the
// least value of all joins by that edge, if neither another one's value nor its own second one is
// so near to that value that rounding could have put them in the wrong order. Else those in
// question are decided in float64, by (distance, smaller id, larger id).
//
// Rounding is that of the coordinates of z, which is measured, and a share of the value. Where z
// are small integers, but for a factor, values are exact: ties are then told by ids alone.
#include <cmath>
#include <limits>
#include <memory>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "../../engine/rounding.hpp"
#include "equal_rows.hpp"
#include "points.hpp"
#include "prim.hpp"
#include "rows.hpp"

namespace coterie::linkage {
namespace {

constexpr float kAway = 1e18f;    // a coordinate of no point
constexpr double kGrid = 0x1p11;  // squares of differences of such integers fit into a float
constexpr index kPatience = 128;  // share of n^2 distances that may be decided again
constexpr float kNever = std::numeric_limits<float>::infinity();

StepMetric step_of(PairMetric metric) {
  return metric == PairMetric::cityblock   ? StepMetric::city
         : metric == PairMetric::chebyshev ? StepMetric::chebyshev
                                           : StepMetric::square;
}

// a - b = difference + error, exactly.
double difference_error(double a, double b, double difference) {
  const double lost = difference - a;
  return (a - (difference - lost)) - (b + lost);
}

class Outside {
 public:
  Outside(const View<double>& x, PairMetric metric, int n_threads)
      : x_(x),
        metric_(metric == PairMetric::euclidean ? PairMetric::sqeuclidean : metric),
        n_threads_(n_threads),
        step_(isa::table().linkage->tree_step[static_cast<int>(step_of(metric))]),
        count_(x.rows),
        panels_(checked_product(whole_panels(x.rows), x.cols), kAway),
        best_(whole_panels(x.rows), kNever),
        next_(whole_panels(x.rows), kNever),
        from_(whole_panels(x.rows), -1),
        ids_(x.rows),
        point_(x.cols) {
    for (index i = 0; i < x.rows; ++i) ids_[i] = static_cast<std::int32_t>(i);
    scale();
  }

  bool sound() const { return sound_; }
  index count() const { return count_; }

  // The point that joins next, the last one that joined being told to all.
  index nearest() {
    const TreeNearest found = step();
    const double limit = above(found.least);
    if (!std::isfinite(limit) || found.at >= count_) untold();
    if (found.second > limit && (exact_ || next_[found.at] > limit)) return found.at;
    const index at = decide(limit);
    if (at < 0) untold();
    return at;
  }
  bool patient() const { return work_ < x_.rows * x_.rows / kPatience; }

  Merge edge(index i) const {
    return {row_distance(metric_, x_.row(ids_[i]), x_.row(from_[i]), x_.cols),
            std::min(ids_[i], from_[i]), std::max(ids_[i], from_[i])};
  }

  void join(index i) {
    joined_ = ids_[i];
    const index last = --count_;
    float *to = at(i), *from = at(last);
    for (index f = 0; f < x_.cols; ++f) {
      point_[f] = to[f * kPanel];
      to[f * kPanel] = from[f * kPanel];
      from[f * kPanel] = kAway;
    }
    best_[i] = best_[last], next_[i] = next_[last], from_[i] = from_[last], ids_[i] = ids_[last];
    best_[last] = next_[last] = kNever;
  }

 private:
  // Only if rows change while they are read.
  [[noreturn]] static void untold() {
    refuse("X", "distances of which the least can be told", "none");
  }
  bool root() const { return metric_ != PairMetric::cityblock && metric_ != PairMetric::chebyshev; }
  float* at(index i) { return panels_.data() + i / kPanel * kPanel * x_.cols + i % kPanel; }

  // Fills the panels and bounds their rounding.
  void scale() {
    const index d = x_.cols;
    const std::vector<double> middle = middle_of(x_);
    double largest = 0, off_unit = 0;
    for (index i = 0; i < x_.rows; ++i) {
      const double* row = x_.row(i);
      double sum = 0, square = 0;
      for (index f = 0; f < d; ++f) {
        sum += (row[f] - middle[f]) * (row[f] - middle[f]);
        square += row[f] * row[f];
      }
      largest = std::max(largest, sum);
      off_unit = std::max(off_unit, std::abs(square - 1));
    }
    // Of two values, each within half of that of what is meant; roots, within a quarter.
    share_ = static_cast<double>(tree_roundings(d)) * (root() ? 0x1p-24 : 0x1p-23);
    sound_ = largest > 1e-200 && largest < 1e200 && share_ < 0.25;
    if (!sound_) return;
    const double s = std::exp2(-std::ceil(std::log2(largest) / 2));
    double error = 0;
    exact_ = metric_ != PairMetric::cosine;
    for (index i = 0; i < x_.rows; ++i) {
      const double* row = x_.row(i);
      float* to = at(i);
      double sum = 0;
      for (index f = 0; f < d; ++f) {
        const double difference = row[f] - middle[f], z = difference * s;
        const float rounded = to[f * kPanel] = static_cast<float>(z);
        const double off = std::abs(double(rounded) - z) +
                           std::abs(difference_error(row[f], middle[f], difference)) * s;
        sum += off * off;
        exact_ = exact_ && off == 0 && z * kGrid == std::nearbyint(z * kGrid) &&
                 (z != 0 || difference == 0);
      }
      error = std::max(error, sum);
    }
    error = std::sqrt(metric_ == PairMetric::cityblock ? error * static_cast<double>(d) : error);
    lost_ = (4 * error + 4 * std::sqrt(floor_of<float>(d))) * (1 + share_);
    // Of rows of unit length, |x - y|^2 / 2 is 1 - <x, y>, but for their rounding.
    if (metric_ == PairMetric::cosine)
      unit_ = 4 * (off_unit + static_cast<double>(d + 16) * 0x1p-50) * s * s;
  }

  // What is above that is farther than what has this value.
  double above(float value) const {
    const double v = value;
    if (exact_) return v;
    if (!root()) return v * (1 + share_) + lost_;
    const double r = std::sqrt(v) * (1 + share_) + lost_;
    return r * r + unit_;
  }

  TreeNearest step() {
    const index d = x_.cols, panels = (count_ + kPanel - 1) / kPanel;
    const auto part = [&](index first, index last) {
      TreeNearest found =
          step_({d, last - first, point_.data(), panels_.data() + first * d, best_.data() + first,
                 next_.data() + first, from_.data() + first, joined_});
      found.at += first;
      return found;
    };
    const int team = threads::worth(double(count_) * double(d) / 4, n_threads_);
    if (team == 1) return part(0, count_);
    TreeNearest found[64];
    const index parts = std::min(team, 64), share = (panels + parts - 1) / parts * kPanel;
    threads::parallel_blocks(parts, team, [&](index b, int) {
      const index first = std::min(count_, b * share), last = std::min(count_, first + share);
      found[b] = first < last ? part(first, last) : TreeNearest{kNever, kNever, -1};
    });
    TreeNearest all = found[0];
    for (index b = 1; b < parts; ++b) {
      const TreeNearest& one = found[b];
      const float second =
          std::min(std::max(all.least, one.least), std::min(all.second, one.second));
      if (one.least < all.least) all = one;
      all.second = second;
    }
    return all;
  }

  // Of those the filter puts no farther than `limit`.
  index decide(double limit) {
    Merge least{std::numeric_limits<double>::infinity(), x_.rows, x_.rows};
    index at = -1;
    const float* best = best_.data();
    for (index p = 0; p < count_; p += kPanel) {
      int some = 0;
      for (index i = p; i < p + kPanel; ++i) some |= int(best[i] <= limit);
      for (index i = p; some && i < std::min(p + kPanel, count_); ++i) {
        if (best[i] > limit) continue;
        const Merge one = decided(i);
        if (before(one, least)) least = one, at = i;
      }
    }
    work_ += count_ / kPanel;
    return at;
  }

  // The edge of a point, in the order of those.
  Merge decided(index i) {
    ++work_;
    if (exact_) return {best_[i], std::min(ids_[i], from_[i]), std::max(ids_[i], from_[i])};
    if (next_[i] <= above(best_[i])) from_[i] = nearest_of_tree(ids_[i]);
    return edge(i);
  }

  std::int32_t nearest_of_tree(std::int32_t id) {
    const index n = x_.rows;
    if (!all_) {
      all_ = std::make_unique<Points>(x_);
      line_.resize(static_cast<std::size_t>(whole_panels(n)));
      outside_.resize(static_cast<std::size_t>(n));
    }
    isa::table().pairs.distances[static_cast<int>(metric_)](all_->task(x_.row(id), 0, n),
                                                            line_.data());
    std::fill(outside_.begin(), outside_.end(), char{0});
    for (index i = 0; i < count_; ++i) outside_[ids_[i]] = 1;
    work_ += n / 4;
    index nearest = -1;
    for (index t = 0; t < n; ++t)
      if (!outside_[t] && (nearest < 0 || line_[t] < line_[nearest])) nearest = t;
    return static_cast<std::int32_t>(nearest);
  }

  const View<double> x_;
  const PairMetric metric_;
  const int n_threads_;
  TreeNearest (*const step_)(const TreeStepTask&);
  index count_;  // of those outside, the first ones
  Buffer<float> panels_, best_, next_;
  Buffer<std::int32_t> from_, ids_;
  Buffer<float> point_;  // that joined last
  std::int32_t joined_ = -1;
  bool sound_ = false, exact_ = false;
  double share_ = 0, lost_ = 0, unit_ = 0;
  index work_ = 0;
  std::unique_ptr<Points> all_;  // for those that are compared with the whole tree
  std::vector<double> line_;
  std::vector<char> outside_;
};

std::vector<Merge> tree_of(const View<double>& x, PairMetric metric, int n_threads,
                           const Progress& progress) {
  Outside out(x, metric, n_threads);
  std::vector<Merge> edges;
  if (!out.sound()) return edges;
  edges.reserve(static_cast<std::size_t>(x.rows - 1));
  out.join(0);
  while (out.count() > 0) {
    const index next = out.nearest();
    if (!out.patient()) return {};
    edges.push_back(out.edge(next));
    out.join(next);
    if (static_cast<index>(edges.size()) % kPoll == 0) {
      if (interrupt::pending()) throw Interrupted();
      if (progress) progress(static_cast<index>(edges.size()));
    }
  }
  return edges;
}

}  // namespace

// Equal rows are tied to the first of them, and nobody is nearer to another one of them than to
// that: the tree of those that are distinct is part of the whole one. (The distance of unequal
// rows may be lost to underflow, and that of equal unit vectors is not always zero.)
std::vector<Merge> filtered_tree(const View<double>& x, PairMetric metric, int n_threads,
                                 const Progress& progress) {
  const std::vector<index> first = first_equals(x), rows = distinct(first);
  const index left = static_cast<index>(rows.size());
  if (left == x.rows || metric == PairMetric::cosine)
    return tree_of(x, metric, n_threads, progress);
  std::vector<Merge> edges;
  if (left > 1) {
    const Buffer<double> some = rows_of(x, rows);
    edges = tree_of({some.data(), left, x.cols, x.cols}, metric, n_threads, progress);
    if (edges.empty()) return edges;
    if (!all_apart(edges)) return {};
    for (Merge& e : edges) e.low = rows[e.low], e.high = rows[e.high];
  }
  for (index i = 0; i < x.rows; ++i)
    if (first[i] != i) edges.push_back({0, first[i], i});
  return edges;
}

}  // namespace coterie::linkage
