// Reducible methods with a closed form, from points: rounds of reciprocal nearest neighbours.
//
// Slots are in the order of ids, so the nearest of lowest slot is the nearest by key. After a round
// only new clusters and those whose neighbour merged need a neighbour again. Most find it in a
// list: whatever is not in a cluster's list was at `beyond` or farther when the list was made, and
// merging brings nothing nearer; so the least of the list's clusters, measured anew, is the nearest
// of all if it is nearer than that. A new cluster inherits both lists. The others search all
// points.
#include <cmath>
#include <limits>
#include <tuple>

#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "clusters.hpp"
#include "linkage.hpp"

namespace coterie::linkage {
namespace {

constexpr index kQueries = 64;  // searches that share a pass over the points
constexpr index kKeep = 6;      // neighbours a search lists (bench: linkage, ward)
constexpr index kFew = 200000;  // values of x below which lists cost more than they save
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Rounds {
 public:
  Rounds(const View<double>& x, Form form, bool halves, int n_threads)
      : clusters_(x, form, halves),
        n_threads_(n_threads),
        keep_(x.rows * x.cols < kFew ? 1 : kKeep),
        near_(x.rows, -1),
        distance_(x.rows, kInfinity),
        beyond_(x.rows, -kInfinity),
        listed_(checked_product(x.rows, 2 * kKeep)),
        lists_(x.rows, 0),
        target_(x.rows, -1) {
    merges_.reserve(static_cast<std::size_t>(x.rows - 1));
  }

  std::vector<Merge> run(const Progress& progress) {
    std::vector<index> stale = every_slot();
    while (clusters_.count() > 1) {
      search(stale);
      if (!merge_pairs()) {  // rounding broke a chain of neighbours: search them all
        search_all(every_slot());
        if (!merge_pairs())
          refuse("X", "values whose squared distances fit its dtype", "an overflow");
      }
      compact(stale);
      if (progress) progress(static_cast<index>(merges_.size()));
    }
    return std::move(merges_);
  }

 private:
  std::vector<index> every_slot() const {
    std::vector<index> all(clusters_.count());
    for (index i = 0; i < clusters_.count(); ++i) all[i] = i;
    return all;
  }

  void search(const std::vector<index>& stale) {
    constexpr index block = 64;
    const index all = static_cast<index>(stale.size());
    const int team = threads::worth(double(all) * double(clusters_.depth()) * kKeep, n_threads_);
    std::vector<char> found(stale.size());
    threads::parallel_blocks((all + block - 1) / block, team, [&](index b, int) {
      for (index s = b * block; s < std::min(all, (b + 1) * block); ++s)
        found[s] = find_in_list(stale[s]);
    });
    std::vector<index> others;
    for (index s = 0; s < all; ++s)
      if (!found[s]) others.push_back(stale[s]);
    search_all(others);
    // Where rounding brought a new cluster nearer than the neighbour its nearest one knows of.
    for (const index i : stale) {
      const index j = near_[i];
      if (j < 0) refuse("X", "values whose squared distances fit its dtype", "an overflow");
      if (distance_[i] < distance_[j]) distance_[j] = distance_[i], near_[j] = i;
    }
  }

  // The nearest by the list, if it can be told.
  bool find_in_list(index i) {
    std::pair<double, index> found[2 * kKeep];
    index count = 0;
    std::int32_t* listed = listed_.data() + i * 2 * kKeep;
    for (index e = 0; e < lists_[i]; ++e) {
      const index slot = clusters_.slot_of(listed[e]);
      bool again = slot == i;
      for (index c = 0; c < count && !again; ++c) again = found[c].second == slot;
      if (!again) found[count++] = {clusters_.distance(i, slot), slot};
    }
    if (count == 0) return false;
    std::sort(found, found + count);
    if (!(found[0].first < clusters_.surely(beyond_[i]))) return false;
    near_[i] = found[0].second;
    distance_[i] = found[0].first;
    if (count > kKeep) beyond_[i] = std::min(beyond_[i], found[kKeep].first);
    lists_[i] = static_cast<std::uint8_t>(std::min(count, kKeep));
    for (index e = 0; e < lists_[i]; ++e)
      listed[e] = static_cast<std::int32_t>(clusters_.id(found[e].second));
    return true;
  }

  void search_all(const std::vector<index>& slots) {
    const index all = static_cast<index>(slots.size()), left = clusters_.count();
    const double work = double(all) * double(left) * double(clusters_.depth()) / 4;
    threads::parallel_blocks(
        (all + kQueries - 1) / kQueries, threads::worth(work, n_threads_), [&](index b, int) {
          search_block(slots.data() + b * kQueries, std::min(kQueries, all - b * kQueries));
        });
  }

  void search_block(const index* slots, index count) {
    const index depth = clusters_.depth(), left = clusters_.count(),
                chunk = std::max(kPanel, kChunkBytes / (8 * depth) / kPanel * kPanel);
    Buffer<double> queries(count * depth), distance(count * keep_, kInfinity);
    Buffer<index> nearest(count * keep_, -1);
    double term[kQueries];
    for (index q = 0; q < count; ++q) {
      std::copy_n(clusters_.mean(slots[q]), depth, queries.data() + q * depth);
      term[q] = clusters_.term(slots[q]);
    }
    for (index first = 0; first < left && !threads::stopped(); first += chunk) {
      PairNearestTask task{};
      static_cast<PairTask&>(task) =
          clusters_.points().task(queries.data(), first, std::min(chunk, left - first));
      task.queries = count;
      task.keep = keep_;
      task.first = first;
      task.self = slots;
      task.term = term;
      task.terms = clusters_.terms() + first;
      task.distance = distance.data();
      task.nearest = nearest.data();
      clusters_.kernel()(task);
    }
    for (index q = 0; q < count; ++q) {
      const index i = slots[q];
      near_[i] = nearest[q * keep_];
      distance_[i] = distance[q * keep_];
      beyond_[i] = distance[q * keep_ + keep_ - 1];
      index listed = 0;
      for (; listed < keep_ && nearest[q * keep_ + listed] >= 0; ++listed)
        listed_[i * 2 * kKeep + listed] =
            static_cast<std::int32_t>(clusters_.id(nearest[q * keep_ + listed]));
      lists_[i] = static_cast<std::uint8_t>(listed);
    }
  }

  // All reciprocal pairs; the later slot takes the cluster. False where there is none.
  bool merge_pairs() {
    const std::size_t before = merges_.size();
    for (index i = 0; i < clusters_.count(); ++i) target_[i] = i;
    for (index i = 0; i < clusters_.count(); ++i) {
      const index j = near_[i];
      if (j < i || near_[j] != i) continue;
      merges_.push_back({distance_[i], clusters_.id(i), clusters_.id(j)});
      clusters_.join(i, j);
      target_[i] = -1;
      beyond_[j] = std::min(beyond_[i], beyond_[j]);
      inherit(i, j);
    }
    return merges_.size() > before;
  }

  void inherit(index i, index j) {
    const std::int32_t* from = listed_.data() + i * 2 * kKeep;
    std::int32_t* to = listed_.data() + j * 2 * kKeep;
    const index room = std::min<index>(lists_[i], 2 * kKeep - lists_[j]);
    if (room < lists_[i]) beyond_[j] = -kInfinity;  // what has no room can no longer be told
    std::copy_n(from, room, to + lists_[j]);
    lists_[j] = static_cast<std::uint8_t>(lists_[j] + room);
  }

  // Drops slots that lost their cluster, and lists those that need a neighbour again.
  void compact(std::vector<index>& stale) {
    stale.clear();
    const index before = clusters_.count();
    std::vector<char> fresh(before);  // the new clusters
    for (index i = 0; i < before; ++i) fresh[i] = target_[i] >= 0 && near_[near_[i]] == i;
    index left = 0;
    for (index i = 0; i < before; ++i)
      if (target_[i] >= 0) target_[i] = left++;
    for (index i = 0; i < before; ++i) {
      const index to = target_[i];
      if (to < 0) continue;
      const index near = near_[i];
      const bool again = fresh[i] || fresh[near] || target_[near] < 0;
      clusters_.move(i, to);
      distance_[to] = distance_[i], beyond_[to] = beyond_[i], lists_[to] = lists_[i];
      if (to != i) std::copy_n(&listed_[i * 2 * kKeep], lists_[i], &listed_[to * 2 * kKeep]);
      near_[to] = again ? -1 : target_[near];
      if (again) stale.push_back(to);
    }
    clusters_.shrink(left);
    if (interrupt::pending()) throw Interrupted();
  }

  Clusters clusters_;
  const int n_threads_;
  const index keep_;
  std::vector<index> near_;          // slot of the nearest
  std::vector<double> distance_;     // to it
  std::vector<double> beyond_;       // what is not listed is at least that far
  Buffer<std::int32_t> listed_;      // ids, 2 * kKeep a slot
  std::vector<std::uint8_t> lists_;  // how many are listed
  std::vector<index> target_;        // where a slot goes when slots close up
  std::vector<Merge> merges_;
};

}  // namespace

std::vector<Merge> merge_points(const View<double>& x, Method method, PairMetric metric,
                                int n_threads, const Progress& progress) {
  const Form form = metric == PairMetric::cosine ? Form::cosine
                    : method == Method::ward     ? Form::ward
                                                 : Form::spread;
  return Rounds(x, form, method == Method::weighted, n_threads).run(progress);
}

}  // namespace coterie::linkage
