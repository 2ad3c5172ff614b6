// Rows that are there several times.
#pragma once
#include <algorithm>
#include <vector>

#include "../../base/buffer.hpp"
#include "../../base/view.hpp"
#include "linkage.hpp"

namespace coterie::linkage {

// Of each row, the first one that equals it: itself, of a row like no other before.
std::vector<index> first_equals(const View<double>& x);

// The rows that are like none before them, ascending.
std::vector<index> distinct(const std::vector<index>& first);

// These rows, one after the other.
Buffer<double> rows_of(const View<double>& x, const std::vector<index>& rows);

// Equal rows, at distance zero, merge first: in the order of ids, the union of some with the next
// one. (Where a distance of unequal rows is zero as well, by underflow, that is not so: then the
// first merge of what is left is at zero, too.)
Start merge_equal(const View<double>& x);
inline bool all_apart(const std::vector<Merge>& merges) {
  return std::all_of(merges.begin(), merges.end(), [](const Merge& m) { return m.height > 0; });
}

}  // namespace coterie::linkage
