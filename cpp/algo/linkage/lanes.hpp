// The members of all clusters as near_clusters and cluster_lines read them (engine/leaf): sixteen
// clusters of about one size side by side, or the members of a large one.
#pragma once
#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "members.hpp"

namespace coterie::linkage {

// The members of a few clusters.
struct Queries {
  std::vector<double> x;
  std::vector<float> share;
  std::vector<std::int32_t> query;

  void fill(ClusterTask& task) const {
    task.x = x.data();
    task.x_share = share.data();
    task.members = static_cast<index>(query.size());
    task.query = query.data();
  }
};

class Lanes {
 public:
  // weights: members have those, not their shares in the mean.
  Lanes(const Members& clusters, bool weights, int n_threads)
      : clusters_(clusters), weights_(weights), order_(clusters.count()), lanes_(clusters.count()) {
    std::iota(order_.begin(), order_.end(), index{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](index a, index b) { return clusters.size(a) > clusters.size(b); });
    const auto small = std::find_if(order_.begin(), order_.end(),
                                    [&](index s) { return clusters.size(s) <= kTall; });
    lanes_ = order_.end() - small;
    std::rotate(order_.begin(), small, order_.end());
    tall_ = (lanes_ + kPanel - 1) / kPanel;
    for (index g = 0; g < tall_; ++g) height_.push_back(clusters.size(order_[g * kPanel]));
    for (index s = lanes_; s < clusters.count(); ++s)
      height_.push_back((clusters.size(order_[s]) + kPanel - 1) / kPanel);
    index panels = 0;
    for (const index h : height_) first_.push_back(panels), panels += h;
    panels_ = Buffer<double>(checked_product(panels * kPanel, clusters.depth()));
    share_ = Buffer<float>(panels * kPanel, 0.0f);
    slots_.assign(height_.size() * kPanel, -1);
    group_.resize(order_.size());
    constexpr index block = 16;
    const index groups = this->groups();
    const int team =
        threads::worth(static_cast<double>(panels * kPanel * clusters.depth()), n_threads);
    threads::parallel_blocks((groups + block - 1) / block, team, [&](index b, int) {
      for (index g = b * block; g < std::min(groups, (b + 1) * block); ++g) fill(g);
    });
  }

  index groups() const { return static_cast<index>(height_.size()); }
  const index* slots() const { return slots_.data(); }
  // The groups from `first` on; queries are still to be filled in.
  ClusterTask task(index first = 0) const {
    ClusterTask t{};
    t.depth = clusters_.depth();
    t.groups = groups() - first;
    t.tall = std::max(tall_ - first, index{0});
    t.height = height_.data() + first;
    t.panels = panels_.data() + first_[first] * kPanel * t.depth;
    t.share = share_.data() + first_[first] * kPanel;
    return t;
  }
  void read(const index* slots, index count, Queries& to) const {
    to.x.clear(), to.share.clear(), to.query.clear();
    for (index q = 0; q < count; ++q)
      clusters_.each(slots[q], [&](index p) {
        to.x.insert(to.x.end(), clusters_.row(p), clusters_.row(p) + clusters_.depth());
        to.share.push_back(share(p, slots[q]));
        to.query.push_back(static_cast<std::int32_t>(q));
      });
  }
  index group(index slot) const { return group_[slot]; }
  // Points, with those that fill up lanes.
  index places() const { return share_.size(); }

 private:
  static constexpr index kTall = 32;  // members of the largest cluster that has but one lane

  float share(index p, index slot) const {
    return static_cast<float>(weights_ ? clusters_.weight(p) : clusters_.share(p, slot));
  }

  void fill(index group) {
    if (group >= tall_) return fill_lane(group, 0, lanes_ + group - tall_, 1);
    for (index lane = 0; lane < kPanel; ++lane)
      fill_lane(group, lane, group * kPanel + lane, kPanel);
  }

  // Members go to every step-th place; what is left of the places repeats the last one.
  void fill_lane(index group, index lane, index at, index step) {
    const bool present = at < static_cast<index>(order_.size()) && (step == 1 || at < lanes_);
    const index slot = order_[present ? at : lanes_ - 1];
    if (present) slots_[group * kPanel + lane] = slot, group_[slot] = group;
    index place = first_[group] * kPanel + lane, last = -1;
    const index end = (first_[group] + height_[group]) * kPanel;
    clusters_.each(slot, [&](index p) {
      if (present) share_[place] = share(p, slot);
      clusters_.put(last = p, panels_.data(), place);
      place += step;
    });
    for (; place < end; place += step) clusters_.put(last, panels_.data(), place);
  }

  const Members& clusters_;
  const bool weights_;
  std::vector<index> order_;  // slots: those of one lane, then the large ones; most members first
  index lanes_, tall_;        // clusters of one lane; groups of such
  std::vector<index> height_, first_, slots_;  // of each group
  std::vector<index> group_;                   // of each slot
  Buffer<double> panels_;
  Buffer<float> share_;
};

}  // namespace coterie::linkage
