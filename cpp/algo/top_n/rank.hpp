// What ranks in a top-N list, and which items may be on it.
//
// The key of an item, larger first and ties to the lowest index, is a float64 value:
//     cosine, angular   <q, y> / (|q| |y|), 0 where either is zero; reported clipped to [-1, 1], or
//     as
//                       arccos(clipped) / pi
//     dot               <q, y>
//     euclidean         -|q - y|^2, formed from differences; its root is reported
// Sums run over the columns in ascending order, so keys have the same bits on every path, ISA and
// number of threads. For cosines a float64 row is first scaled by a power of two, which is exact
// and keeps squares from overflow.
#pragma once
#include <algorithm>

#include "../../base/buffer.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/sparse_table.hpp"
#include "top_n.hpp"

namespace coterie::top_n {

struct Request : Options {
  Metric metric = Metric::cosine;
};

// rows x n each; lists that are short end in index -1 and score -inf, or inf for distances. One of
// the scores is null.
struct Found {
  std::int64_t* indices;
  float* f32;
  double* f64;
};

struct Hit {
  double key;
  index at;
};
inline bool before(const Hit& a, const Hit& b) {
  return a.key > b.key || (a.key == b.key && a.at < b.at);
}

// The first n of what is pushed, in a buffer of `room` hits that is cut back to n whenever it is
// full.
class Best {
 public:
  static index room(index n) { return 2 * n + 64; }
  Best() = default;
  Best(Hit* hits, index n, Hit cut) : hits_(hits), n_(n), cut_(cut) {}
  const Hit& cut() const { return cut_; }  // what comes after it need not be pushed
  index count() const { return count_; }
  const Hit* begin() const { return hits_; }
  const Hit* end() const { return hits_ + count_; }
  bool push(Hit hit) {  // true: the cut has moved
    hits_[count_++] = hit;
    if (count_ < room(n_)) return false;
    shrink();
    return true;
  }
  void finish();  // the first n, in order

 private:
  void shrink();
  Hit* hits_ = nullptr;
  index n_ = 0, count_ = 0;
  Hit cut_{};
};

// Of every row: its power of two, its norm (cosine, angular), squared norm (euclidean) or 0 (dot).
struct Measures {
  Buffer<double> factor, level;
  index terms = 0;  // entries of the longest row
};
template <class T>
Measures measure(const Csr<T>& x, Metric metric, int n_threads);
template <class T>
Measures measure(const View<T>& x, Metric metric, int n_threads);

// A product q . y of a key beyond the cut is above  slope * level(y) + floor. Others may be, too.
struct Rule {
  double slope, floor;
};

class Judge {
 public:
  Judge(const Request& request, index terms);
  Metric metric() const { return metric_; }
  bool similarity() const { return metric_ != Metric::euclidean; }
  bool accepts(double key) const {  // does the threshold?
    return !limited_ || within(key);
  }
  Hit first_cut() const { return cut_; }
  Rule rule(const Hit& cut, double level) const;
  // Of similarities, from the product and the two levels.
  double key(double product, double a, double b) const {
    if (metric_ == Metric::dot) return product;
    const double norms = a * b;
    return norms > 0 ? product / norms : 0;
  }
  double score(double key) const;

 private:
  bool within(double key) const;
  Metric metric_;
  double slack_, threshold_;
  bool limited_;
  Hit cut_;
};

template <class T>
double square_distance(const Csr<T>& a, index i, const Csr<T>& b, index j);
template <class T>
double square_distance(const Csr<T>& a, index i, const View<T>& b, index j);
template <class T>
double square_distance(const View<T>& a, index i, const Csr<T>& b, index j) {
  return square_distance(b, j, a, i);
}

// May a query have an item?
class Mask {
 public:
  Mask() = default;
  Mask(const Request& request, index query);
  bool allows(index item) const;
  // f(item) of the items of [low, high) that this query, not everyone, may not have.
  template <class F>
  void each(index low, index high, const F& f) const {
    for (const std::int64_t* p = std::lower_bound(begin_, end_, low); p < end_ && *p < high; ++p)
      f(*p);
    if (self_ >= low && self_ < high) f(self_);
  }

 private:
  const std::uint8_t* deny_ = nullptr;
  const std::int64_t *begin_ = nullptr, *end_ = nullptr;
  index self_ = -1;
};

// Writes the list of one query; best is finished.
void emit(const Best& best, const Judge& judge, index query, index n, const Found& out);

template <class T>
const SparseKernels<T>& sparse_kernels();
template <>
inline const SparseKernels<float>& sparse_kernels() {
  return isa::table().sparse->f32;
}
template <>
inline const SparseKernels<double>& sparse_kernels() {
  return isa::table().sparse->f64;
}

}  // namespace coterie::top_n
