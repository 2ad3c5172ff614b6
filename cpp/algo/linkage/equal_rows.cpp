#include "equal_rows.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace coterie::linkage {
namespace {

// Odd numbers without a pattern (Steele, Lea & Flood 2014).
std::uint64_t odd_number(index f) {
  std::uint64_t z = static_cast<std::uint64_t>(f + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) | 1;
}

}  // namespace

std::vector<index> first_equals(const View<double>& x) {
  std::vector<std::uint64_t> factors(static_cast<std::size_t>(x.cols));
  for (index f = 0; f < x.cols; ++f) factors[f] = odd_number(f);
  int bits = 4;
  while (index{1} << bits < 2 * x.rows) ++bits;
  std::vector<index> table(std::size_t{1} << bits, -1), first(static_cast<std::size_t>(x.rows));
  for (index i = 0; i < x.rows; ++i) {
    const double* row = x.row(i);
    std::uint64_t sum = 0;
    for (index f = 0; f < x.cols; ++f) {
      const double value = row[f] + 0.0;  // zeros of either sign are equal
      std::uint64_t word;
      std::memcpy(&word, &value, sizeof word);
      sum += word * factors[f];
    }
    sum = (sum ^ sum >> 32) * factors[0];
    auto at = static_cast<std::size_t>(sum >> (64 - bits));
    while (table[at] >= 0 && !std::equal(row, row + x.cols, x.row(table[at])))
      at = (at + 1) & (table.size() - 1);
    if (table[at] < 0) table[at] = i;
    first[i] = table[at];
  }
  return first;
}

std::vector<index> distinct(const std::vector<index>& first) {
  std::vector<index> rows;
  for (std::size_t i = 0; i < first.size(); ++i)
    if (first[i] == static_cast<index>(i)) rows.push_back(first[i]);
  return rows;
}

Buffer<double> rows_of(const View<double>& x, const std::vector<index>& rows) {
  const index count = static_cast<index>(rows.size());
  Buffer<double> to(checked_product(count, x.cols));
  for (index k = 0; k < count; ++k) std::copy_n(x.row(rows[k]), x.cols, to.data() + k * x.cols);
  return to;
}

Start merge_equal(const View<double>& x) {
  const std::vector<index> first = first_equals(x);
  std::vector<index> last(first.size(), -1);  // of each first one: the last row like it so far
  std::vector<double> sizes(first.size(), 0.0);
  Start start;
  for (index i = 0; i < x.rows; ++i) {
    index& before = last[first[i]];
    if (before >= 0) start.merges.push_back({0, before, i});
    before = i;
    ++sizes[first[i]];
  }
  for (index i = 0; i < x.rows; ++i)
    if (last[first[i]] == i) start.ids.push_back(i), start.sizes.push_back(sizes[first[i]]);
  return start;
}

}  // namespace coterie::linkage
