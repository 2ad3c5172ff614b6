// Clusters as size, mean and spread (mean squared distance to the mean), and how far two are apart:
//
//   ward     2 / (1 / n_a + 1 / n_b) |m_a - m_b|^2     (the square of the height)
//   spread   |m_a - m_b|^2 + v_a + v_b                 (the mean squared distance of members)
//   cosine   1 - <m_a, m_b>                            (rows of unit length)
#pragma once
#include <numeric>
#include <vector>

#include "points.hpp"

namespace coterie::linkage {

enum class Form { ward, spread, cosine };

class Clusters {
 public:
  // halves: a union's mean lies halfway between the two, whatever their sizes.
  Clusters(const View<double>& x, Form form, bool halves)
      : form_(form),
        halves_(halves),
        points_(x),
        means_(checked_product(x.rows, x.cols)),
        terms_(whole_panels(x.rows), form == Form::ward ? 1.0 : 0.0),
        sizes_(x.rows, 1.0),
        ids_(x.rows),
        slots_(x.rows),
        into_(x.rows) {
    for (index i = 0; i < x.rows; ++i) std::copy_n(x.row(i), x.cols, means_.data() + i * x.cols);
    std::iota(ids_.begin(), ids_.end(), index{0});
    slots_ = into_ = ids_;
  }

  // Each is of so many equal points.
  void count_as(const std::vector<double>& sizes) {
    sizes_ = sizes;
    for (index i = 0; i < count() && form_ == Form::ward; ++i) terms_[i] = 1 / sizes_[i];
  }

  Form form() const { return form_; }
  index count() const { return points_.count; }
  index depth() const { return points_.depth; }
  index id(index slot) const { return ids_[slot]; }
  index size(index slot) const { return static_cast<index>(sizes_[slot]); }
  double term(index slot) const { return terms_[slot]; }
  const double* terms() const { return terms_.data(); }
  const double* mean(index slot) const { return means_.data() + slot * depth(); }
  const Points& points() const { return points_; }

  void (*kernel() const)(const PairNearestTask&) {
    const PairKernels& kernels = isa::table().pairs;
    return form_ == Form::cosine ? kernels.nearest_cosine
           : form_ == Form::ward ? kernels.nearest_ward
                                 : kernels.nearest_spread;
  }

  // The slot of the cluster that what once went by `id` is part of.
  index slot_of(index id) const {
    while (into_[id] != id) id = into_[id];
    return slots_[id];
  }

  // The kernel's distance, bit for bit.
  double distance(index i, index j) const {
    const double *a = mean(i), *b = mean(j);
    double sum = 0;
    if (form_ == Form::cosine) {
      for (index f = 0; f < depth(); ++f) sum += a[f] * b[f];
      return std::max(1 - sum, 0.0);
    }
    for (index f = 0; f < depth(); ++f) {
      const double d = a[f] - b[f];
      sum += d * d;
    }
    const double both = terms_[i] + terms_[j];
    return form_ == Form::ward ? (sum + sum) / both : sum + both;
  }

  // A bound that a computed distance keeps if the exact one does.
  double surely(index, double bound) const {
    const double share = static_cast<double>(depth() + 8) * 0x1p-50;
    return form_ == Form::cosine ? bound - share : bound * (1 - share);
  }

  // What is bound_i or farther from i, and bound_j from j, is that far from their union.
  double beyond_union(index i, index j, double bound_i, double bound_j) const {
    if (form_ == Form::ward) return std::min(bound_i, bound_j);
    const double share = halves_ ? 0.5 : sizes_[i] / (sizes_[i] + sizes_[j]);
    return share * bound_i + (1 - share) * bound_j;
  }

  // What has a part that is `a` or farther, and another that is b, is that far.
  double beyond_parts(double a, double b) const { return std::min(a, b); }

  // Slot j becomes the union of i and j.
  void join(index i, index j) {
    const double *a = mean(i), n = sizes_[i] + sizes_[j], share = halves_ ? 0.5 : sizes_[i] / n;
    double *b = means_.data() + j * depth(), apart = 0;
    for (index f = 0; f < depth(); ++f) {
      const double d = a[f] - b[f];
      apart += d * d;
      b[f] += share * d;
    }
    points_.write(j, b);
    sizes_[j] = n;
    terms_[j] = form_ == Form::ward
                    ? 1 / n
                    : share * terms_[i] + (1 - share) * terms_[j] + share * (1 - share) * apart;
    into_[ids_[i]] = ids_[j];
  }

  void move(index from, index to) {
    slots_[ids_[from]] = to;
    if (from == to) return;
    points_.move(from, to);
    std::copy_n(mean(from), depth(), means_.data() + to * depth());
    sizes_[to] = sizes_[from], terms_[to] = terms_[from], ids_[to] = ids_[from];
  }
  void shrink(index count) { points_.count = count; }

 private:
  const Form form_;
  const bool halves_;
  Points points_;
  Buffer<double> means_;  // the same, row by row
  Buffer<double> terms_;  // 1 / size or spread
  std::vector<double> sizes_;
  std::vector<index> ids_;           // of a slot
  std::vector<index> slots_, into_;  // of an id: its slot; the id that swallowed it, or itself
};

}  // namespace coterie::linkage
