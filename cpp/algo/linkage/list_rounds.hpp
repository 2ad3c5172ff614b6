// Reducible methods from points: rounds of reciprocal nearest neighbours.
//
// Slots are in the order of ids, so the nearest of lowest slot is the nearest by key. After a round
// only new clusters and those whose neighbour merged need a neighbour again. Most find it in a
// list: whatever is not in a cluster's list was at `beyond` or farther when the list was made, and
// merging brings nothing nearer; so the least of the list's clusters, measured anew, is the nearest
// of all if it is nearer than that. A new cluster inherits both lists. The others search all
// points.
//
// What clusters are is Clusters' affair: distances(slot, slots, count, out) are exact and the same
// from either side; search(slots, threads, found) calls found(slot, Found) for each.
#pragma once
#include <limits>
#include <tuple>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/check.hpp"
#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "linkage.hpp"

namespace coterie::linkage {

constexpr index kListed = 64;  // neighbours a cluster lists at most

// What a search of all clusters finds.
struct Found {
  double distance;
  index nearest;        // -1: none is at a finite distance
  const index* listed;  // the nearest ones
  index count;
  double beyond;  // of what is not listed
};

// Of those slots, by key.
template <class Clusters>
void measure(const Clusters& clusters, index i, const index* slots, index count, Found& found) {
  double d[kListed];
  clusters.distances(i, slots, count, d);
  for (index c = 0; c < count; ++c)
    if (d[c] < found.distance || (d[c] == found.distance && slots[c] < found.nearest))
      found.distance = d[c], found.nearest = slots[c];
}

// The nearest of slot i by what a filter lists: `keep` distances, ascending, and whose they are
// (-1: nobody's), each within error times itself and `lost` of what is meant. What may be the
// nearest is measured. False where one that is not listed may be it.
template <class Clusters>
bool decide_listed(const Clusters& clusters, index i, const float* filtered, const index* listed,
                   index keep, float beyond, double error, double lost, Found& found) {
  constexpr double far = std::numeric_limits<double>::infinity();
  const auto least = [&](float v) { return (double(v) - lost) / (1 + error); };
  const index all = std::find(listed, listed + keep, -1) - listed;
  found = {far, -1, listed, all, least(beyond)};
  const double most = all > 0 ? (double(filtered[0]) + lost) / (1 - error) : far;
  if (!(found.beyond > most)) return false;
  index n = 0;
  while (n < all && least(filtered[n]) <= most) ++n;
  measure(clusters, i, listed, n, found);
  return true;
}

// The same; where the list does not tell, all are measured.
template <class Clusters>
Found decide(const Clusters& clusters, index i, const float* filtered, const index* listed,
             index keep, float beyond, double error, double lost) {
  Found found;
  if (decide_listed(clusters, i, filtered, listed, keep, beyond, error, lost, found)) return found;
  for (index first = 0; first < clusters.count(); first += kListed) {
    index slots[kListed], n = 0;
    for (index s = first; s < std::min(clusters.count(), first + kListed); ++s)
      if (s != i) slots[n++] = s;
    measure(clusters, i, slots, n, found);
  }
  return found;
}

template <class Clusters>
class ListRounds {
 public:
  // keep: neighbours a list keeps.
  ListRounds(Clusters& clusters, index keep, int n_threads)
      : clusters_(clusters),
        n_threads_(n_threads),
        keep_(keep),
        near_(clusters.count(), -1),
        distance_(clusters.count(), kFar),
        beyond_(clusters.count(), -kFar),
        listed_(checked_product(clusters.count(), 2 * keep)),
        lists_(clusters.count(), 0),
        target_(clusters.count(), -1) {
    merges_.reserve(static_cast<std::size_t>(clusters.count() - 1));
  }

  // Until `enough` clusters are left, or a round leaves all but a share of them.
  std::vector<Merge> run(index enough, double share, const Progress& progress) {
    std::vector<index> stale = every_slot();
    for (index before = 0; clusters_.count() > enough;) {
      before = clusters_.count();
      search(stale);
      if (!merge_pairs()) {  // rounding broke a chain of neighbours: search them all
        search_all(every_slot());
        if (!merge_pairs())
          refuse("X", "values whose squared distances fit its dtype", "an overflow");
      }
      compact(stale);
      if (progress) progress(static_cast<index>(merges_.size()));
      if (double(before - clusters_.count()) < share * double(before)) break;
    }
    return std::move(merges_);
  }

 private:
  static constexpr double kFar = std::numeric_limits<double>::infinity();

  std::vector<index> every_slot() const {
    std::vector<index> all(clusters_.count());
    for (index i = 0; i < clusters_.count(); ++i) all[i] = i;
    return all;
  }

  void search(const std::vector<index>& stale) {
    constexpr index block = 64;
    const index all = static_cast<index>(stale.size());
    const int team =
        threads::worth(double(all) * double(clusters_.depth()) * double(keep_), n_threads_);
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
    index slots[kListed], count = 0;
    double distance[kListed];
    std::int32_t* listed = listed_.data() + i * 2 * keep_;
    for (index e = 0; e < lists_[i]; ++e) {
      const index slot = clusters_.slot_of(listed[e]);
      if (slot != i && std::find(slots, slots + count, slot) == slots + count)
        slots[count++] = slot;
    }
    if (count == 0) return false;
    clusters_.distances(i, slots, count, distance);
    index least = 0;
    for (index c = 1; c < count; ++c)
      if (std::tie(distance[c], slots[c]) < std::tie(distance[least], slots[least])) least = c;
    if (!(distance[least] < clusters_.surely(i, beyond_[i]))) return false;
    near_[i] = slots[least];
    distance_[i] = distance[least];
    for (; count > keep_; --count) {  // drop the farthest
      const index c = std::max_element(distance, distance + count) - distance;
      beyond_[i] = std::min(beyond_[i], distance[c]);
      distance[c] = distance[count - 1], slots[c] = slots[count - 1];
    }
    lists_[i] = static_cast<std::uint8_t>(count);
    for (index e = 0; e < count; ++e) listed[e] = static_cast<std::int32_t>(clusters_.id(slots[e]));
    return true;
  }

  void search_all(const std::vector<index>& slots) {
    if (slots.empty()) return;
    clusters_.search(slots, n_threads_, [&](index i, const Found& found) {
      near_[i] = found.nearest;
      distance_[i] = found.distance;
      beyond_[i] = found.beyond;
      lists_[i] = static_cast<std::uint8_t>(found.count);
      for (index e = 0; e < found.count; ++e)
        listed_[i * 2 * keep_ + e] = static_cast<std::int32_t>(clusters_.id(found.listed[e]));
    });
  }

  // All reciprocal pairs; the later slot takes the cluster. False where there is none.
  bool merge_pairs() {
    const std::size_t before = merges_.size();
    for (index i = 0; i < clusters_.count(); ++i) target_[i] = i;
    for (index i = 0; i < clusters_.count(); ++i) {
      const index j = near_[i];
      if (j < i || near_[j] != i) continue;
      merges_.push_back({distance_[i], clusters_.id(i), clusters_.id(j)});
      beyond_[j] = clusters_.beyond_union(i, j, beyond_[i], beyond_[j]);
      clusters_.join(i, j);
      target_[i] = -1;
      inherit(i, j);
    }
    return merges_.size() > before;
  }

  void inherit(index i, index j) {
    const std::int32_t* from = listed_.data() + i * 2 * keep_;
    std::int32_t* to = listed_.data() + j * 2 * keep_;
    const index room = std::min<index>(lists_[i], 2 * keep_ - lists_[j]);
    if (room < lists_[i]) beyond_[j] = -kFar;  // what has no room can no longer be told
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
      if (to != i) std::copy_n(&listed_[i * 2 * keep_], lists_[i], &listed_[to * 2 * keep_]);
      near_[to] = again ? -1 : target_[near];
      if (again) stale.push_back(to);
    }
    clusters_.shrink(left);
    if (interrupt::pending()) throw Interrupted();
  }

  Clusters& clusters_;
  const int n_threads_;
  const index keep_;
  std::vector<index> near_;          // slot of the nearest
  std::vector<double> distance_;     // to it
  std::vector<double> beyond_;       // what is not listed is at least that far
  Buffer<std::int32_t> listed_;      // ids, 2 * keep a slot
  std::vector<std::uint8_t> lists_;  // how many are listed
  std::vector<index> target_;        // where a slot goes when slots close up
  std::vector<Merge> merges_;
};

}  // namespace coterie::linkage
