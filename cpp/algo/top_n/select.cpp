#include "select.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "../../engine/rounding.hpp"

namespace coterie::top_n {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPi = 3.14159265358979323846;
constexpr double kFarQuery = 1e6;  // euclidean: a query this many radii out is decided exactly
// A filter's score this many widths below a true one, roundings included, is of less.
constexpr double kApart = 1.01;
constexpr index kAhead = 16;   // rows fetched before they are multiplied
constexpr index kVector = 16;  // floats of the widest vector
constexpr double kByteSlack =
    0x1p-20;  // the roundings of the score formed from bytes, some 10 half-ulps

float rounded_down(double value) {
  if (!(value > -double(FLT_MAX))) return -FLT_MAX;
  return static_cast<float>(value - std::abs(value) * 0x1p-23 - 1e-44);
}

// What float32 sums are off by.
double width_of(index depth, double length, bool biased) {
  return 1.01 * double(depth + 16) * kUlp * (biased ? length + 0.5 : length);
}

// Into as many buckets as there are values, best first: a sort after that mispredicts little.
template <class Ranked>
bool spread(std::vector<Ranked>& values, std::vector<Ranked>& to,
            std::vector<std::uint32_t>& places) {
  const std::size_t count = values.size();
  if (count < 64) return false;
  double least = values[0].score, most = least;
  for (const auto& v : values) least = std::min(least, v.score), most = std::max(most, v.score);
  const double scale = double(count - 1) / (most - least);
  if (!(scale < DBL_MAX && scale > 0)) return false;
  const auto bucket = [&](const Ranked& v) {
    return static_cast<std::size_t>((most - v.score) * scale);
  };
  places.assign(count + 2, 0);
  for (const auto& v : values) ++places[bucket(v) + 2];
  for (std::size_t b = 2; b < count + 2; ++b) places[b] += places[b - 1];
  to.resize(count);
  for (const auto& v : values) to[places[bucket(v) + 1]++] = v;
  values.swap(to);
  return true;
}

}  // namespace

template <class T>
Selector<T>::Selector(const View<T>& queries, const Items<T>& items, const Options& options,
                      bool bytes)
    : queries_(queries),
      items_(items),
      options_(options),
      radii_(bytes ? items.radii() : nullptr),
      keep_(std::min(options.n, items.rows().rows)) {}

template <class T>
Seen Selector<T>::see(index q) const {
  const index depth = items_.rows().cols;
  Seen seen;
  if (items_.biased()) {
    seen.scale = items_.scale();
    seen.length =
        seen.scale * std::sqrt(isa::kernels<T>().distance(queries_.row(q), depth, items_.shift()));
  } else {
    const double length = norm(queries_.row(q), depth, items_.zeros());
    seen.zero = length == 0;
    seen.scale = seen.zero ? 0 : 1 / length;
    seen.length = 1;
  }
  const bool in_range = std::isfinite(seen.scale) && (!items_.biased() || seen.length < kFarQuery);
  seen.width = width_of(depth, seen.length, items_.biased());
  if (!items_.usable() || !in_range) seen.scale = seen.length = 0, seen.width = kInfinity;
  return seen;
}

template <class T>
Seen Selector<T>::see_item(double length, float radius) const {
  Seen seen;
  seen.length = length;
  seen.zero = !items_.biased() && length == 0;
  seen.scale = seen.zero ? 0 : items_.scale();
  seen.width = width_of(items_.rows().cols, length, items_.biased());
  if (radii_ != nullptr) widen(seen, radius);
  return seen;
}

// From |<z, q> - t t_q I| <= r |q| + |t a| r_q and |t a| <= |z| + r <= 1 + r.
template <class T>
float Selector<T>::widen(Seen& seen, float kept) const {
  const double radius = double(kept) + 4 * kUlp * seen.length;
  seen.reach = (seen.length + radius) * (1 + 1e-6);
  const double size = items_.biased() ? 1 + seen.length : 2 * seen.length;
  if (seen.width < kInfinity) seen.width = radius * (1 + 1e-6) + kByteSlack * size;
  return std::nextafter(static_cast<float>(seen.reach), FLT_MAX);
}

template <class T>
double Selector<T>::filtered(const Seen& seen, double score) const {
  switch (items_.metric()) {
    case Metric::dot:
      return score * items_.scale() * seen.scale;
    case Metric::euclidean:
      return 0.5 * (seen.length * seen.length + score * items_.scale() * items_.scale());
    default:
      return score;
  }
}

template <class T>
double Selector<T>::reported(double score) const {
  switch (items_.metric()) {
    case Metric::dot:
      return score;
    case Metric::euclidean:
      return std::sqrt(-score);
    case Metric::angular:
      return std::acos(std::clamp(score, -1.0, 1.0)) / kPi;
    default:
      return std::clamp(score, -1.0, 1.0);
  }
}

template <class T>
bool Selector<T>::passes(double value) const {
  return is_distance(items_.metric()) ? value <= options_.threshold : value >= options_.threshold;
}

template <class T>
float Selector<T>::first_threshold(const Seen& seen) const {
  if (!std::isfinite(options_.threshold) || seen.width == kInfinity) return -FLT_MAX;
  double score = options_.threshold;
  if (items_.metric() == Metric::euclidean) score = -score * score;
  if (items_.metric() == Metric::angular) score = score >= 1 ? -2 : std::cos(score * kPi) - 1e-12;
  return rounded_down(filtered(seen, score) - 2 * seen.width);
}

template <class T>
bool Selector<T>::eligible(index q, std::uint32_t item) const {
  if (options_.exclude_self && index(item) == q) return false;
  if (options_.deny != nullptr && options_.deny[item]) return false;
  const auto* start = options_.exclude.start;
  if (start == nullptr || start[q] == start[q + 1]) return true;
  return !std::binary_search(options_.exclude.item + start[q], options_.exclude.item + start[q + 1],
                             std::int64_t(item));
}

// Both rows brought near 1 by powers of two, which changes no bit but of what underflows.
template <class T>
double Selector<T>::cosine(const T* y, Scratch& s) const {
  const index depth = items_.rows().cols;
  const auto into = [&](std::vector<double>& to, const auto* from) {
    double top = 0;
    for (index p = 0; p < depth; ++p) top = std::max(top, std::abs(double(from[p])));
    int exponent;
    std::frexp(top, &exponent);
    to.assign(static_cast<std::size_t>(round_up(depth, 8)), 0.0);
    for (index p = 0; p < depth; ++p)
      to[static_cast<std::size_t>(p)] = std::ldexp(double(from[p]), -exponent);
  };
  into(s.left, s.query.data());
  into(s.right, y);
  const auto& leaf = leaves<double>();
  const double a = leaf.dot(s.left.data(), depth, s.left.data());
  const double b = leaf.dot(s.right.data(), depth, s.right.data());
  if (a == 0 || b == 0) return 0;
  return leaf.dot(s.right.data(), depth, s.left.data()) / (std::sqrt(a) * std::sqrt(b));
}

template <class T>
double Selector<T>::exact(index q, std::uint32_t item, Scratch& s) const {
  const index depth = items_.rows().cols;
  if (s.query_of != q) {
    s.query.assign(static_cast<std::size_t>(round_up(depth, 8)), 0.0);
    std::copy_n(queries_.row(q), depth, s.query.data());
    s.query_of = q;
    s.length = norm(queries_.row(q), depth, items_.zeros());
  }
  const T* y = items_.rows().row(item);
  if (items_.biased()) return -isa::kernels<T>().distance(y, depth, s.query.data());
  const double product = leaves<T>().dot(y, depth, s.query.data());
  if (!items_.unit()) return std::isnan(product) ? -kInfinity : product;
  const double length = items_.lengths()[item];
  const auto in_range = [](double v) { return v > kTiny && v < kVast; };
  if (in_range(length) && in_range(s.length)) return product / (s.length * length);
  return cosine(y, s);
}

// Appends the list with true scores to scratch.ranked.
template <class T>
void Selector<T>::score(index q, const Candidate* list, index count, Scratch& s) const {
  const index lines = std::min<index>(16, (items_.rows().cols * index(sizeof(T)) + 63) / 64);
  // Inlined by force: GCC takes a function that only prefetches for one without effect, and drops
  // it.
  const auto fetch = [&](index c) __attribute__((always_inline)) {
    const std::uint32_t item = list[c].item;
    const char* row = reinterpret_cast<const char*>(items_.rows().row(item));
    for (index l = 0; l < lines; ++l) __builtin_prefetch(row + 64 * l);
    if (items_.unit()) __builtin_prefetch(items_.lengths() + item);
  };
  for (index c = 0; c < std::min(kAhead, count); ++c) fetch(c);
  for (index c = 0; c < count; ++c) {
    if (c + kAhead < count) fetch(c + kAhead);
    s.ranked.push_back({exact(q, list[c].item, s), list[c].item});
  }
}

// scratch.ranked = what of the list may be among the best, with true scores. Of bytes, the n best
// of the filter are scored first: few others can then be better.
template <class T>
void Selector<T>::weigh(index q, const Seen& seen, Candidate* list, index count, Scratch& s) const {
  const auto to_front = [&](index from, float least) {  // without a branch
    index kept = from;
    for (index c = from; c < count; ++c) {
      std::swap(list[kept], list[c]);
      kept += list[kept].score >= least;
    }
    return kept;
  };
  s.ranked.clear();
  index first = count;
  if (radii_ != nullptr && count > 2 * keep_) {
    s.lower.resize(static_cast<std::size_t>(round_up(count, kVector)));
    for (index c = 0; c < count; ++c) s.lower[static_cast<std::size_t>(c)] = list[c].score;
    first = to_front(0, isa::table().top_n->nth_largest(s.lower.data(), count, keep_));
  }
  score(q, list, first, s);
  if (first < count) {
    const double nth = filtered(seen, nth_ranked(s));
    count = to_front(first, rounded_down(nth - kApart * seen.width));
    score(q, list + first, count - first, s);
  }
}

// The n best of scratch.ranked to its front; the score of the last of them.
template <class T>
double Selector<T>::nth_ranked(Scratch& s) const {
  const auto nth = s.ranked.begin() + keep_ - 1;
  std::nth_element(s.ranked.begin(), nth, s.ranked.end(), typename Scratch::Before());
  return nth->score;
}

// The n best, or all if they are fewer, in order.
template <class T>
void Selector<T>::order(Scratch& s) const {
  const auto last = s.ranked.begin() + std::min(keep_, index(s.ranked.size()));
  const bool spread_out = spread(s.ranked, s.spread, s.places);
  if (!spread_out && last != s.ranked.end()) nth_ranked(s);
  std::sort(s.ranked.begin(), spread_out ? s.ranked.end() : last, typename Scratch::Before());
}

template <class T>
index Selector<T>::cut(index q, const Seen& seen, Candidate* list, index count, index limit,
                       float& threshold, Scratch& s) const {
  if (barred(q) > 0 || options_.deny != nullptr)
    count = std::remove_if(list, list + count,
                           [&](const Candidate& c) { return !eligible(q, c.item); }) -
            list;
  if (count <= keep_) return count;
  const double reach = 2 * seen.reach;
  s.lower.resize(static_cast<std::size_t>(round_up(count, kVector)));
  for (index c = 0; c < count; ++c)
    s.lower[static_cast<std::size_t>(c)] =
        radii_ == nullptr
            ? list[c].score
            : rounded_down(double(list[c].score) - reach * double(radii_[list[c].item]));
  const float nth = isa::table().top_n->nth_largest(s.lower.data(), count, keep_);
  threshold = std::max(threshold, rounded_down(double(nth) - 2 * seen.width));
  index kept = 0;  // without a branch: what stays is as good as random
  for (index c = 0; c < count; ++c) {
    list[kept] = list[c];
    kept += list[c].score >= threshold;
  }
  count = kept;
  if (count <= limit) return count;
  weigh(q, seen, list, count, s);
  const double last = filtered(seen, nth_ranked(s));
  for (index c = 0; c < keep_; ++c) {
    const auto& r = s.ranked[static_cast<std::size_t>(c)];
    const double score = filtered(seen, r.score);
    list[c] = {std::abs(score) < double(FLT_MAX) ? static_cast<float>(score) : 0.0f, r.item};
  }
  threshold = std::max(threshold, rounded_down(last - kApart * seen.width));
  return keep_;
}

template <class T>
index Selector<T>::barred(index q) const {
  const auto* start = options_.exclude.start;
  return (options_.exclude_self ? 1 : 0) + (start == nullptr ? 0 : start[q + 1] - start[q]);
}

template <class T>
float Selector<T>::guess(index q, const Seen& seen, float* peaks, index count, double share) const {
  const float least = first_threshold(seen);
  // Of the best that matter this many were drawn, and hardly ever more than `rank`.
  const double mean = share * double(keep_ + barred(q));
  const index rank = static_cast<index>(mean + 3 * std::sqrt(mean) + 2);
  if (rank > count || seen.width == kInfinity) return least;
  const float nth = isa::table().top_n->nth_largest(peaks, count, rank);
  const double above = radii_ == nullptr ? seen.width : seen.reach * items_.typical_radius();
  return std::max(least, rounded_down(double(nth) - above - 1.02 * seen.width));
}

template <class T>
bool Selector<T>::finish(index q, const Seen& seen, Candidate* list, index count, float guessed,
                         Scratch& s, Result<T> result) const {
  if (seen.zero) {
    s.ranked.clear();
    for (index i = 0; i < items_.rows().rows && index(s.ranked.size()) < keep_; ++i)
      if (eligible(q, std::uint32_t(i))) s.ranked.push_back({0, std::uint32_t(i)});
  } else {
    float threshold = -FLT_MAX;
    count = cut(q, seen, list, count, count, threshold, s);
    weigh(q, seen, list, count, s);
    order(s);
    if (guessed > first_threshold(seen)) {
      if (index(s.ranked.size()) < keep_) return false;
      const double last = s.ranked[static_cast<std::size_t>(keep_ - 1)].score;
      if (guessed > rounded_down(filtered(seen, last) - kApart * seen.width)) return false;
    }
  }
  std::int64_t* items = result.items + q * options_.n;
  T* scores = result.scores + q * options_.n;
  index k = 0;
  for (; k < keep_ && k < index(s.ranked.size()); ++k) {
    const auto& best = s.ranked[static_cast<std::size_t>(k)];
    const double value = reported(best.score);
    if (!passes(value)) break;
    items[k] = best.item;
    scores[k] = static_cast<T>(value);
  }
  std::fill(items + k, items + options_.n, -1);
  std::fill(scores + k, scores + options_.n,
            static_cast<T>(is_distance(items_.metric()) ? kInfinity : -kInfinity));
  return true;
}

template class Selector<float>;
template class Selector<double>;

}  // namespace coterie::top_n
