#include "rank.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/threads.hpp"

namespace coterie::top_n {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr double kPi = 3.14159265358979323846;
constexpr index kLast = std::numeric_limits<index>::max();

// An object: a pointer to a function would not be inlined.
constexpr auto kBefore = [](const Hit& a, const Hit& b) { return before(a, b); };

double angle(double cosine) { return std::acos(std::clamp(cosine, -1.0, 1.0)) / kPi; }

bool by_norm(Metric m) { return m == Metric::cosine || m == Metric::angular; }

// The greatest square whose root is within t.
double greatest_square(double t) {
  if (!(t >= 0)) return -1;
  double d = t * t;
  while (d > 0 && std::sqrt(d) > t) d = std::nextafter(d, 0);
  while (d < kInf && std::sqrt(std::nextafter(d, kInf)) <= t) d = std::nextafter(d, kInf);
  return d;
}

double power_of_two(float) { return 1; }  // squares of float32 are far from the ends of float64
double power_of_two(double largest) {
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  return std::ldexp(1.0, std::clamp(-exponent, -1022, 1022));
}

// f(i, measures) of every row, in blocks.
template <class F>
void each_row(index rows, index per_row, int n_threads, const F& f) {
  const index block = std::clamp<index>((index{1} << 18) / std::max<index>(per_row, 1), 1, 4096);
  const int team =
      threads::worth(static_cast<double>(rows) * static_cast<double>(per_row), n_threads);
  threads::parallel_blocks((rows + block - 1) / block, team, [&](index b, int) {
    for (index i = b * block, end = std::min(rows, i + block); i < end; ++i) f(i);
  });
}

template <class T>
void measure_row(const T* value, index count, Metric metric, double& factor, double& level) {
  factor = 1, level = 0;
  if (metric == Metric::dot) return;
  if (by_norm(metric)) {
    T largest = 0;
    for (index e = 0; e < count; ++e) largest = std::max(largest, std::abs(value[e]));
    factor = power_of_two(largest);
  }
  for (index e = 0; e < count; ++e) {
    const double x = static_cast<double>(value[e]) * factor;
    level += x * x;
  }
  if (by_norm(metric)) level = std::sqrt(level);
}

}  // namespace

void Best::shrink() {
  std::nth_element(hits_, hits_ + n_ - 1, hits_ + count_, kBefore);
  count_ = n_;
  cut_ = hits_[n_ - 1];
}

void Best::finish() {
  if (count_ > n_) shrink();
  std::sort(hits_, hits_ + count_, kBefore);
}

template <class T>
Measures measure(const Csr<T>& x, Metric metric, int n_threads) {
  Measures m{Buffer<double>(x.rows), Buffer<double>(x.rows), 0};
  each_row(x.rows, x.rows > 0 ? x.start[x.rows] / x.rows : 0, n_threads, [&](index i) {
    measure_row(x.value + x.start[i], x.start[i + 1] - x.start[i], metric, m.factor[i], m.level[i]);
  });
  for (index i = 0; i < x.rows; ++i) m.terms = std::max(m.terms, x.start[i + 1] - x.start[i]);
  return m;
}
template <class T>
Measures measure(const View<T>& x, Metric metric, int n_threads) {
  Measures m{Buffer<double>(x.rows), Buffer<double>(x.rows), x.cols};
  each_row(x.rows, x.cols, n_threads,
           [&](index i) { measure_row(x.row(i), x.cols, metric, m.factor[i], m.level[i]); });
  return m;
}

// A sum of k products is off by k eps |q| |y|, a squared norm by k eps of itself, and so is a
// distance formed from differences, at most 2 (|q|^2 + |y|^2): twice all that.
Judge::Judge(const Request& request, index terms)
    : metric_(request.metric),
      slack_((6 * static_cast<double>(terms) + 32) * kEps),
      threshold_(request.threshold),
      limited_(request.threshold != (is_distance(request.metric) ? kInf : -kInf)),
      cut_{-kInf, kLast} {
  if (!limited_) return;
  if (metric_ == Metric::euclidean)
    cut_.key = -greatest_square(threshold_);
  else if (metric_ == Metric::angular)
    cut_.key = threshold_ < 0 ? kInf : threshold_ >= 1 ? -kInf : std::cos(kPi * threshold_) - 1e-12;
  else
    cut_.key = std::nextafter(threshold_, -kInf);
}

bool Judge::within(double key) const {
  if (metric_ == Metric::euclidean) return -key <= -cut_.key;
  return metric_ == Metric::angular ? angle(key) <= threshold_ : key >= threshold_;
}

Rule Judge::rule(const Hit& cut, double level) const {
  if (cut.key == -kInf) return {0, -kInf};
  if (cut.key == kInf) return {0, kInf};
  // A tie passes and is decided by its index, but for 0: there are too many zeros, and where those
  // matter items come in ascending order.
  const double tiny = cut.key == 0 ? 0 : -1e-300;
  switch (metric_) {
    case Metric::dot:
      return {0, cut.key == 0 ? 0 : std::nextafter(cut.key, -kInf)};
    case Metric::euclidean:
      return {0.5 - slack_, 0.5 * (level + cut.key) - slack_ * (level - cut.key) - 1e-300};
    default: {
      const double product = cut.key * level;
      return {product - std::abs(product) * 16 * kEps, tiny};
    }
  }
}

double Judge::score(double key) const {
  switch (metric_) {
    case Metric::euclidean:
      return std::sqrt(-key);
    case Metric::angular:
      return angle(key);
    case Metric::cosine:
      return std::clamp(key, -1.0, 1.0) + 0.0;
    default:
      return key + 0.0;  // -0 is 0
  }
}

template <class T>
double square_distance(const Csr<T>& a, index i, const Csr<T>& b, index j) {
  double sum = 0;
  index e = a.start[i], f = b.start[j];
  const index a_end = a.start[i + 1], b_end = b.start[j + 1];
  while (e < a_end || f < b_end) {
    const index p = e < a_end ? a.column[e] : kLast, q = f < b_end ? b.column[f] : kLast;
    const double x = p <= q ? static_cast<double>(a.value[e++]) : 0;
    const double y = q <= p ? static_cast<double>(b.value[f++]) : 0;
    sum += (x - y) * (x - y);
  }
  return sum;
}
template <class T>
double square_distance(const Csr<T>& a, index i, const View<T>& b, index j) {
  double sum = 0;
  index e = a.start[i];
  const index end = a.start[i + 1];
  const T* y = b.row(j);
  for (index c = 0; c < b.cols; ++c) {
    const bool here = e < end && a.column[e] == c;
    const double x = here ? static_cast<double>(a.value[e++]) : 0;
    const double d = x - static_cast<double>(y[c]);
    sum += d * d;
  }
  return sum;
}

Mask::Mask(const Request& request, index query)
    : deny_(request.deny), self_(request.exclude_self ? query : -1) {
  const Exclude& exclude = request.exclude;
  if (exclude.start == nullptr) return;
  begin_ = exclude.item + exclude.start[query];
  end_ = exclude.item + exclude.start[query + 1];
}

bool Mask::allows(index item) const {
  if (item == self_ || (deny_ != nullptr && deny_[item] != 0)) return false;
  return begin_ == end_ || !std::binary_search(begin_, end_, item);
}

void emit(const Best& best, const Judge& judge, index query, index n, const Found& out) {
  const double none = is_distance(judge.metric()) ? kInf : -kInf;
  for (index k = 0; k < n; ++k) {
    const bool there = k < best.count();
    const double score = there ? judge.score(best.begin()[k].key) : none;
    out.indices[query * n + k] = there ? best.begin()[k].at : -1;
    if (out.f32 != nullptr)
      out.f32[query * n + k] = static_cast<float>(score);
    else
      out.f64[query * n + k] = score;
  }
}

template Measures measure(const Csr<float>&, Metric, int);
template Measures measure(const Csr<double>&, Metric, int);
template Measures measure(const View<float>&, Metric, int);
template Measures measure(const View<double>&, Metric, int);
template double square_distance(const Csr<float>&, index, const Csr<float>&, index);
template double square_distance(const Csr<double>&, index, const Csr<double>&, index);
template double square_distance(const Csr<float>&, index, const View<float>&, index);
template double square_distance(const Csr<double>&, index, const View<double>&, index);

}  // namespace coterie::top_n
