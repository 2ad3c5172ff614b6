// What EM keeps of a shard between passes once few rows change components: panels of rows that stay
// together, how far they are from each component (engine/leaf/gauss_bounds.hpp), and the sums of
// those panels that one component has to itself. Their rows are not read again before a bound tells
// that they may not be its own any longer.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "block.hpp"

namespace coterie::gmm {

// What a shard's owned panels add to a pass without being read.
struct Settled {
  double log_likelihood = 0, least = std::numeric_limits<double>::infinity();
  index worst = -1;
};

template <class T>
class Bounds {
 public:
  // Before a pass: how parameters have changed since the one before.
  void prepare(const Packed<T>& m, index rows, const Plan& plan, index sum_size) {
    const bool known = kept();
    if (!known && !begin(m, rows, plan, sum_size)) return;
    for (index c = 0; c < m.k; ++c) {
      moved_[c] = !known;
      if (known) compare(m, c);
      if (moved_[c]) std::copy_n(&m.means[c * m.depth], m.depth, &centers_[c * m.depth]);
      line(kReach)[c] = twice(m.reach[c], kSlack);
      line(kOwnReach)[c] = twice(m.own_reach[c], kSlack);
      line(kConstants)[c] = twice(m.constants[c], -kSlack);
      for (index f = 0; f < m.depth; ++f) factors_[c * m.depth + f] = factor(m, c, f);
    }
    std::copy_n(m.means.data(), m.means.size(), means_.data());
  }
  bool kept() const { return !shards_.empty(); }
  index owned() const {  // panels
    return std::count_if(owners_.data(), owners_.data() + owners_.size(),
                         [](std::int32_t owner) { return owner >= 0; });
  }

  // The shard at hand, before any of its rows is looked at. Lists in s.ids the panels whose owner
  // must be looked at again. False: too many rows change groups for anything to be kept of them.
  bool open(Scratch<T>& s) {
    Shard& shard = shard_of(s);
    s.ids.clear();
    s.owners.clear();
    s.known = shard.known;
    if (shard.known) {
      carry(s);
    } else if (shard.changed * kMost > s.shard_rows * (kMost - 1)) {
      shard.changed = 0;
      return false;
    }
    if (s.order.size() < s.shard_rows) s.order = Buffer<std::int32_t>(s.shard_rows);
    return true;
  }

  // After those have been looked at: lists all panels whose rows are to be summed.
  void close(const Groups& groups, Scratch<T>& s) {
    Shard& shard = shard_of(s);
    std::int32_t* owners = owners_.data() + first_panel(s);
    std::vector<char> lost(moved_);
    for (std::size_t i = 0; i < s.ids.size(); ++i) {
      std::int32_t& owner = owners[s.ids[i]];
      if (owner == s.owners[i]) continue;
      lost[static_cast<std::size_t>(s.owners[i])] = 1;
      if (owner >= 0) owner = marked(owner);
    }
    for (index c = 0; c < k_; ++c)
      if (lost[static_cast<std::size_t>(c)] || !shard.known) clear(s, c);
    s.ids.clear();
    index shared = 0;
    for (index p = 0; p < panels(s.shard_rows); ++p) {
      if (owners[p] >= 0 && lost[static_cast<std::size_t>(owners[p])])
        owners[p] = marked(owners[p]);
      if (owners[p] < 0) s.ids.push_back(static_cast<std::int32_t>(p));
      shared += owners[p] == -1;
    }
    if (!shard.known || shard.changed * kFew > shared * kernels_.mr) part(groups, s);
    shard.known = true;
  }

  // The rows of panels in s.ids, to s.order; how many.
  index pick(Scratch<T>& s) const {
    const index mr = kernels_.mr;
    std::int32_t* to = s.order.data();
    for (const std::int32_t p : s.ids)
      to = std::copy_n(order_.data() + s.shard + p * mr, std::min(mr, s.shard_rows - p * mr), to);
    return to - s.order.data();
  }

  // For the block at hand, s.panel the first of its panels in s.ids.
  void set(Scratch<T>& s, MixtureTask<T>& t) {
    if (s.squares.size() == 0) {
      s.squares = Buffer<T>(2 * k_ * kernels_.width);
      s.found = Buffer<float>(2 * (k_ + kernels_.width));
    }
    static_cast<PanelBounds&>(t.bounds) = bounds(s);
    t.bounds.ids = s.ids.data() + s.panel;
    t.bounds.known = s.known;
    t.bounds.squares = s.squares.data();
    t.bounds.gaps = s.squares.data() + k_ * kernels_.width;
    t.bounds.found = s.found.data();
  }

  // Who owns a panel of that block, or did (marked); -1: nobody.
  std::int32_t owner(const Scratch<T>& s, index panel) const {
    return owners_[first_panel(s) + s.ids[static_cast<std::size_t>(s.panel + panel)]];
  }
  static std::int32_t marked(std::int32_t owner) { return -2 - owner; }  // and back

  // So many rows have changed groups.
  void count(const Scratch<T>& s, index changed) { shard_of(s).changed += changed; }

  // Which rows of the block's owned panels are explained worst.
  void note_worst(const Scratch<T>& s) {
    for (index p = 0; p < s.n_panels; ++p) {
      if (owner(s, p) < 0) continue;
      index worst = -1;
      const index end = std::min(s.rows, (p + 1) * kernels_.mr);
      for (index r = p * kernels_.mr; r < end; ++r)
        if (s.weights[r] > 0 && (worst < 0 || s.log_sums[r] < s.log_sums[worst])) worst = r;
      worst_[first_panel(s) + s.ids[static_cast<std::size_t>(s.panel + p)]] =
          worst < 0 ? -1 : s.at[worst];
    }
  }

  // Where the rows of owned panels are summed, about centers(): n, s1, s2.
  double* sums(const Scratch<T>& s) { return sums_.data() + (s.shard / shard_rows_) * size_; }
  const T* centers() const { return centers_.data(); }

  // What panels say that are not read in this pass: the exact likelihood, by their sums.
  Settled settled(const Packed<T>& m, const Scratch<T>& s) {
    Settled out;
    const double *n = sums(s), *s1 = n + k_, *s2 = s1 + k_ * m.depth;
    for (index c = 0; c < k_; ++c) {
      if (!(n[c] > 0)) continue;
      double square = 0;
      for (index f = 0; f < m.depth; ++f) {
        const index e = c * m.depth + f;
        const double t = factors_[e], off = double(centers_[e]) - double(m.means[e]);
        square += t * t * (s2[e] + off * (2 * s1[e] + off * n[c]));
      }
      out.log_likelihood += n[c] * (m.base + double(m.constants[c])) - square / 2;
    }
    const index first = first_panel(s);
    for (index p = first; p < first + panels(s.shard_rows); ++p) {
      if (owners_[p] < 0 || worst_[p] < 0) continue;
      const double radius = double(radii_[p]);
      const double log_density = m.base + double(m.constants[owners_[p]]) - radius * radius / 2;
      if (log_density < out.least) out.least = log_density, out.worst = s.shard + worst_[p];
    }
    return out;
  }

  // Adds the sums of owned panels, about `means`.
  void add(const Scratch<T>& s, const T* means, index depth, double* n, double* s1, double* s2) {
    const double *own = sums(s), *own1 = own + k_, *own2 = own1 + k_ * depth;
    for (index c = 0; c < k_; ++c) {
      n[c] += own[c];
      for (index e = c * depth; own[c] > 0 && e < (c + 1) * depth; ++e) {
        const double off = double(centers_[e]) - double(means[e]);
        s1[e] += own1[e] + off * own[c];
        s2[e] += own2[e] + off * (2 * own1[e] + off * own[c]);
      }
    }
  }

 private:
  struct Shard {
    bool known = false;  // do panels stay together?
    index changed;       // rows, since they were last put in order
  };
  enum Line { kRatio, kStep, kGrow, kFarther, kReach, kOwnReach, kConstants, kLines };
  static constexpr index kFew = 4;    // rows stay in place while less than one in so many changes
  static constexpr index kMost = 32;  // nothing is kept while all but one row in so many change
  static constexpr double kSlack = 2e-6;  // several roundings of a float

  index panels(index rows) const { return (rows + kernels_.mr - 1) / kernels_.mr; }
  index first_panel(const Scratch<T>& s) const { return s.shard / kernels_.mr; }
  Shard& shard_of(const Scratch<T>& s) {
    return shards_[static_cast<std::size_t>(s.shard / shard_rows_)];
  }
  float* line(Line which) { return changes_.data() + which * stride_; }
  static float as_float(double v) { return static_cast<float>(std::clamp(v, -1e37, 1e37)); }
  static float twice(T v, double slack) {
    return as_float(2 * (double(v) + slack * std::abs(double(v))));
  }
  // T_c's value of feature f.
  static double factor(const Packed<T>& m, index c, index f) {
    return m.type == Covariance::diag ? double(m.factors[c * m.depth + f])
                                      : std::sqrt(-2 * double(m.scale[c]));
  }
  PanelBounds bounds(const Scratch<T>& s) {
    const index first = first_panel(s);
    return {stride_,
            lines_.data() + first * stride_,
            owners_.data() + first,
            radii_.data() + first,
            line(kReach),
            line(kOwnReach),
            line(kConstants)};
  }

  // Is T diagonal, and what is kept little beside X?
  bool begin(const Packed<T>& m, index rows, const Plan& plan, index sum_size) {
    k_ = m.k, size_ = sum_size, shard_rows_ = plan.shard_rows;
    stride_ = round_up(k_, isa::kernels<float>().width);
    const index n = panels(rows),
                bytes = 2 * rows + n * (4 * stride_ + 12) + plan.shards * size_ * 8;
    if ((m.type != Covariance::diag && m.type != Covariance::spherical) || k_ < 3 ||
        bytes > rows * m.depth * index(sizeof(T)) / 20 || shard_rows_ > 1 << 16)
      return false;
    shards_.assign(static_cast<std::size_t>(plan.shards), {false, rows});
    moved_.resize(static_cast<std::size_t>(k_));
    changes_ = Buffer<float>(kLines * stride_, 0.0F);
    std::fill_n(line(kReach), 2 * stride_, -3e38F);  // what is no component is out of reach
    order_ = Buffer<std::uint16_t>(rows, 0);
    lines_ = Buffer<float>(n * stride_, 0.0F);
    owners_ = Buffer<std::int32_t>(n, -1);
    worst_ = Buffer<std::int32_t>(n, -1);
    radii_ = Buffer<float>(n, 0.0F);
    sums_ = Buffer<double>(plan.shards * size_, 0.0);
    means_ = Buffer<T>(k_ * m.depth);
    centers_ = Buffer<T>(k_ * m.depth);
    factors_ = Buffer<double>(k_ * m.depth);
    return true;
  }

  void compare(const Packed<T>& m, index c) {
    constexpr double eps = std::numeric_limits<T>::epsilon();
    double ratio = 1, grow = 1, step = 0, origin = 0, off = 0;
    for (index f = 0; f < m.depth; ++f) {
      const index e = c * m.depth + f;
      const double before = factors_[e], now = factor(m, c, f), mean = double(m.means[e]);
      ratio = f == 0 ? now / before : std::min(ratio, now / before);
      grow = std::max(grow, now / before);
      const double moved = before * (mean - double(means_[e])), at = before * double(means_[e]);
      step += moved * moved;
      origin += at * at;
      off = std::max(off, std::abs(now * (mean - double(centers_[e]))));
    }
    // What was noted may be off by its rounding, that of x - mean included.
    const double rounding = kSlack + double(m.depth + 4) * eps;
    step = (std::sqrt(step) + 4 * eps * std::sqrt(origin)) * (1 + rounding);
    const bool fine = ratio > 1e-15 && grow < 1e15 && step < 1e15;
    moved_[c] = !fine || off > kMoved;
    line(kRatio)[c] = fine ? as_float(ratio * (1 - rounding)) : 0.0F;
    line(kStep)[c] = fine ? as_float(ratio * step) : 0.0F;
    line(kGrow)[c] = fine ? as_float(grow * (1 + rounding)) : 1e18F;
    line(kFarther)[c] = fine ? as_float(grow * step) : 1e18F;
  }

  void carry(Scratch<T>& s) {
    const index n = panels(s.shard_rows);
    const PanelBounds b = bounds(s);
    kernels_.carry_bounds({b, n, line(kRatio), line(kStep), line(kGrow), line(kFarther)});
    for (index p = 0; p < n; ++p) {
      if (b.owner[p] >= -1) continue;
      s.ids.push_back(static_cast<std::int32_t>(p));
      s.owners.push_back(marked(b.owner[p]));
    }
  }

  // Rows of panels that never had an owner are put in order anew. A new panel's bounds are the
  // least of those its rows come with.
  void part(const Groups& groups, Scratch<T>& s) {
    const index mr = kernels_.mr, first = first_panel(s), rows = s.shard_rows;
    std::uint16_t* order = order_.data() + s.shard;
    const std::int32_t* owners = owners_.data() + first;
    float* lines = lines_.data() + first * stride_;
    if (s.from.size() < rows) {
      s.from = Buffer<std::int32_t>(rows);
      s.parted = Buffer<std::int32_t>(rows);
      s.before = Buffer<float>(panels(rows) * stride_);
    }
    std::copy_n(lines, panels(rows) * stride_, s.before.data());
    for (index p = 0; p < panels(rows); ++p)
      for (index i = p * mr; i < std::min(rows, (p + 1) * mr); ++i)
        s.from[s.known ? order[i] : i] = static_cast<std::int32_t>(owners[p] == -1 ? p : -1);
    index count = 0;
    for (index r = 0; r < rows; ++r) {
      s.order[count] = static_cast<std::int32_t>(r);
      count += s.from[r] >= 0;
    }
    sort_rows(groups.data() + s.shard, s.order.data(), count, s.parted.data());
    const std::int32_t* next = s.parted.data();
    for (index p = 0; p < panels(rows); ++p) {
      if (owners[p] != -1) continue;
      const index here = std::min(mr, rows - p * mr);
      std::copy_n(next, here, order + p * mr);
      float* line = lines + p * stride_;
      std::int32_t last = -1;
      for (index r = 0; s.known && r < here; ++r) {
        if (s.from[next[r]] == last) continue;
        const float* old = s.before.data() + s.from[next[r]] * stride_;
        for (index c = 0; c < stride_; ++c) line[c] = last < 0 ? old[c] : std::min(line[c], old[c]);
        last = s.from[next[r]];
      }
      next += here;
    }
    shard_of(s).changed = 0;
  }

  void clear(const Scratch<T>& s, index c) {
    const index depth = (size_ / k_ - 1) / 2;
    double* own = sums(s);
    own[c] = 0;
    std::fill_n(own + k_ + c * depth, depth, 0.0);
    std::fill_n(own + k_ + (k_ + c) * depth, depth, 0.0);
  }

  static constexpr double kMoved =
      2;  // deviations of a feature: sums about a center are still exact
  const Kernels<T>& kernels_ = isa::kernels<T>();
  index k_ = 0, size_ = 0, stride_ = 0, shard_rows_ = 1;
  std::vector<Shard> shards_;
  std::vector<char> moved_;      // components: centers_ are new, owned panels start again
  Buffer<std::uint16_t> order_;  // of each shard's rows, from its first
  Buffer<float> lines_, radii_;  // of panels
  Buffer<std::int32_t> owners_, worst_;
  Buffer<double> sums_;        // of each shard's owned panels
  Buffer<float> changes_;      // Lines of all components
  Buffer<T> means_, centers_;  // of the pass before; of sums_
  Buffer<double> factors_;     // of the pass before
};

}  // namespace coterie::gmm
