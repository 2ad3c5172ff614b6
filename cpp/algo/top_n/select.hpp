// What decides: which candidates may still be among the n best, and which are, from float64
// products.
//
// A filter's score v of item y for query q says of the true score f (in the filter's scale)
//   v - 2 radius_y * reach_q - width_q <= f <= v + width_q
// with radius 0 for float32 products. tau = the n-th largest lower bound of what is eligible: n
// items are at least that good, so what has v < tau - width_q is not among the n best, whatever the
// ties.
#pragma once
#include <limits>
#include <vector>

#include "items.hpp"

namespace coterie::top_n {

// A query as the filter sees it.
struct Seen {
  double scale =
      0;  // of <q - shift, .>; 0: the filter knows nothing (width infinite), or q is zero
  double length = 0;  // of (q - shift) * scale
  double width = 0;   // see above
  double reach = 0;   // with bytes: |q| and a little more
  bool zero = false;  // similarity 0 to everything: no need to look
};

template <class T>
class Selector {
 public:
  Selector(const View<T>& queries, const Items<T>& items, const Options& options, bool bytes);

  // What a thread needs while it selects.
  struct Scratch {
    struct Ranked {
      double score;
      std::uint32_t item;
    };
    struct Before {
      bool operator()(const Ranked& a, const Ranked& b) const {
        return a.score != b.score ? a.score > b.score : a.item < b.item;
      }
    };
    std::vector<float> lower;
    std::vector<Ranked> ranked, spread;
    std::vector<std::uint32_t> places;
    std::vector<double> query;
    std::vector<double> left, right;  // rows brought into range
    index query_of = -1;
    double length = 0;
  };

  index keep() const { return keep_; }
  Seen see(index q) const;
  // An item as a query of its fellows, seen in their own scale.
  Seen see_item(double length, float radius) const;
  // The lowest score that can matter before anything has been found.
  float first_threshold(const Seen& seen) const;

  // Bytes: from the query's own radius. The reach, rounded up.
  float widen(Seen& seen, float radius) const;

  // Drops from the list what is not eligible or cannot be among the best, and raises the threshold.
  // limit: how many may stay; beyond it the list is decided exactly and the n best are left.
  index cut(index q, const Seen& seen, Candidate* list, index count, index limit, float& threshold,
            Scratch& scratch) const;
  // How many of the best may be taken away from query q.
  index barred(index q) const;
  // A threshold that the n best probably reach: from `peaks`, the best of each of `count` sets of
  // items that were drawn, `share` of all.
  float guess(index q, const Seen& seen, float* peaks, index count, double share) const;

  // The n best of the list, as the caller gets them. A zero query needs no list. False where the
  // list need not hold them, since it has only what reaches `guessed`.
  bool finish(index q, const Seen& seen, Candidate* list, index count, float guessed,
              Scratch& scratch, Result<T> result) const;

 private:
  bool eligible(index q, std::uint32_t item) const;
  double exact(index q, std::uint32_t item, Scratch& scratch) const;
  double cosine(const T* y, Scratch& scratch) const;
  void score(index q, const Candidate* list, index count, Scratch& scratch) const;
  void weigh(index q, const Seen& seen, Candidate* list, index count, Scratch& scratch) const;
  double nth_ranked(Scratch& scratch) const;
  void order(Scratch& scratch) const;
  double filtered(const Seen& seen, double score) const;  // a true score in the filter's scale
  double reported(double score) const;
  bool passes(double reported) const;

  const View<T>& queries_;
  const Items<T>& items_;
  const Options& options_;
  const float* radii_;  // null: float32 products
  index keep_;
};

}  // namespace coterie::top_n
