// How far panels of rows are at least from each component, carried from pass to pass: see
// engine/leaf/gauss_bounds.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "block.hpp"

namespace coterie::gmm {

template <class T>
class Bounds {
 public:
  // Before a pass: how parameters have changed since the one before.
  void prepare(const Packed<T>& m, index rows, const Plan& plan) {
    known_ = least_.size() > 0;
    if (!known_ && (++passes_ <= kWild || !worth(m, rows, plan))) return;
    if (!known_) {
      // Filled at once: threads that meet new pages together wait for each other.
      least_ = Buffer<float>(panels(rows) * stride_, 0.0F);
      panel_of_ = Buffer<std::uint16_t>(rows, 0);
      changes_ = Buffer<float>(4 * stride_, 0.0F);
      means_ = Buffer<T>(m.means.size());
      factors_ = Buffer<T>(m.factors.size());
    }
    for (index c = 0; c < m.k; ++c) {
      if (known_) compare(m, c);
      const double reach = double(m.reach[c]);
      changes_[2 * stride_ + c] = static_cast<float>(m.scale[c]);
      changes_[3 * stride_ + c] = static_cast<float>(reach + kSlack * std::abs(reach));
    }
    std::copy_n(m.means.data(), m.means.size(), means_.data());
    std::copy_n(m.factors.data(), m.factors.size(), factors_.data());
  }

  // For the block at hand; blocks of a shard come in turn.
  void set(Scratch<T>& s, MixtureTask<T>& t) {
    if (least_.size() == 0) return;
    float* lines = least_.data() + s.shard / kernels_.mr * stride_;
    const index size = panels(s.shard_rows) * stride_;
    if (s.before.size() < size) s.before = Buffer<float>(size);
    if (s.panel == 0) std::copy_n(lines, size, s.before.data());
    if (s.squares.size() == 0) s.squares = Buffer<T>(t.k * kernels_.width);
    const index mr = kernels_.mr;
    std::uint16_t* panel_of = panel_of_.data() + s.first;
    std::int32_t* from = s.from.data();
    for (index p = 0; p < s.n_panels; ++p) {
      const index end = std::min(s.rows, (p + 1) * mr);
      for (index r = p * mr; r < end; ++r) {
        std::uint16_t& panel = panel_of[s.at ? s.at[r] : r];
        from[r] = panel;
        panel = static_cast<std::uint16_t>(s.panel + p);
      }
    }
    std::fill(from + s.rows, from + s.n_panels * mr, from[s.rows - 1]);
    const float* changes = changes_.data();
    t.bounds = {stride_,
                known_ ? s.from.data() : nullptr,
                s.before.data(),
                lines + s.panel * stride_,
                changes,
                changes + stride_,
                changes + 2 * stride_,
                changes + 3 * stride_,
                s.squares.data()};
  }

 private:
  static constexpr int kWild = 2;  // passes whose bounds the next parameters would leave behind
  static constexpr double kSlack = 2e-6;  // several roundings of a float

  index panels(index rows) const { return (rows + kernels_.mr - 1) / kernels_.mr; }

  // Is T diagonal, and what is kept little beside X?
  bool worth(const Packed<T>& m, index rows, const Plan& plan) {
    stride_ = round_up(m.k, isa::kernels<float>().width);
    const index bytes = 2 * rows + panels(rows) * stride_ * 4;
    return (m.type == Covariance::diag || m.type == Covariance::spherical) && m.k > 2 &&
           bytes <= rows * m.depth * index(sizeof(T)) / 40 && panels(plan.shard_rows) < (1 << 16);
  }

  void compare(const Packed<T>& m, index c) {
    constexpr double eps = std::numeric_limits<T>::epsilon();
    const bool diag = m.type == Covariance::diag;
    double ratio = 1, step = 0, origin = 0;
    for (index f = 0; f < m.depth; ++f) {
      const index e = c * m.depth + f;
      const double before = diag ? double(factors_[e]) : 1, now = diag ? double(m.factors[e]) : 1;
      ratio = f == 0 ? now / before : std::min(ratio, now / before);
      const double moved = before * (double(m.means[e]) - double(means_[e])),
                   at = before * double(means_[e]);
      step += moved * moved;
      origin += at * at;
    }
    // What was noted may be too large by its rounding, that of x - mean included.
    step = ratio * (std::sqrt(step) + 4 * eps * std::sqrt(origin)) * (1 + kSlack);
    ratio *= 1 - kSlack - double(m.depth + 4) * eps;
    const bool fine = ratio > 1e-15 && ratio < 1e15 && step < 1e15;
    changes_[c] = fine ? static_cast<float>(ratio) : 0.0F;
    changes_[stride_ + c] = fine ? static_cast<float>(step) : 0.0F;
  }

  const Kernels<T>& kernels_ = isa::kernels<T>();
  index stride_ = 0;
  int passes_ = 0;
  bool known_ = false;
  Buffer<std::uint16_t> panel_of_;  // of each row: its panel in the pass before, in its shard
  Buffer<float> least_;             // a line of stride_ for each panel
  Buffer<float> changes_;           // four lines: ratio, step, scale, reach
  Buffer<T> means_, factors_;       // of the pass before
};

}  // namespace coterie::gmm
