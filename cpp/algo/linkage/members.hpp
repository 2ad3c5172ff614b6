// Clusters as the lists of their members, for methods that ask how far every two members are
// apart: the greatest of those distances (complete), their mean (average), or a mean in which the
// members of the two clusters that merge count one half each (weighted).
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "linkage.hpp"
#include "points.hpp"

namespace coterie::linkage {

class Members {
 public:
  Members(const View<double>& x, Method method, PairMetric metric)
      : method(method),
        metric(metric),
        x_(x),
        count_(x.rows),
        ids_(x.rows),
        sizes_(x.rows, 1),
        first_(x.rows),
        last_(x.rows),
        next_(x.rows, -1),
        weights_(x.rows, 1.0),
        distances_(isa::table().pairs.distances[static_cast<int>(metric)]) {
    std::iota(ids_.begin(), ids_.end(), index{0});
    slots_ = into_ = first_ = last_ = ids_;
  }

  index count() const { return count_; }
  index depth() const { return x_.cols; }
  index id(index slot) const { return ids_[slot]; }
  index size(index slot) const { return sizes_[slot]; }
  index points() const { return x_.rows; }
  const View<double>& rows() const { return x_; }
  const double* row(index point) const { return x_.row(point); }

  // f(point) in the order the cluster was put together.
  template <class F>
  void each(index slot, const F& f) const {
    for (index p = first_[slot]; p >= 0; p = next_[p]) f(p);
  }
  // Of a member in the mean of its cluster.
  double share(index point, index slot) const {
    return method == Method::average ? 1 / static_cast<double>(sizes_[slot]) : weights_[point];
  }

  double weight(index point) const { return weights_[point]; }

  // The slot of the cluster that what once went by `id` is part of.
  index slot_of(index id) const {
    while (into_[id] != id) id = into_[id];
    return slots_[id];
  }

  // Exactly, and the same bits from either side: sums go over the cluster of lower slot last.
  void distances(index i, const index* slots, index count, double* out) const {
    thread_local std::vector<double> scratch;
    std::vector<double>& panels = scratch;
    index total = 0, at = 0;
    for (index c = 0; c < count; ++c) total += sizes_[slots[c]];
    if (total * sizes_[i] <= kFewPairs) {
      for (index c = 0; c < count; ++c) out[c] = distance(i, slots[c]);
      return;
    }
    const std::size_t size = static_cast<std::size_t>(whole_panels(total) * depth());
    if (panels.size() < size) panels.resize(size);
    for (index c = 0; c < count; ++c) each(slots[c], [&](index p) { put(p, panels.data(), at++); });
    distances(i, panels.data(), total, slots, count, out);
  }
  // A bound that a computed distance keeps if the exact one does.
  double surely(index i, double bound) const {
    const double share = rounding(depth() + sizes_[i] + 64);
    return metric == PairMetric::cosine ? bound - share : bound * (1 - share);
  }
  static double rounding(index operations) { return static_cast<double>(operations) * 0x1p-50; }

  // What is bound_i or farther from i, and bound_j from j, is that far from their union.
  double beyond_union(index i, index j, double bound_i, double bound_j) const {
    if (method == Method::complete) return std::max(bound_i, bound_j);
    const double n_i = static_cast<double>(sizes_[i]), n_j = static_cast<double>(sizes_[j]);
    const double share = method == Method::weighted ? 0.5 : n_i / (n_i + n_j);
    return share * bound_i + (1 - share) * bound_j;
  }

  // What has a part that is `a` or farther, and another that is b, is that far.
  double beyond_parts(double a, double b) const {
    return method == Method::complete ? std::max(a, b) : std::min(a, b);
  }

  // Slot j becomes the union of i and j.
  void join(index i, index j) {
    next_[last_[i]] = first_[j];
    first_[j] = first_[i];
    sizes_[j] += sizes_[i];
    into_[ids_[i]] = ids_[j];
    if (method == Method::weighted) each(j, [&](index p) { weights_[p] *= 0.5; });
  }
  void move(index from, index to) {
    slots_[ids_[from]] = to;
    ids_[to] = ids_[from], sizes_[to] = sizes_[from];
    first_[to] = first_[from], last_[to] = last_[from];
  }
  void shrink(index count) { count_ = count; }

  // Point p as place `at` of panels.
  void put(index p, double* panels, index at) const {
    const double* from = row(p);
    double* to = panels + at / kPanel * kPanel * depth() + at % kPanel;
    for (index f = 0; f < depth(); ++f) to[f * kPanel] = from[f];
  }

  const Method method;
  const PairMetric metric;

 private:
  // Pairs of points below which panels cost more than they save (bench: linkage, complete, 2,000).
  static constexpr index kFewPairs = 32;

  // What distances() finds, bit for bit.
  double distance(index i, index j) const {
    switch (metric) {
      case PairMetric::euclidean:
        return distance(
            i, j, [](double s, double a, double b) { return s + (a - b) * (a - b); },
            [](double s) { return std::sqrt(s); });
      case PairMetric::sqeuclidean:
        return distance(
            i, j, [](double s, double a, double b) { return s + (a - b) * (a - b); },
            [](double s) { return s; });
      case PairMetric::cosine:
        return distance(
            i, j, [](double s, double a, double b) { return s + a * b; },
            [](double s) { return std::max(1 - s, 0.0); });
      case PairMetric::cityblock:
        return distance(
            i, j, [](double s, double a, double b) { return s + std::abs(a - b); },
            [](double s) { return s; });
      default:
        return distance(
            i, j, [](double s, double a, double b) { return std::max(s, std::abs(a - b)); },
            [](double s) { return s; });
    }
  }
  template <class Add, class Of>
  double distance(index i, index j, const Add& add, const Of& of) const {
    const index low = std::min(i, j), high = std::max(i, j);
    double all = 0;
    for (index p = first_[low]; p >= 0; p = next_[p]) {
      double some = 0;
      for (index m = first_[high]; m >= 0; m = next_[m]) {
        const double *a = row(p), *b = row(m);
        double sum = 0;
        for (index f = 0; f < depth(); ++f) sum = add(sum, a[f], b[f]);
        if (method == Method::complete)
          all = std::max(all, of(sum));
        else
          some += weights_[m] * of(sum);
      }
      all += weights_[p] * some;
    }
    if (method != Method::average) return all;
    return all / (static_cast<double>(sizes_[i]) * static_cast<double>(sizes_[j]));
  }

  // The same, with the members of those slots in panels one after the other.
  void distances(index i, const double* panels, index total, const index* slots, index count,
                 double* out) const {
    thread_local std::vector<double> scratch[2];
    std::vector<double>&line = scratch[0], &sums = scratch[1];
    if (static_cast<index>(line.size()) < whole_panels(total)) line.resize(whole_panels(total));
    sums.assign(static_cast<std::size_t>(total), 0.0);
    std::fill_n(out, count, 0.0);
    each(i, [&](index p) {
      distances_({row(p), panels, depth(), total}, line.data());
      const double weight = weights_[p], *from = line.data();
      if (method == Method::complete)
        for (index m = 0; m < total; ++m) sums[m] = std::max(sums[m], from[m]);
      else
        for (index m = 0; m < total; ++m) sums[m] += weight * from[m];
      for (index c = 0; method != Method::complete && c < count; from += sizes_[slots[c++]])
        if (i < slots[c]) out[c] += weight * sum(slots[c], from);
    });
    const double* from = sums.data();
    for (index c = 0; c < count; from += sizes_[slots[c++]]) {
      if (method == Method::complete)
        out[c] = *std::max_element(from, from + sizes_[slots[c]]);
      else if (i > slots[c])
        out[c] = sum(slots[c], from);
      if (method == Method::average)
        out[c] /= static_cast<double>(sizes_[i]) * static_cast<double>(sizes_[slots[c]]);
    }
  }

  // Over the members of a cluster.
  double sum(index slot, const double* of) const {
    double sum = 0;
    if (method == Method::average)
      for (index m = 0; m < sizes_[slot]; ++m) sum += of[m];
    else
      each(slot, [&](index p) { sum += weights_[p] * *of++; });
    return sum;
  }

  const View<double> x_;
  index count_;
  std::vector<index> ids_, sizes_;   // of a slot
  std::vector<index> first_, last_;  // its first and last member
  std::vector<index> next_;          // the member after a point, -1 after the last
  std::vector<double> weights_;      // of a point; average: 1
  std::vector<index> slots_, into_;  // of an id: its slot; the id that swallowed it, or itself
  void (*distances_)(const PairTask&, double*);
};

}  // namespace coterie::linkage
