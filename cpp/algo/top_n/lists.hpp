// The candidates of some queries while the items go by.
#pragma once
#include <algorithm>
#include <cfloat>

#include "../../engine/rounding.hpp"
#include "select.hpp"

namespace coterie::top_n {

// Room for a list: three times what is kept, so that a cut has something to do, and `more`.
inline index list_capacity(index keep, index items, index more) {
  return std::min(3 * keep + 64, items) + more;
}

// One panel in kSample is drawn; the best scores of each lane there tell where a query's n-th best
// lies.
struct Draw {
  Draw(index rows, index keep)
      : panels(rows / panel_rows() / kSample),
        share(double(panels * panel_rows()) / double(rows)),
        groups(std::min(panels,
                        (4 * static_cast<index>(share * double(keep) + 16) + lanes - 1) / lanes)) {}
  index panel(index i) const { return i * kSample; }

  static constexpr index kSample = 16;  // (bench: top_n)
  index lanes = isa::kernels<float>().width, panels;
  double share;
  index groups;  // of panels: the best of each lane is kept for each; 0: too few rows for a guess
};

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
  void open(index j, float threshold, index count) {
    thresholds_[j] = threshold, counts_[j] = static_cast<std::int32_t>(count);
  }
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

  // Thresholds of queries [j0, j1), guessed: peaks_of(i, peaks) raises `peaks` (TopNTable) by what
  // the draw's panel i has.
  template <class Id, class See, class PeaksOf>
  void guess(const Draw& draw, index j0, index j1, const Id& id, const See& seen,
             const Selector<T>& selector, const PeaksOf& peaks_of) {
    const index line = round_up(j1 - j0, isa::kernels<float>().nr) * draw.lanes;
    Buffer<float> peaks(draw.groups * line, -FLT_MAX), some(draw.groups * draw.lanes);
    for (index i = 0; i < draw.panels; ++i)
      peaks_of(i, peaks.data() + i * draw.groups / draw.panels * line);
    for (index j = j0; j < j1; ++j) {
      if (seen(j).zero) continue;
      for (index g = 0; g < draw.groups; ++g)
        std::copy_n(peaks.data() + g * line + (j - j0) * draw.lanes, draw.lanes,
                    some.data() + g * draw.lanes);
      open(j, selector.guess(id(j), seen(j), some.data(), some.size(), draw.share));
    }
  }

 private:
  index capacity_, more_;
  Buffer<float> thresholds_;
  Buffer<std::int32_t> counts_;
  Buffer<Candidate> candidates_;
};

}  // namespace coterie::top_n
