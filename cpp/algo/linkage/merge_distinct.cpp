// Complete, average and weighted linkage of points of which many are equal.
//
// Equal rows merge first. What is left are clusters of so many points, and two of those are as far
// apart as two of their points are.
#include "equal_rows.hpp"
#include "linkage.hpp"
#include "square.hpp"

namespace coterie::linkage {

template <class T>
std::vector<Merge> merge_distinct(const View<double>& x, Method method, PairMetric metric,
                                  const Room& room, int n_threads, const Progress& progress) {
  Start start = merge_equal(x);
  const index left = static_cast<index>(start.ids.size());
  if (left == x.rows || left > members_left(x.rows)) return {};
  if (left == 1) return std::move(start.merges);
  const Buffer<double> rows = rows_of(x, start.ids);
  room(Square<T>::bytes(left), left);
  const Lines<T> lines({rows.data(), left, x.cols, x.cols}, metric, false, false);
  Square<T> d(lines, n_threads);
  std::vector<Merge> equal = std::move(start.merges);
  start.merges.clear();
  const std::vector<Merge> merges =
      merge_matrix_from(d, std::move(start), method, n_threads, progress);
  if (!all_apart(merges)) return {};
  equal.insert(equal.end(), merges.begin(), merges.end());
  return equal;
}

template std::vector<Merge> merge_distinct<float>(const View<double>&, Method, PairMetric,
                                                  const Room&, int, const Progress&);
template std::vector<Merge> merge_distinct<double>(const View<double>&, Method, PairMetric,
                                                   const Room&, int, const Progress&);

}  // namespace coterie::linkage
