// Items as queries of their fellows: the two sides of a self-join's products.
//
// Both are seen in the items' scale, so a product serves both: row j, as a query, scores item i by
// <z_i, z_j> + bias_i, and row i scores item j by <z_i, z_j> + bias_j.
#pragma once
#include <vector>

#include "lists.hpp"

namespace coterie::top_n {

template <class T>
class JoinRows {
 public:
  static constexpr index kChunk = 60;  // queries a call: a multiple of all NR

  JoinRows(const Items<T>& items, const Options& options, const Selector<T>& selector);

  Seen seen(index i) const {
    const float radius = items_.has_bytes() ? items_.radii()[i] : 0.0f;
    return selector_.see_item(double(lengths_[i]), radius);
  }
  // In the scale of the longest row this one is beyond what bytes, or floats, tell apart.
  bool too_short(index i) const;

  // What a thread packs: queries [first, ...), and a panel of items.
  struct Packed {
    index first = 0;
    Buffer<float> rows, panel, queries, partial;
    Buffer<std::int32_t> bytes;
  };
  Packed room(index queries) const;
  void pack_queries(index first, index last, Packed& to) const;
  void pack_items(index i, Packed& to) const;

  // Packed items from i on against `count` packed queries from j on.
  void raise_peaks(Packed& packed, index i, index j, index count, float* peaks) const;
  void find(Packed& packed, index i, index j, index count, CandidateLists of_queries) const;
  void find_both(Packed& packed, index i, index j, index count, CandidateLists of_queries,
                 CandidateLists of_items) const;

 private:
  template <class F>
  void over_words(index i, const F& f) const;
  void measure(index i);
  TopNTask floats(Packed& packed, index i, index j, index count) const;
  TopNInt8Task bytes(Packed& packed, index i, index j, index count) const;

  const Items<T>& items_;
  const View<T>& x_;
  const Selector<T>& selector_;
  index mr_ = panel_rows(), nr_ = isa::kernels<float>().nr;
  Buffer<float> zeros_, lengths_, biases_;
  Buffer<float> scales_, reaches_, radii_;  // these and starts_: of bytes
  Buffer<std::int32_t> starts_;
};

}  // namespace coterie::top_n
