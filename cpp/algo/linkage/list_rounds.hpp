// Reducible methods from points: rounds of reciprocal nearest neighbours.
//
// Slots are in the order of ids, so the nearest of lowest slot is the nearest by key. After a round
// only new clusters and those whose neighbour merged need a neighbour again. Most find it in a
// list: whatever is not in a cluster's list was at `beyond` or farther when the list was made, and
// merging brings nothing nearer; so the least of the list's clusters is the nearest of all if it is
// nearer than that. Each of those has a bound of its own, and most need not be measured. A new
// cluster inherits both lists. The others search all points.
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
  double beyond;          // of what is not listed
  double bound[kListed];  // of what is: at least that far
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
  found.distance = far, found.nearest = -1;
  found.listed = listed, found.count = all, found.beyond = least(beyond);
  for (index e = 0; e < all; ++e) found.bound[e] = least(filtered[e]);
  const double most = all > 0 ? (double(filtered[0]) + lost) / (1 - error) : far;
  if (!(found.beyond > most)) return false;
  index n = 0;
  while (n < all && found.bound[n] <= most) ++n;
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
        places_(clusters.count(), 0),
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
        if (!merge_pairs()) overflow();
      }
      compact(stale);
      if (progress) progress(static_cast<index>(merges_.size()));
      if (double(before - clusters_.count()) < share * double(before)) break;
    }
    return std::move(merges_);
  }

 private:
  static constexpr double kFar = std::numeric_limits<double>::infinity();
  struct Listed {
    std::int32_t id, size;  // of the cluster when it was measured; size 0: it was not
    double bound;           // its distance then; or what it is at least
  };
  [[noreturn]] static void overflow() {
    refuse("X", "values whose squared distances fit its dtype", "an overflow");
  }
  Listed* list(index slot) { return listed_.data() + clusters_.id(slot) * 2 * keep_; }
  std::uint8_t& length(index slot) { return lists_[clusters_.id(slot)]; }

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
      thread_local std::vector<std::int32_t> places;
      if (static_cast<index>(places.size()) < clusters_.count()) places.resize(clusters_.count());
      for (index s = b * block; s < std::min(all, (b + 1) * block); ++s)
        found[s] = find_in_list(stale[s], places.data());
    });
    std::vector<index> others;
    for (index s = 0; s < all; ++s)
      if (!found[s]) others.push_back(stale[s]);
    search_all(others);
    // Where rounding brought a new cluster nearer than the neighbour its nearest one knows of.
    for (const index i : stale) {
      const index j = near_[i];
      if (distance_[i] < distance_[j]) distance_[j] = distance_[i], near_[j] = i;
    }
  }

  // The nearest by the list, if it can be told. places: of slots, anything.
  bool find_in_list(index i, std::int32_t* places) {
    Listed* listed = list(i);
    index slots[kListed];
    const index count = bring_up_to_date(i, listed, slots, places);
    length(i) = static_cast<std::uint8_t>(count);
    if (count == 0) return false;
    index least = 0, first = -1;
    for (index c = 0; c < count; ++c) {
      if (listed[c].bound < listed[least].bound) least = c;
      if (listed[c].size > 0 && (first < 0 || nearer(listed, slots, c, first))) first = c;
    }
    if (listed[least].size == 0) {
      measure(i, listed, slots, &least, 1);
      if (first < 0 || nearer(listed, slots, least, first)) first = least;
    }
    index may[kListed], n = 0;
    for (index c = 0; c < count; ++c) {
      may[n] = c;
      n += listed[c].size == 0 && clusters_.surely(i, listed[c].bound) <= listed[first].bound;
    }
    measure(i, listed, slots, may, n);
    for (index m = 0; m < n; ++m)
      if (nearer(listed, slots, may[m], first)) first = may[m];
    if (!(listed[first].bound < clusters_.surely(i, beyond_[i]))) return false;
    near_[i] = slots[first];
    distance_[i] = listed[first].bound;
    shorten(i, listed, count);
    return true;
  }
  static bool nearer(const Listed* listed, const index* slots, index a, index b) {
    return std::tie(listed[a].bound, slots[a]) < std::tie(listed[b].bound, slots[b]);
  }

  // The clusters that those of the list are part of by now, each once; returns how many.
  index bring_up_to_date(index i, Listed* listed, index* slots, std::int32_t* places) {
    index count = 0;
    for (index e = 0; e < length(i); ++e) {
      const auto [id, size, bound] = listed[e];
      const index slot = clusters_.slot_of(id), place = places[slot];
      if (slot == i) continue;
      const bool same = size == clusters_.size(slot);
      const double least = same ? bound : std::min(bound, beyond_[i]);
      if (place < count && slots[place] == slot) {
        Listed& other = listed[place];
        other = {other.id, 0, clusters_.beyond_parts(least, other.bound)};
      } else {
        listed[count] = {static_cast<std::int32_t>(clusters_.id(slot)), same ? size : 0, least};
        slots[count] = slot;
        places[slot] = static_cast<std::int32_t>(count++);
      }
    }
    return count;
  }

  // Those listed at places which[0, count).
  void measure(index i, Listed* listed, const index* slots, const index* which, index count) {
    index those[kListed];
    double distance[kListed];
    for (index m = 0; m < count; ++m) those[m] = slots[which[m]];
    if (count > 0) clusters_.distances(i, those, count, distance);
    for (index m = 0; m < count; ++m) {
      listed[which[m]].bound = distance[m];
      listed[which[m]].size = static_cast<std::int32_t>(clusters_.size(those[m]));
    }
  }

  // Drops the farthest of a list that is too long for two of them to be inherited.
  void shorten(index i, Listed* listed, index count) {
    if (count <= keep_) return;
    std::nth_element(listed, listed + keep_, listed + count,
                     [](const Listed& a, const Listed& b) { return a.bound < b.bound; });
    beyond_[i] = std::min(beyond_[i], listed[keep_].bound);
    length(i) = static_cast<std::uint8_t>(keep_);
  }

  void search_all(const std::vector<index>& slots) {
    if (slots.empty()) return;
    clusters_.search(slots, n_threads_, [&](index i, const Found& found) {
      near_[i] = found.nearest;
      distance_[i] = found.distance;
      beyond_[i] = found.beyond;
      length(i) = static_cast<std::uint8_t>(found.count);
      for (index e = 0; e < found.count; ++e)
        list(i)[e] = {static_cast<std::int32_t>(clusters_.id(found.listed[e])), 0,
                      std::min(found.bound[e], found.beyond)};
    });
    for (const index i : slots)
      if (near_[i] < 0) overflow();
  }

  // All reciprocal pairs; the later slot takes the cluster. False where there is none.
  bool merge_pairs() {
    const std::size_t before = merges_.size();
    for (index i = 0; i < clusters_.count(); ++i) target_[i] = i;
    for (index i = 0; i < clusters_.count(); ++i) {
      const index j = near_[i];
      if (j < i || near_[j] != i) continue;
      merges_.push_back({distance_[i], clusters_.id(i), clusters_.id(j)});
      inherit(i, j);
      clusters_.join(i, j);
      target_[i] = -1;
    }
    return merges_.size() > before;
  }

  // The list of j becomes that of the union: who is in one list alone is beyond the other one.
  void inherit(index i, index j) {
    const double far[2] = {beyond_[i], beyond_[j]};
    double least[2][kListed];
    index slots[kListed], count = 0;
    for (const int side : {1, 0}) {
      const Listed* from = list(side ? j : i);
      for (index e = 0; e < length(side ? j : i); ++e) {
        const index slot = clusters_.slot_of(from[e].id), place = places_[slot];
        const double bound = std::min(from[e].bound, far[side]);
        if (slot == i || slot == j) continue;
        if (place < count && slots[place] == slot) {
          least[side][place] = std::min(least[side][place], bound);
        } else {
          slots[count] = slot, least[side][count] = bound, least[1 - side][count] = far[1 - side];
          places_[slot] = static_cast<std::int32_t>(count++);
        }
      }
    }
    Listed* to = list(j);
    for (index c = 0; c < count; ++c)
      to[c] = {static_cast<std::int32_t>(clusters_.id(slots[c])), 0,
               clusters_.beyond_union(i, j, least[0][c], least[1][c])};
    length(j) = static_cast<std::uint8_t>(count);
    beyond_[j] = clusters_.beyond_union(i, j, far[0], far[1]);
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
      distance_[to] = distance_[i], beyond_[to] = beyond_[i];
      near_[to] = again ? -1 : target_[near];
      if (again) stale.push_back(to);
    }
    clusters_.shrink(left);
    if (interrupt::pending()) throw Interrupted();
  }

  Clusters& clusters_;
  const int n_threads_;
  const index keep_;
  std::vector<index> near_;           // slot of the nearest
  std::vector<double> distance_;      // to it
  std::vector<double> beyond_;        // what is not listed is at least that far
  Buffer<Listed> listed_;             // of an id: room for 2 * keep
  std::vector<std::uint8_t> lists_;   // how many are listed
  std::vector<std::int32_t> places_;  // of a slot in a list that is being made
  std::vector<index> target_;         // where a slot goes when slots close up
  std::vector<Merge> merges_;
};

}  // namespace coterie::linkage
