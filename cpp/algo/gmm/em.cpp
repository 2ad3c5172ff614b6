// Parameters from sums, what happens to components that collapse, and the EM iteration.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/finite.hpp"
#include "../../base/random.hpp"
#include "../../base/threads.hpp"
#include "bounds.hpp"
#include "factor.hpp"

namespace coterie::gmm {
namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;

void insert_once(std::vector<index>& list, index c) {
  const auto at = std::lower_bound(list.begin(), list.end(), c);
  if (at == list.end() || *at != c) list.insert(at, c);
}

// Values amid the data: the medians of some rows.
template <class T>
Values amid(const View<T>& x) {
  constexpr index most = 256;
  const index step = (x.rows + most - 1) / most;
  Values middle(static_cast<std::size_t>(x.cols), 0.0), some;
  for (index f = 0; f < x.cols; ++f) {
    some.clear();
    for (index i = 0; i < x.rows; i += step)
      if (std::isfinite(x.row(i)[f])) some.push_back(static_cast<double>(x.row(i)[f]));
    if (some.empty()) continue;
    const auto half = some.begin() + static_cast<std::ptrdiff_t>(some.size() / 2);
    std::nth_element(some.begin(), half, some.end());
    middle[f] = *half;
  }
  return middle;
}

template <class T>
class Em {
 public:
  Em(const View<T>& x, const double* weights, const Columns& columns, const Options& options,
     Model& model)
      : x_(x),
        weights_(weights),
        columns_(columns),
        shift_(columns.mean.empty() ? amid(x) : columns.mean),
        options_(options),
        m_(model),
        d_(model.depth),
        steps_(static_cast<std::size_t>(model.k), 0.0),
        total_(total_weight(weights, x.rows)),
        nothing_(10 * std::numeric_limits<double>::epsilon() * total_ /
                 static_cast<double>(x.rows)) {
    set_variance();
    if (m_.type != Covariance::tied) return;
    // sum w x x^T about the shift, once and for all.
    products_ = gather<T>(x, weights, shift_, Covariance::full, 1, {}, shift_, options.n_threads);
  }

  Result start(const Given<T>& given) {
    const Values nowhere(static_cast<std::size_t>(m_.k * d_), 0.0);
    Sums sums =
        gather(x_, weights_, shift_, Covariance::tied, m_.k, given, nowhere, options_.n_threads);
    if (m_.type != Covariance::tied) {
      for (index c = 0; c < m_.k; ++c)
        for (index f = 0; f < d_; ++f)
          sums.centers[c * d_ + f] += sums.s1[c * d_ + f] / (sums.n[c] + nothing_);
      sums = gather(x_, weights_, shift_, m_.type, m_.k, given, sums.centers, options_.n_threads);
    }
    estimate(sums, total_);
    return result_;
  }

  Result fit(double before) {
    set_constants(m_);
    Groups groups(x_.rows, 0);
    Bounds<T> bounds;
    for (index i = 0; i < options_.max_iter && !result_.converged; ++i) {
      Sums sums = expect(x_, weights_, shift_, m_, groups, options_.n_threads, within_, &bounds);
      if (m_.type == Covariance::tied && !within_ && cancels(sums)) {
        within_ = true;
        sums = expect(x_, weights_, shift_, m_, groups, options_.n_threads, true);
      }
      if (columns_.mean.empty()) read_columns(sums);
      const double bound = sums.log_likelihood / total_, change = bound - before;
      estimate(sums, 0);
      set_constants(m_);
      result_.lower_bounds.push_back(bound);
      before = bound;
      result_.converged = std::abs(change) < options_.tol;
      if (options_.progress && options_.progress(i, bound, change)) break;
    }
    return result_;
  }

 private:
  void set_variance() {
    variance_ = 0;
    for (const double v : columns_.variance) variance_ += v / static_cast<double>(d_);
  }

  // What the components' sums say of all rows together.
  void read_columns(const Sums& s) {
    columns_ = {Values(static_cast<std::size_t>(d_), 0.0),
                Values(static_cast<std::size_t>(d_), 0.0)};
    const index stride = square_stride(d_),
                line = m_.type == Covariance::full ? stride * stride : d_;
    for (index f = 0; f < d_; ++f) {
      double &mean = columns_.mean[f], &variance = columns_.variance[f];
      for (index c = 0; c < m_.k; ++c)
        mean += (s.s1[c * d_ + f] + s.n[c] * s.centers[c * d_ + f]) / total_;
      for (index c = 0; c < m_.k; ++c) {
        const double off = s.centers[c * d_ + f] - mean;
        const index at = c * line + f * (m_.type == Covariance::full ? stride + 1 : 1);
        variance += (s.s2[at] + off * (2 * s.s1[c * d_ + f] + off * s.n[c])) / total_;
      }
      variance = std::max(variance, 0.0);
    }
    set_variance();
  }

  // The M-step. whole: what the N_c are shares of; 0: their sum.
  void estimate(const Sums& s, double whole) {
    double sum = 0;
    for (const double n : s.n) sum += n + nothing_;
    for (index c = 0; c < m_.k; ++c) {
      const double n = s.n[c] + nothing_;
      m_.weights[c] = n / (whole > 0 ? whole : sum);
      for (index f = 0; f < d_; ++f)
        m_.means[c * d_ + f] = s.centers[c * d_ + f] + s.s1[c * d_ + f] / n;
    }
    if (m_.type == Covariance::tied) return estimate_tied(s);
    std::vector<char> fine(static_cast<std::size_t>(m_.k));
    const double work = static_cast<double>(m_.k * d_ * d_) * static_cast<double>(d_);
    threads::parallel_blocks(m_.k, threads::worth(work, options_.n_threads), [&](index c, int) {
      covariance(s, c);
      fine[c] = factor(c);
    });
    for (index c = 0; c < m_.k; ++c)
      if (!fine[c]) rescue(c, s.worst);
  }

  double* covariance_of(index c) { return m_.covariances.data() + c * line(); }
  index line() const {  // values a component's covariance takes
    return m_.type == Covariance::full ? d_ * d_ : m_.type == Covariance::diag ? d_ : 1;
  }

  void covariance(const Sums& s, index c) {
    const double n = s.n[c] + nothing_;
    double* to = covariance_of(c);
    const auto delta = [&](index f) { return s.s1[c * d_ + f] / n; };
    steps_[c] = 0;
    for (index f = 0; f < d_; ++f) steps_[c] = std::max(steps_[c], delta(f) * delta(f));
    if (m_.type == Covariance::full) {
      const index stride = square_stride(d_);
      const double* s2 = s.s2.data() + c * stride * stride;
      for (index i = 0; i < d_; ++i) {
        for (index j = 0; j <= i; ++j)
          to[i * d_ + j] = to[j * d_ + i] = s2[i * stride + j] / n - delta(i) * delta(j);
        to[i * d_ + i] += options_.reg_covar;
      }
      return;
    }
    double mean = 0;
    for (index f = 0; f < d_; ++f) {
      const double v = s.s2[c * d_ + f] / n - delta(f) * delta(f) + options_.reg_covar;
      if (m_.type == Covariance::diag) to[f] = v;
      mean += v / static_cast<double>(d_);
    }
    if (m_.type == Covariance::spherical) to[0] = mean;
  }

  // A tied covariance is what is left of the rows' products about the mean after the means' own
  // products. Where that is little (tight components far apart), the difference has lost its
  // digits, and products within each component are gathered instead, at the cost of full
  // covariances.
  bool cancels(const Sums& s) const {
    constexpr double left = sizeof(T) == 4 ? 1e-2 : 1e-3;
    const index stride = square_stride(d_);
    for (index f = 0; f < d_; ++f) {
      double between = 0;
      for (index c = 0; c < m_.k; ++c) {
        const double n = s.n[c] + nothing_, off = s.s1[c * d_ + f] / n;
        between += n * off * off;
      }
      const double all = products_.s2[f * stride + f];
      if (all - between < left * all) return true;
    }
    return false;
  }

  // Sum over components of products about their new means, entry (i, j).
  double within(const Sums& s, index i, index j) const {
    const index stride = square_stride(d_);
    double sum = within_ ? 0 : products_.s2[i * stride + j];
    for (index c = 0; c < m_.k; ++c) {
      const double n = s.n[c] + nothing_;
      if (within_)
        sum += s.s2[(c * stride + i) * stride + j] - s.s1[c * d_ + i] * s.s1[c * d_ + j] / n;
      else
        sum -= n * (m_.means[c * d_ + i] - products_.centers[i]) *
               (m_.means[c * d_ + j] - products_.centers[j]);
    }
    return sum;
  }

  void estimate_tied(const Sums& s) {
    for (index i = 0; i < d_; ++i) {
      for (index j = 0; j <= i; ++j)
        m_.covariances[i * d_ + j] = m_.covariances[j * d_ + i] = within(s, i, j) / total_;
      m_.covariances[i * d_ + i] += options_.reg_covar;
    }
    if (inverse_cholesky(m_.covariances.data(), d_, m_.factors.data())) return;
    lift(0);
  }

  // Is it nothing but rounding that is left of a variance? Of differences between rows that spread
  // like all of them, or of the step the component's mean has just made.
  bool vanished(double variance, double of_all, double step) const {
    constexpr double grain = 16 * double(std::numeric_limits<T>::epsilon());
    const double noise = grain * grain * of_all + 8 * std::numeric_limits<double>::epsilon() * step;
    return !(variance > noise) || !(variance > 0) || !std::isfinite(variance);
  }
  bool vanished(index c) { return vanished(mean_variance(c), variance_, steps_[c]); }

  double mean_variance(index c) {
    if (m_.type == Covariance::spherical) return *covariance_of(c);
    double mean = 0;
    const index step = m_.type == Covariance::diag ? 1 : d_ + 1;
    for (index f = 0; f < d_; ++f) mean += covariance_of(c)[f * step] / static_cast<double>(d_);
    return mean;
  }

  // Factors from covariances; false where the component has collapsed.
  bool factor(index c) {
    const double* s = covariance_of(c);
    if (m_.type == Covariance::full)
      return !vanished(c) && inverse_cholesky(s, d_, &m_.factors[c * d_ * d_]);
    for (index f = 0; f < line(); ++f) {
      const double of_all = m_.type == Covariance::diag ? columns_.variance[f] : variance_;
      if (vanished(s[f], of_all, steps_[c])) return false;
      m_.factors[c * line() + f] = 1 / std::sqrt(s[f]);
    }
    return true;
  }

  // A share of the component's own variance on top, or of that of all rows, until it can be
  // inverted.
  void lift(index c) {
    double unit = mean_variance(c);
    const bool gone = vanished(c);
    steps_[c] = 0;
    if (gone) unit = variance_ > 0 ? variance_ : 1;
    const index values = m_.type == Covariance::tied ? d_ * d_ : line();
    const index step = m_.type == Covariance::full || m_.type == Covariance::tied ? d_ + 1 : 1;
    double* s = covariance_of(c);
    for (index e = 0; e < values; ++e)
      if (!std::isfinite(s[e])) s[e] = 0;
    for (double share = 1e-8;; share *= 100) {
      for (index e = 0; e < values; e += step) s[e] = std::max(s[e], 0.0) + share * unit;
      if (m_.type == Covariance::tied ? inverse_cholesky(s, d_, m_.factors.data()) : factor(c))
        break;
    }
    insert_once(result_.regularised, c);
  }

  // A component that has shrunk to less than a point starts again where the model explains X worst,
  // with the variances of all rows; once. One that is merely flat is lifted.
  void rescue(index c, index worst) {
    const bool flat = !vanished(c);
    const bool again = std::binary_search(result_.reseeded.begin(), result_.reseeded.end(), c);
    if (flat || again || worst < 0) return lift(c);
    index row = worst;
    if (last_worst_ == worst)  // taken by another: any row
      row = static_cast<index>(uniform(0, static_cast<std::uint64_t>(c), 0) *
                               static_cast<double>(x_.rows));
    last_worst_ = worst;
    insert_once(result_.reseeded, c);
    for (index f = 0; f < d_; ++f) m_.means[c * d_ + f] = static_cast<double>(x_.row(row)[f]);
    double* s = covariance_of(c);
    std::fill(s, s + line(), 0.0);
    const index step = m_.type == Covariance::full ? d_ + 1 : 1;
    for (index f = 0; f * step < line(); ++f)
      s[f * step] = options_.reg_covar +
                    (m_.type == Covariance::spherical ? variance_ : columns_.variance[f]);
    steps_[c] = 0;
    const double share = 1 / static_cast<double>(m_.k);
    for (index q = 0; q < m_.k; ++q) m_.weights[q] *= 1 - share;
    m_.weights[c] += share;
    if (!factor(c)) lift(c);
  }

  const View<T>& x_;
  const double* weights_;
  Columns columns_;
  const Values shift_;
  const Options& options_;
  Model& m_;
  const index d_;
  Values steps_;  // largest squared movement of a component's mean along a feature
  const double total_;
  const double nothing_;  // added to N_c: none is zero
  double variance_ = 0;   // mean over the columns
  Sums products_;
  Result result_;
  index last_worst_ = -1;
  bool within_ = false;  // tied: products are gathered within components
};

}  // namespace

index factors_of(Covariance type, index k, index depth) {
  switch (type) {
    case Covariance::full:
      return k * depth * depth;
    case Covariance::tied:
      return depth * depth;
    case Covariance::diag:
      return k * depth;
    default:
      return k;
  }
}

void set_constants(Model& m) {
  const index d = m.depth;
  const double normal = static_cast<double>(d) / 2 * std::log(kTwoPi);
  m.constants.resize(static_cast<std::size_t>(m.k));
  for (index c = 0; c < m.k; ++c) {
    double log_det = 0;
    for (index f = 0; f < d; ++f) {
      if (m.type == Covariance::full)
        log_det += std::log(m.factors[(c * d + f) * d + f]);
      else if (m.type == Covariance::tied)
        log_det += std::log(m.factors[f * d + f]);
      else
        log_det += std::log(m.factors[m.type == Covariance::diag ? c * d + f : c]);
    }
    m.constants[c] = std::log(m.weights[c]) + log_det - normal;
  }
}

template <class T>
Result start(const View<T>& x, const double* weights, const Columns& columns, const Given<T>& given,
             const Options& options, Model& model) {
  return Em<T>(x, weights, columns, options, model).start(given);
}

template <class T>
Result fit(const View<T>& x, const double* weights, const Columns& columns, double before,
           const Options& options, Model& model) {
  return Em<T>(x, weights, columns, options, model).fit(before);
}

#define COTERIE_INSTANTIATE(T)                                                                  \
  template Result start<T>(const View<T>&, const double*, const Columns&, const Given<T>&,      \
                           const Options&, Model&);                                             \
  template Result fit<T>(const View<T>&, const double*, const Columns&, double, const Options&, \
                         Model&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::gmm
