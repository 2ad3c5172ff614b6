// Centers of clusters in float32: who may be the nearest of a point, and for whom the point may be
// nearer than what they have. What a float tells is bounded as in prim_filter.cpp, and all else is
// decided in float64.
#pragma once
#include <cmath>
#include <limits>

#include "../../engine/linkage_table.hpp"
#include "../../engine/rounding.hpp"
#include "points.hpp"
#include "rows.hpp"

namespace coterie::linkage {

class CenterFilter {
 public:
  explicit CenterFilter(const View<double>& x)
      : depth_(x.cols),
        middle_(middle_of(x)),
        panels_(checked_product(whole_panels(x.rows), x.cols), kAway),
        reach_(whole_panels(x.rows), -1.0f),
        values_(whole_panels(x.rows)),
        found_(whole_panels(x.rows) / kPanel + 1),
        point_(x.cols) {
    double largest = 0;
    for (index i = 0; i < x.rows; ++i) {
      double sum = 0;
      for (index f = 0; f < depth_; ++f)
        sum += (x.row(i)[f] - middle_[f]) * (x.row(i)[f] - middle_[f]);
      largest = std::max(largest, sum);
    }
    share_ = static_cast<double>(tree_roundings(depth_)) * 0x1p-24;
    tells_ = largest > 1e-200 && largest < 1e200 && share_ < 0.25;
    if (!tells_) return;
    scale_ = std::exp2(-std::ceil(std::log2(largest) / 2));
    lost_ = (4.01 * 0x1p-24 + 4 * std::sqrt(floor_of<float>(depth_))) * (1 + share_);
    for (index i = 0; i < x.rows; ++i) write(i, x.row(i));
  }

  // As long as it holds off most of what it sees.
  bool tells() const { return tells_; }

  void write(index i, const double* point) {
    if (!tells_) return;
    float* to = at(i);
    for (index f = 0; f < depth_; ++f) to[f * kPanel] = coordinate(point, f);
  }
  void drop(index i) {
    if (!tells_) return;
    float* to = at(i);
    for (index f = 0; f < depth_; ++f) to[f * kPanel] = kAway;
    reach_[i] = -1;
  }
  void move(index from, index to) {
    if (!tells_) return;
    const float* a = at(from);
    float* b = at(to);
    for (index f = 0; f < depth_; ++f) b[f * kPanel] = a[f * kPanel];
    reach_[to] = reach_[from];
  }
  // From now on point i looks for what is nearer than that; below zero, for nothing.
  void reach(index i, double distance) {
    if (!tells_) return;
    reach_[i] = distance < 0 ? -1 : rounded_up(above(std::sqrt(distance) * scale_));
  }

  // near(panel) for the panels before slot `end` that may hold a point for which this one is
  // nearer.
  template <class F>
  void within(const double* point, index end, const F& near) {
    const index found =
        isa::table().linkage->center_within(task(point, 0, end), reach_.data(), found_.data());
    count(end, found);
    for (index p = 0; p < found; ++p) near(index{found_[p]});
  }

  // may(slot), ascending, for those of [first, end) that may be the nearest; first: of a panel.
  template <class F>
  void nearest(const double* point, index first, index end, const F& may) {
    const TreeNearest found =
        isa::table().linkage->center_nearest(task(point, first, end), values_.data());
    if (found.least > kMost) return;  // nobody is left
    const float limit = rounded_up(above(std::sqrt(double(found.least))));
    if (found.second > limit) return may(first + found.at);
    index some = 0;
    for (index i = first; i < end; ++i)
      if (values_[i - first] <= limit) may(i), ++some;
    count(end - first, some);
  }

 private:
  static constexpr float kAway = 1e18f;  // a coordinate of no point
  static constexpr float kMost = 1e3f;   // a value of two points is at most 4
  static constexpr index kCredit = 4096;

  float* at(index i) { return panels_.data() + i / kPanel * kPanel * depth_ + i % kPanel; }
  float coordinate(const double* point, index f) const {
    return static_cast<float>((point[f] - middle_[f]) * scale_);
  }
  CenterTask task(const double* point, index first, index end) {
    for (index f = 0; f < depth_; ++f) point_[f] = coordinate(point, f);
    return {depth_, end - first, point_.data(), panels_.data() + first * depth_};
  }
  // A value above that is of a greater distance than the one whose root is given.
  double above(double root) const {
    const double r = root * (1 + share_) + lost_;
    return r * r;
  }
  static float rounded_up(double v) {
    return std::nextafter(static_cast<float>(v), std::numeric_limits<float>::infinity());
  }
  void count(index seen, index again) {
    credit_ += seen / (4 * kPanel) - again;
    tells_ = tells_ && credit_ > 0;
    credit_ = std::min(credit_, kCredit);
  }

  const index depth_;
  const std::vector<double> middle_;
  Buffer<float> panels_, reach_, values_;
  Buffer<std::int32_t> found_;
  Buffer<float> point_;
  double scale_ = 1, share_ = 0, lost_ = 0;
  bool tells_ = false;
  index credit_ = kCredit;
};

}  // namespace coterie::linkage
