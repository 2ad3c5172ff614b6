// Seeding: greedy k-means++ (the candidate that lowers the potential most, Arthur & Vassilvitskii 2007,
// section 5) and k-means|| (Bahmani et al. 2012). All distances are float64 from differences.
#include "../../base/random.hpp"
#include "pass.hpp"

namespace coterie::kmeans {
namespace {

constexpr index kSeedRows = 4096;  // rows a block: the unit of potentials and of sampling

template <class Rows>
class PlusPlus {
 public:
  using T = typename Rows::Value;

  PlusPlus(const Rows& x, const double* weights, const double* shift, index trials, int n_threads)
      : x_(x),
        weights_(weights),
        trials_(trials),
        blocks_((x.rows() + kSeedRows - 1) / kSeedRows),
        n_threads_(pass_threads(x, trials, n_threads)),
        closest_(x.rows(), std::numeric_limits<double>::infinity()),
        sq_norms_(x.rows()),
        thresholds_(x.rows()),
        gains_(x.rows(), kAll),
        block_sum_(blocks_),
        rows_(checked_product(trials, x.depth())),
        chosen_(1, x.depth()),
        candidates_(trials, x.depth()),
        screen_(x.screen(shift)) {
    ExactCenters middle(1, x.depth());
    middle.set_row(0, shift);
    threads::parallel_blocks(blocks_, n_threads_, [&](index b, int) {
      for (index i = first_row(b); i < first_row(b + 1); ++i) sq_norms_[i] = x_.distance(i, middle, 0);
    });
  }

  void run(index first, const double* uniforms, index k, index* indices) {
    indices[0] = first;
    take(first, kAll);
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
      take(trial[best], trials_ <= kScreened ? std::uint16_t(1u << best) : kAll);
    }
  }

 private:
  static constexpr std::uint16_t kAll = 0xffff;

  index first_row(index block) const { return std::min(block * kSeedRows, x_.rows()); }
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

  // The candidate that lowers the potential most, ties to the first. gains_ remembers which rows each
  // brings closer (for trials <= kScreened).
  index weigh(const std::vector<index>& trial) {
    for (index c = 0; c < trials_; ++c) {
      T* row = rows_.data() + c * x_.depth();
      x_.copy(trial[c], row);
      candidates_.set_row(c, row);
    }
    Buffer<double> gain(checked_product(blocks_, trials_), 0.0);
    for (index c = 0; c < trials_; c += kScreened) {
      const index count = std::min(kScreened, trials_ - c);
      screen_.set(rows_.data() + c * x_.depth(), count);
      threads::parallel_blocks(blocks_, n_threads_, [&](index b, int) {
        weigh_block(b, c, count, gain.data() + b * trials_ + c);
      });
    }
    if (trials_ > kScreened) gains_.fill(kAll);
    for (index b = 1; b < blocks_; ++b)
      for (index c = 0; c < trials_; ++c) gain[c] += gain[b * trials_ + c];
    return std::max_element(gain.data(), gain.data() + trials_) - gain.data();
  }

  void weigh_block(index b, index first, index count, double* gain) {
    const index begin = first_row(b), end = first_row(b + 1);
    const unsigned all = (1u << count) - 1;
    screen_.block(x_.x, begin, end - begin, thresholds_.data() + begin, gains_.data() + begin);
    for (index i = begin; i < end; ++i) {
      unsigned maybe = gains_[i] & all, closer = 0;
      for (; maybe != 0; maybe &= maybe - 1) {
        const int c = __builtin_ctz(maybe);
        const double d = x_.distance(i, candidates_, first + c);
        if (!(d < closest_[i])) continue;
        closer |= 1u << c;
        gain[c] += (weights_ ? weights_[i] : 1) * (closest_[i] - d);
      }
      gains_[i] = std::uint16_t(closer);
    }
  }

  // Row i becomes a centre; only rows with a bit of `mask` in gains_ can have come closer.
  void take(index i, std::uint16_t mask) {
    x_.copy(i, rows_.data());
    chosen_.set_row(0, rows_.data());
    threads::parallel_blocks(blocks_, n_threads_, [&](index b, int) {
      double sums[4] = {};  // four chains: one would wait for itself
      for (index r = first_row(b); r < first_row(b + 1); ++r) {
        if (gains_[r] & mask) {
          closest_[r] = std::min(closest_[r], x_.distance(r, chosen_, 0));
          thresholds_[r] = screen_.threshold(sq_norms_[r], closest_[r]);
        }
        sums[r % 4] += mass(r);
      }
      block_sum_[b] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    });
  }

  const Rows& x_;
  const double* weights_;
  const index trials_, blocks_;
  const int n_threads_;
  Buffer<double> closest_, sq_norms_;
  Buffer<T> thresholds_;
  Buffer<std::uint16_t> gains_;
  Buffer<double> block_sum_;
  Buffer<T> rows_;  // the candidates
  ExactCenters chosen_, candidates_;
  decltype(std::declval<const Rows&>().screen(nullptr)) screen_;
};

// Something near the middle of the data, for kernels to work about.
template <class X>
Buffer<double> middle_of(const X& matrix, const double* weights, int n_threads) {
  const Moments m = moments(matrix, weights, n_threads);
  const auto depth = static_cast<index>(m.mean.size());
  Buffer<double> shift((depth + 7) / 8 * 8, 0.0);
  for (index f = 0; f < depth; ++f) shift[f] = gentle_shift(m.mean[f], std::sqrt(m.variance[f]));
  return shift;
}

}  // namespace

template <class X>
void plus_plus(const X& matrix, const double* weights, index first, const double* uniforms, index k,
               index trials, index* indices, int n_threads) {
  const auto x = source(matrix);
  const Buffer<double> shift = middle_of(matrix, weights, n_threads);
  PlusPlus<decltype(source(matrix))>(x, weights, shift.data(), trials, n_threads)
      .run(first, uniforms, k, indices);
}

template <class X>
Candidates parallel_seeding(const X& matrix, const double* weights, index first, std::uint64_t seed,
                            double oversampling, int rounds, int n_threads) {
  const auto x = source(matrix);
  using T = typename decltype(source(matrix))::Value;
  const index n = x.rows(), depth = x.depth();
  Buffer<double> closest(n, std::numeric_limits<double>::infinity());
  Buffer<std::int32_t> owner(n, 0), labels(n, -1);
  const Buffer<double> middle = middle_of(matrix, weights, n_threads);
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
      auto scratch = team_scratch(nearest, team);
      assign_pass(x, nearest, SumsPlan(n, 1, depth), labels.data(), scratch,
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
