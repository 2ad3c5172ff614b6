// One query and its list so far; lists of parts of the items, put together.
#pragma once
#include <algorithm>
#include <vector>

#include "../../base/interrupt.hpp"
#include "../../base/threads.hpp"
#include "rank.hpp"

namespace coterie::top_n {

struct Seeker {
  Best best;
  Mask mask;
  double level = 0;
  Rule rule{};

  Seeker() = default;
  // hits: room for Best::room(n).
  Seeker(const Request& request, const Judge& judge, index query, double its_level, Hit* hits,
         index n, Hit cut)
      : best(hits, n, cut), mask(request, query), level(its_level), rule(judge.rule(cut, level)) {}

  // True: the cut has moved, and the rule with it.
  bool offer(const Judge& judge, Hit hit) {
    if (!before(hit, best.cut()) || !judge.accepts(hit.key) || !mask.allows(hit.at)) return false;
    if (!best.push(hit)) return false;
    rule = judge.rule(best.cut(), level);
    return true;
  }
};

// In the middle of a block: should it be left? Throws where this is the thread that must say so.
inline bool halted(int thread) {
  if (thread == 0 && interrupt::pending()) throw Interrupted();
  return threads::stopped();
}

// How a search is cut into tasks: `per_block` queries against one of `parts` of the items. Items
// are divided only where there are fewer blocks of queries than threads could use.
struct Tasks {
  index queries, items, per_block, blocks, parts;
  Tasks(index n_queries, index n_items, index a_block, index n, int n_threads)
      : queries(n_queries), items(n_items), per_block(std::max<index>(a_block, 1)) {
    constexpr index least = 2048, memory = index{32} << 20;  // items in a part; bytes of lists
    blocks = (queries + per_block - 1) / per_block;
    const index wanted = n_threads > 1 ? (4 * index{n_threads} + blocks - 1) / blocks : 1;
    const index fit = memory / std::max<index>(queries * n * index(sizeof(Hit)), 1);
    parts = std::clamp<index>(std::min({wanted, items / least, fit}), 1, wanted);
  }
  index first(index task) const { return task / parts * per_block; }
  index last(index task) const { return std::min(queries, first(task) + per_block); }
  index first_item(index task) const { return items / parts * (task % parts); }
  index last_item(index task) const {
    return task % parts + 1 == parts ? items : first_item(task) + items / parts;
  }
};

// Lists of all queries over all parts, merged at the end; with one part they are written at once.
class Shelf {
 public:
  Shelf(const Tasks& tasks, const Judge& judge, index n, index kept, const Found& out)
      : tasks_(tasks), judge_(judge), n_(n), kept_(kept), out_(out) {
    if (tasks.parts == 1) return;
    hits_ = Buffer<Hit>(checked_product(tasks.queries * tasks.parts, kept));
    counts_ = Buffer<index>(tasks.queries * tasks.parts);
  }
  void put(index task, index query, Best& best) {
    best.finish();
    if (tasks_.parts == 1) return emit(best, judge_, query, n_, out_);
    const index at = query * tasks_.parts + task % tasks_.parts;
    std::copy(best.begin(), best.end(), hits_.data() + at * kept_);
    counts_[at] = best.count();
  }
  void merge(int n_threads) {
    if (tasks_.parts == 1) return;
    threads::parallel_blocks(tasks_.queries, n_threads, [&](index query, int) {
      Buffer<Hit> room(Best::room(kept_));
      Best best(room.data(), kept_, judge_.first_cut());
      for (index p = 0; p < tasks_.parts; ++p) {
        const index at = query * tasks_.parts + p;
        for (index k = 0; k < counts_[at]; ++k) best.push(hits_[at * kept_ + k]);
      }
      best.finish();
      emit(best, judge_, query, n_, out_);
    });
  }

 private:
  const Tasks& tasks_;
  const Judge& judge_;
  index n_, kept_;
  Found out_;
  Buffer<Hit> hits_;
  Buffer<index> counts_;
};

}  // namespace coterie::top_n
