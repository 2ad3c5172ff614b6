// Seeding: greedy k-means++ (the candidate that lowers the potential most, Arthur & Vassilvitskii 2007,
// section 5) and k-means|| (Bahmani et al. 2012). All distances are float64 from differences.
#include "../../base/random.hpp"
#include "pass.hpp"

namespace coterie::kmeans {
namespace {

constexpr index kSeedRows = 4096;  // rows a block: the unit of potentials and of sampling
constexpr index kMaskBits = 16;    // candidates whose gain a row remembers

template <class Rows>
class PlusPlus {
 public:
  using T = typename Rows::Value;

  PlusPlus(const Rows& x, const double* weights, index trials, int n_threads)
      : x_(x),
        weights_(weights),
        trials_(trials),
        blocks_((x.rows() + kSeedRows - 1) / kSeedRows),
        n_threads_(pass_threads(x, trials, n_threads)),
        closest_(x.rows(), std::numeric_limits<double>::infinity()),
        gains_(x.rows(), std::uint16_t(0xffff)),
        block_sum_(blocks_),
        row_(x.depth()),
        chosen_(1, x.depth()),
        candidates_(trials, x.depth()) {}

  void run(index first, const double* uniforms, index k, index* indices) {
    indices[0] = first;
    take(first, 0xffff);
    std::vector<index> trial(trials_);
    for (index t = 1; t < k; ++t) {
      const double potential = total();
      if (!(potential > 0)) {
        std::fill(indices + t, indices + k, first);
        return;
      }
      for (index c = 0; c < trials_; ++c)
        trial[c] = draw(uniforms[(t - 1) * trials_ + c] * potential);
      const index best = weigh(trial);
      indices[t] = trial[best];
      take(trial[best], best < kMaskBits ? std::uint16_t(1u << best) : std::uint16_t(0xffff));
    }
  }

 private:
  double mass(index i) const { return weights_ ? weights_[i] * closest_[i] : closest_[i]; }

  double total() const {
    double sum = 0;
    for (index b = 0; b < blocks_; ++b) sum += block_sum_[b];
    return sum;
  }

  // The row whose cumulative mass first reaches `target`; only rows of positive mass.
  index draw(double target) const {
    double sum = 0;
    index last = -1;  // a block of positive mass: rounding may leave the target beyond the last one
    for (index b = 0; b < blocks_; ++b) {
      if (!(block_sum_[b] > 0)) continue;
      last = b;
      if (sum + block_sum_[b] >= target) break;
      sum += block_sum_[b];
    }
    index row = -1;
    for (index i = last * kSeedRows; i < std::min((last + 1) * kSeedRows, x_.rows()); ++i) {
      if (!(mass(i) > 0)) continue;
      row = i;
      sum += mass(i);
      if (sum >= target) break;
    }
    return row;
  }

  // The candidate with the smallest potential, ties to the first. Notes in gains_ which rows each improves.
  index weigh(const std::vector<index>& trial) {
    for (index c = 0; c < trials_; ++c) {
      x_.copy(trial[c], row_.data());
      candidates_.set_row(c, row_.data());
    }
    Buffer<double> potential(checked_product(blocks_, trials_), 0.0);
    std::vector<Buffer<double>> distances;
    for (int t = 0; t < n_threads_; ++t) distances.emplace_back(trials_);
    threads::parallel_blocks(blocks_, n_threads_, [&](index b, int thread) {
      double *sum = potential.data() + b * trials_, *d = distances[thread].data();
      for (index i = b * kSeedRows; i < std::min((b + 1) * kSeedRows, x_.rows()); ++i) {
        x_.distances(i, candidates_, d);
        const double w = weights_ ? weights_[i] : 1, before = closest_[i];
        unsigned gains = trials_ > kMaskBits ? 0xffff : 0;
        for (index c = 0; c < trials_; ++c) {
          if (c < kMaskBits && d[c] < before) gains |= 1u << c;
          sum[c] += w * std::min(d[c], before);
        }
        gains_[i] = std::uint16_t(gains);
      }
    });
    for (index b = 1; b < blocks_; ++b)
      for (index c = 0; c < trials_; ++c) potential[c] += potential[b * trials_ + c];
    return std::min_element(potential.data(), potential.data() + trials_) - potential.data();
  }

  // Row i becomes a centre; only rows with a bit of `mask` in gains_ can have come closer.
  void take(index i, std::uint16_t mask) {
    x_.copy(i, row_.data());
    chosen_.set_row(0, row_.data());
    threads::parallel_blocks(blocks_, n_threads_, [&](index b, int) {
      double sum = 0;
      const std::int32_t only = 0;
      for (index r = b * kSeedRows; r < std::min((b + 1) * kSeedRows, x_.rows()); ++r) {
        if (gains_[r] & mask) {
          double d;
          x_.labelled(r, 1, chosen_, &only, &d);
          closest_[r] = std::min(closest_[r], d);
        }
        sum += mass(r);
      }
      block_sum_[b] = sum;
    });
  }

  const Rows& x_;
  const double* weights_;
  const index trials_, blocks_;
  const int n_threads_;
  Buffer<double> closest_;
  Buffer<std::uint16_t> gains_;
  Buffer<double> block_sum_;
  Buffer<T> row_;
  ExactCenters chosen_, candidates_;
};

}  // namespace

template <class X>
void plus_plus(const X& matrix, const double* weights, index first, const double* uniforms, index k,
               index trials, index* indices, int n_threads) {
  const auto x = source(matrix);
  PlusPlus<decltype(source(matrix))>(x, weights, trials, n_threads).run(first, uniforms, k, indices);
}

template <class X>
Candidates parallel_seeding(const X& matrix, const double* weights, index first, std::uint64_t seed,
                            double oversampling, int rounds, int n_threads) {
  const auto x = source(matrix);
  using T = typename decltype(source(matrix))::Value;
  const index n = x.rows(), depth = x.depth();
  Buffer<double> closest(n, std::numeric_limits<double>::infinity());
  Buffer<std::int32_t> owner(n, 0), labels(n, -1);
  Buffer<double> middle((depth + 7) / 8 * 8, 0.0);
  {
    const Moments m = moments(matrix, weights, n_threads);
    std::copy(m.mean.begin(), m.mean.end(), middle.data());
  }
  Candidates found{{first}, {}};
  std::size_t known = 0;  // candidates whose distances are in `closest`
  double potential = 0;
  for (int round = 0;; ++round) {
    const index fresh = static_cast<index>(found.rows.size() - known);
    if (fresh > 0) {
      Buffer<T> centers(checked_product(fresh, depth));
      for (index j = 0; j < fresh; ++j) x.copy(found.rows[known + j], centers.data() + j * depth);
      auto nearest = x.nearest(fresh, middle.data());
      nearest.set(centers.data());
      const int team = pass_threads(x, fresh, n_threads);
      assign_pass(x, nearest, SumsPlan(n, 1, depth), labels.data(), team,
                  [](index, index, index) {});
      potential = blockwise_sum(n, team, [&](index begin, index count) {
        double sum = 0, d;
        for (index i = begin; i < begin + count; ++i) {
          x.labelled(i, 1, nearest.exact(), &labels[i], &d);
          if (d < closest[i]) {
            closest[i] = d;
            owner[i] = static_cast<std::int32_t>(known) + labels[i];
          }
          sum += weights ? weights[i] * closest[i] : closest[i];
        }
        return sum;
      });
      known = found.rows.size();
    }
    if (round == rounds || !(potential > 0)) break;
    for (index i = 0; i < n; ++i) {
      const double mass = weights ? weights[i] * closest[i] : closest[i];
      if (mass > 0 && uniform(seed, std::uint64_t(round), std::uint64_t(i)) < oversampling * mass / potential)
        found.rows.push_back(i);
    }
  }
  found.weights.assign(found.rows.size(), 0.0);
  for (index i = 0; i < n; ++i) found.weights[owner[i]] += weights ? weights[i] : 1;
  return found;
}

#define COTERIE_INSTANTIATE(X, T)                                                                   \
  template void plus_plus<X>(const X&, const double*, index, const double*, index, index, index*,  \
                             int);                                                                  \
  template Candidates parallel_seeding<X>(const X&, const double*, index, std::uint64_t, double, int, \
                                          int);
COTERIE_FOR_ALL_ROWS(COTERIE_INSTANTIATE)

}  // namespace coterie::kmeans
