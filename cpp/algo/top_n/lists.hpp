// The candidates of some queries while the items go by.
#pragma once
#include <algorithm>
#include <cfloat>

#include "../../engine/rounding.hpp"
#include "select.hpp"

namespace coterie::top_n {

// Room for a list: four times what is kept, so that a cut has something to do, and one panel more.
inline index list_capacity(index keep, index items, index more) {
  return std::min(std::max<index>(4 * keep, 192), items) + more;
}

template <class T>
class Lists {
 public:
  Lists(index count, index capacity, index more)
      : capacity_(capacity),
        more_(more),
        thresholds_(round_up(count, isa::kernels<float>().nr) + panel_rows(),
                    std::numeric_limits<float>::infinity()),
        counts_(count, 0),
        candidates_(checked_product(count, capacity)) {}

  void open(index j, float threshold) { thresholds_[j] = threshold; }
  float threshold(index j) const { return thresholds_[j]; }
  index count(index j) const { return counts_[j]; }
  Candidate* list(index j) { return candidates_.data() + j * capacity_; }

  // The lists from j on, as a kernel sees them.
  CandidateLists from(index j) {
    return {thresholds_.data() + j, list(j), capacity_, counts_.data() + j};
  }

  // Before a kernel: every list of [j0, j1) takes `more` candidates. id(j), seen(j): its query.
  template <class Id, class See>
  void make_room(index j0, index j1, const Id& id, const See& seen, const Selector<T>& selector,
                 typename Selector<T>::Scratch& scratch) {
    for (index j = j0; j < j1; ++j)
      if (counts_[j] + more_ > capacity_)
        counts_[j] = static_cast<std::int32_t>(selector.cut(id(j), seen(j), list(j), counts_[j],
                                                            (capacity_ - more_) * 3 / 4,
                                                            thresholds_[j], scratch));
  }

 private:
  index capacity_, more_;
  Buffer<float> thresholds_;
  Buffer<std::int32_t> counts_;
  Buffer<Candidate> candidates_;
};

}  // namespace coterie::top_n
