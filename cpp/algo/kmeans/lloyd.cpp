// Lloyd's iteration: assignment and sums in one pass over X, then k * d work.
//
// The inertia of each iteration comes from the sums, J = Q - 2 sum_j c_j.S_j + sum_j W_j |c_j|^2 about the
// mean in float64, at k * d cost; where that would cancel (tight, far apart clusters), and for the final
// value, it is taken from differences instead.
#include "pass.hpp"

namespace coterie::kmeans {
namespace {

constexpr double kCancels = 1e-7;  // J below this share of Q is recomputed: 9 digits remain above it

template <class Rows>
class Lloyd {
 public:
  using T = typename Rows::Value;

  Lloyd(const Rows& x, const double* weights, const Moments& m, T* centers, index k,
        std::int32_t* labels, const Options& options)
      : x_(x),
        weights_(weights),
        k_(k),
        depth_(x.depth()),
        stride_(sums_stride(x.depth())),
        options_(options),
        plan_(x.rows(), k, depth_),
        n_threads_(pass_threads(x, k, options.n_threads)),
        shift_(round8(depth_), 0.0),
        centers_(centers),
        labels_(labels),
        sums_(checked_product(k, stride_)),
        nearest_(x.nearest(k, start_shift(m))),
        scratch_(team_scratch(nearest_, n_threads_)) {
    const double total = total_weight(weights, x.rows());
    for (index f = 0; f < depth_; ++f) {
      const double off = m.mean[f] - shift_[f];
      spread_ += total * (m.variance[f] + off * off);
    }
    if (!plan_.sorted) partial_ = Buffer<double>(checked_product(plan_.shards, k * stride_));
    std::fill(labels, labels + x.rows(), -1);
  }

  Result run() {
    Result result;
    bool settled = false;
    for (index i = 0; i < options_.max_iter && !settled; ++i) {
      nearest_.set(centers_);
      const bool changed = assign_and_sum();
      const double inertia = inertia_of_sums();
      const bool moved_in = fill_empty();
      const double shift = update();
      result.history.push_back({inertia, shift});
      // With no relocation, unchanged labels mean unchanged sums, so the centres are fixed too.
      settled = !changed && !moved_in;
      const bool stop = options_.progress && options_.progress(i, inertia, shift);
      if (stop || (shift <= options_.tol && !moved_in)) break;
    }
    if (!settled) {
      nearest_.set(centers_);
      assign_pass(x_, nearest_, plan_, labels_, scratch_, [](index, index, index) {});
    }
    result.inertia = exact_inertia(x_, weights_, nearest_.exact(), labels_, nullptr, n_threads_);
    return result;
  }

 private:
  static index round8(index n) { return (n + 7) / 8 * 8; }

  const double* start_shift(const Moments& m) {
    if constexpr (Rows::centred)
      for (index f = 0; f < depth_; ++f) shift_[f] = gentle_shift(m.mean[f], std::sqrt(m.variance[f]));
    return shift_.data();
  }

  bool assign_and_sum() {
    const double* shift = shift_.data();
    if (plan_.sorted) {
      const bool changed =
          assign_pass(x_, nearest_, plan_, labels_, scratch_, [](index, index, index) {});
      sorted_sums(x_, weights_, shift, labels_, k_, sums_, n_threads_);
      return changed;
    }
    partial_.fill(0);
    const index size = k_ * stride_;
    const bool changed = assign_pass(
        x_, nearest_, plan_, labels_, scratch_, [&](index shard, index first, index count) {
          x_.accumulate(first, count, weights_, shift, labels_ + first,
                        partial_.data() + shard * size, stride_);
        });
    std::copy(partial_.data(), partial_.data() + size, sums_.data());
    for (index s = 1; s < plan_.shards; ++s)
      for (index i = 0; i < size; ++i) sums_[i] += partial_[s * size + i];
    return changed;
  }

  double inertia_of_sums() {
    double inertia = spread_;
    for (index j = 0; j < k_; ++j) {
      const double *s = sums_.data() + j * stride_, w = s[depth_];
      double cross = 0, norm = 0;
      for (index f = 0; f < depth_; ++f) {
        const double c = static_cast<double>(centers_[j * depth_ + f]) - shift_[f];
        cross += c * s[f];
        norm += c * c;
      }
      inertia += w * norm - 2 * cross;
    }
    if (inertia > kCancels * spread_) return inertia;
    return exact_inertia(x_, weights_, nearest_.exact(), labels_, nullptr, n_threads_);
  }

  // Gives empty clusters a row each: the farthest from their centres first, ties to the lowest row,
  // only rows of positive weight and distance, and never a donor's last one. Returns whether any moved.
  bool fill_empty() {
    std::vector<index> empty;
    for (index j = 0; j < k_; ++j)
      if (!(sums_[j * stride_ + depth_] > 0)) empty.push_back(j);
    if (empty.empty() || options_.empty == Empty::keep) return false;
    if (options_.empty == Empty::error)
      refuse("empty_cluster", "no cluster to lose all its samples", "an empty cluster ", empty[0]);
    Buffer<double> distance(x_.rows());
    exact_inertia(x_, nullptr, nearest_.exact(), labels_, distance.data(), n_threads_);
    std::vector<index> members(k_, 0), farthest;
    for (index i = 0; i < x_.rows(); ++i) {
      if (weights_ && !(weights_[i] > 0)) continue;
      ++members[labels_[i]];
      if (distance[i] > 0) farthest.push_back(i);
    }
    std::sort(farthest.begin(), farthest.end(), [&](index a, index b) {
      return distance[a] > distance[b] || (distance[a] == distance[b] && a < b);
    });
    std::size_t next = 0;
    for (const index i : farthest) {
      if (next == empty.size()) break;
      if (members[labels_[i]] == 1) continue;
      --members[labels_[i]];
      move_row(i, empty[next++]);
    }
    return next > 0;
  }

  void move_row(index i, index to) {
    Buffer<double> row(stride_, 0.0);
    const double* weight = weights_;
    x_.accumulate_listed(&i, 1, weight, shift_.data(), row.data());
    double *from = sums_.data() + labels_[i] * stride_, *into = sums_.data() + to * stride_;
    for (index f = 0; f <= depth_; ++f) {
      from[f] -= row[f];
      into[f] = row[f];
    }
  }

  // New centres from the sums; the summed squared shift.
  double update() {
    double shift = 0;
    for (index j = 0; j < k_; ++j) {
      const double *s = sums_.data() + j * stride_, w = s[depth_];
      if (!(w > 0)) continue;
      for (index f = 0; f < depth_; ++f) {
        T& c = centers_[j * depth_ + f];
        const double before = static_cast<double>(c);
        c = static_cast<T>(shift_[f] + s[f] / w);
        const double moved = static_cast<double>(c) - before;
        shift += moved * moved;
      }
    }
    return shift;
  }

  const Rows& x_;
  const double* weights_;
  const index k_, depth_, stride_;
  const Options& options_;
  const SumsPlan plan_;
  const int n_threads_;
  Buffer<double> shift_;
  double spread_ = 0;  // Q: sum of w |x - shift|^2
  T* centers_;
  std::int32_t* labels_;
  Buffer<double> sums_, partial_;
  decltype(std::declval<const Rows&>().nearest(0, nullptr)) nearest_;
  std::vector<NearestScratch<T>> scratch_;  // a thread each
};

}  // namespace

template <class X, class T>
Result lloyd(const X& x, const double* weights, const Moments& moments, T* centers, index k,
             std::int32_t* labels, const Options& options) {
  const auto rows = source(x);
  return Lloyd<decltype(source(x))>(rows, weights, moments, centers, k, labels, options).run();
}

#define COTERIE_INSTANTIATE(X, T)                                                                \
  template Result lloyd<X, T>(const X&, const double*, const Moments&, T*, index, std::int32_t*, \
                              const Options&);
COTERIE_FOR_ALL_ROWS(COTERIE_INSTANTIATE)

}  // namespace coterie::kmeans
