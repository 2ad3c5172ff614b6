// The edges of a shrinking graph: lists of each node's edges and a table of pairs, in flat arrays.
//
// Edge e has two ends, 2 e and 2 e + 1; end h belongs to node at(h), the other end of its edge is h
// ^ 1. Ends of a node form a list through `next` and `last`, so that an edge leaves in constant
// time. The table finds the edge between two nodes: open addressing, deletion by moving later
// entries back.
#pragma once
#include <utility>

#include "../../base/buffer.hpp"
#include "../../base/random.hpp"
#include "constrained.hpp"

namespace coterie::linkage {

class Edges {
 public:
  static constexpr std::int32_t none = -1;

  explicit Edges(const Graph& g)
      : node_(2 * g.edges),
        next_(2 * g.edges),
        last_(2 * g.edges),
        first_(g.nodes, none),
        degree_(g.nodes, 0) {
    index slots = 16;
    while (slots < 2 * g.edges) slots *= 2;
    mask_ = static_cast<std::uint64_t>(slots - 1);
    table_ = Buffer<std::int32_t>(slots, none);
    for (std::int32_t e = 0; e < g.edges; ++e) {
      join(2 * e, g.a[e]);
      join(2 * e + 1, g.b[e]);
      enter(e);
    }
  }

  std::int32_t node(std::int32_t end) const { return node_[end]; }
  std::int32_t degree(std::int32_t n) const { return degree_[n]; }
  std::int32_t first(std::int32_t n) const { return first_[n]; }  // an end of n, or none
  std::int32_t next(std::int32_t end) const { return next_[end]; }

  // The edge between two nodes, or none.
  std::int32_t find(std::int32_t a, std::int32_t b) const {
    for (std::uint64_t s = home(a, b);; s = (s + 1) & mask_) {
      const std::int32_t e = table_[s];
      if (e == none) return none;
      if (joins(e, a, b)) return e;
    }
  }
  void remove(std::int32_t e) {
    leave(e);
    part(2 * e);
    part(2 * e + 1);
  }
  // Gives the end to node n, which must not have an edge to the other end's node yet.
  void move(std::int32_t end, std::int32_t n) {
    leave(end / 2);
    part(end);
    join(end, n);
    enter(end / 2);
  }

 private:
  bool joins(std::int32_t e, std::int32_t a, std::int32_t b) const {
    const std::int32_t c = node_[2 * e], d = node_[2 * e + 1];
    return (a == c && b == d) || (a == d && b == c);
  }
  std::uint64_t home(std::int32_t a, std::int32_t b) const {
    if (a > b) std::swap(a, b);
    return mix((static_cast<std::uint64_t>(a) << 32) | static_cast<std::uint64_t>(b)) & mask_;
  }
  std::uint64_t home(std::int32_t e) const { return home(node_[2 * e], node_[2 * e + 1]); }
  void enter(std::int32_t e) {
    std::uint64_t s = home(e);
    while (table_[s] != none) s = (s + 1) & mask_;
    table_[s] = e;
  }
  void leave(std::int32_t e) {
    std::uint64_t hole = home(e);
    while (table_[hole] != e) hole = (hole + 1) & mask_;
    for (std::uint64_t s = (hole + 1) & mask_; table_[s] != none; s = (s + 1) & mask_) {
      // An entry may fill the hole unless its home lies behind the hole.
      if (((s - home(table_[s])) & mask_) < ((s - hole) & mask_)) continue;
      table_[hole] = table_[s];
      hole = s;
    }
    table_[hole] = none;
  }
  void join(std::int32_t end, std::int32_t n) {
    node_[end] = n;
    next_[end] = first_[n];
    last_[end] = none;
    if (first_[n] != none) last_[first_[n]] = end;
    first_[n] = end;
    ++degree_[n];
  }
  void part(std::int32_t end) {
    const std::int32_t n = node_[end], before = last_[end], after = next_[end];
    if (before != none) next_[before] = after;
    if (after != none) last_[after] = before;
    if (before == none) first_[n] = after;
    --degree_[n];
  }

  Buffer<std::int32_t> node_, next_, last_, first_, degree_, table_;
  std::uint64_t mask_;
};

}  // namespace coterie::linkage
