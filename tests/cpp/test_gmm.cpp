// One EM pass against plain double loops, and what must not change its bits.
#include <cmath>
#include <limits>

#include "../../cpp/algo/gmm/bounds.hpp"
#include "../../cpp/algo/gmm/factor.hpp"
#include "../../cpp/algo/gmm/gmm.hpp"
#include "../../cpp/base/check.hpp"
#include "../../cpp/engine/isa.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;
using gmm::Covariance;

namespace {

constexpr Covariance kTypes[] = {Covariance::full, Covariance::tied, Covariance::diag,
                                 Covariance::spherical};
const char* name_of(Covariance type) {
  const char* names[] = {"full", "tied", "diag", "spherical"};
  return names[static_cast<int>(type)];
}

// k Gaussians with small integers for means and factors near the identity.
gmm::Model model_of(Covariance type, index k, index d) {
  gmm::Model m{type, k, d, {}, {}, {}, {}, {}};
  for (index c = 0; c < k; ++c) {
    m.weights.push_back(double(c + 1) / double(k * (k + 1) / 2));
    for (index f = 0; f < d; ++f) m.means.push_back(small_integer(71, c * d + f, 3));
  }
  const index values = gmm::factors_of(type, k, d);
  const bool matrices = type == Covariance::full || type == Covariance::tied;
  for (index e = 0; e < values; ++e) {
    const index i = e / d % d, j = e % d;
    const double at = small_integer(72, e, 2) / 8.0;
    m.factors.push_back(!matrices ? 1 + at : i == j ? 1 + std::abs(at) : i > j ? at : 0);
  }
  m.covariances.resize(m.factors.size());
  gmm::set_constants(m);
  return m;
}

// |T_c (x - mean_c)|^2 in double.
double square(const gmm::Model& m, index c, const std::vector<double>& x) {
  double sum = 0;
  const index d = m.depth;
  for (index i = 0; i < d; ++i) {
    double y = 0;
    for (index j = 0; j < d; ++j) {
      const double z = x[j] - m.means[c * d + j];
      if (m.type == Covariance::full)
        y += m.factors[(c * d + i) * d + j] * z;
      else if (m.type == Covariance::tied)
        y += m.factors[i * d + j] * z;
      else if (i == j)
        y += m.factors[m.type == Covariance::diag ? c * d + i : c] * z;
    }
    sum += y * y;
  }
  return sum;
}

bool close(double a, double b, double bound) {
  return std::abs(a - b) <= bound * (1 + std::abs(b));
}

template <class T>
void check_pass(Covariance type, index n, index d, index k, Edge edge) {
  About about(type_name<T>(), " ", name_of(type), " n ", n, " d ", d, " k ", k);
  const double bound = (sizeof(T) == 4 ? 2e-5 : 1e-12) * double(d);
  const Rows<T> x(n, d, d + n % 3, edge, 73, 4);
  std::vector<double> weights;
  for (index i = 0; i < n; ++i) weights.push_back(double(i % 4));
  weights[0] = 1;
  const gmm::Model m = model_of(type, k, d);
  std::vector<double> density(static_cast<std::size_t>(n));
  Guarded<T> responsibilities(n * k, edge);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
  gmm::score<T>(x.view(), m, {density.data(), responsibilities.data(), labels.data()}, 2);
  gmm::Values shift(static_cast<std::size_t>(d), 0.25);
  gmm::Groups groups(n, 0);
  gmm::Sums sums;
  for (int pass = 0; pass < 2; ++pass)  // the second time rows are ordered
    sums = gmm::expect(x.view(), weights.data(), shift, m, groups, 2);
  double likelihood = 0;
  std::vector<double> total(static_cast<std::size_t>(k)), first(static_cast<std::size_t>(k * d));
  for (index i = 0; i < n; ++i) {
    std::vector<double> row, joint;
    for (index f = 0; f < d; ++f) row.push_back(x.get(i, f));
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (index c = 0; c < k; ++c) {
      joint.push_back(m.constants[c] - square(m, c, row) / 2);
      top = std::max(top, joint.back());
    }
    for (const double j : joint) sum += std::exp(j - top);
    const double log_density = top + std::log(sum);
    CHECK(close(density[i], log_density, bound));
    likelihood += weights[i] * log_density;
    for (index c = 0; c < k; ++c) {
      const double r = std::exp(joint[c] - log_density);
      CHECK(std::abs(double(responsibilities[i * k + c]) - r) <= bound * (1 + std::abs(top)));
      total[c] += weights[i] * r;
      for (index f = 0; f < d; ++f) first[c * d + f] += weights[i] * r * row[f];
    }
    CHECK(joint[labels[i]] >= top - bound * (1 + std::abs(top)));
  }
  CHECK(close(sums.log_likelihood, likelihood, bound * 10));
  for (index c = 0; c < k; ++c) {
    CHECK(close(sums.n[c], total[c], bound * 100));
    for (index f = 0; f < d; ++f) {
      const index e = c * d + f;
      CHECK(close(sums.s1[e] + sums.n[c] * sums.centers[e], first[e], bound * 100 * double(n)));
    }
  }
}

template <class T>
void check_passes() {
  const index mr = isa::kernels<T>().mr;
  for (const Covariance type : kTypes)
    for (const Edge edge : kEdges) {
      for (const index d : {1, 2, 3, 4, 5, 8, 9, 17}) check_pass<T>(type, 2 * mr + 1, d, 3, edge);
      for (const index n : sizes({1, 2, mr - 1, mr, mr + 1, 5 * mr + 3}))
        for (const index k : {1, 2, 5}) check_pass<T>(type, n, 6, k, edge);
    }
}

// EM from given parameters: the same bits for any number of threads, never a step down.
template <class T>
void check_fit(Covariance type) {
  constexpr index n = 5000, d = 5, k = 4;
  About about(type_name<T>(), " ", name_of(type));
  Rows<T> x(n, d, d, Edge::end, 74, 3);
  for (index i = 0; i < n; ++i) x.at(i, i % d) += static_cast<T>(i % k * 8);
  const gmm::Columns columns{gmm::Values(d, 2.0), gmm::Values(d, 10.0)};
  gmm::Values means;
  gmm::Result first;
  for (const int n_threads : {1, 2, 3}) {
    gmm::Model m = model_of(type, k, d);
    const gmm::Options options{6, 0, 0, n_threads, nullptr};
    const auto result = gmm::fit<T>(x.view(), nullptr, columns,
                                    -std::numeric_limits<double>::infinity(), options, m);
    CHECK_EQUAL(result.lower_bounds.size(), std::size_t{6});
    for (std::size_t i = 1; i < result.lower_bounds.size(); ++i)
      CHECK(result.lower_bounds[i] >= result.lower_bounds[i - 1] - (sizeof(T) == 4 ? 1e-5 : 1e-12));
    if (n_threads == 1) means = m.means, first = result;
    CHECK(means == m.means);
    CHECK(first.lower_bounds == result.lower_bounds);
  }
}

// Passes under parameters that change, little by little or at a jump: what bounds prove to be out
// of reach would have counted for nothing.
template <class T>
void check_bounds(Covariance type, double pace, double apart) {
  constexpr index n = 3000, d = sizeof(T) == 4 ? 80 : 40, k = 4;
  About about(type_name<T>(), " ", name_of(type), " pace ", pace, " apart ", apart);
  Rows<T> x(n, d, d + 1, Edge::end, 76, 1);
  for (index i = 0; i < n; ++i)
    for (index f = 0; f < d; ++f) x.at(i, f) += static_cast<T>(apart * double((i % k + f) % k));
  gmm::Model m = model_of(type, k, d);
  for (index c = 0; c < k; ++c)
    for (index f = 0; f < d; ++f) m.means[c * d + f] = apart * double((c + f) % k);
  const gmm::Values shift(static_cast<std::size_t>(d), 2.0);
  gmm::Groups plain(n, 0), bounded(n, 0);
  gmm::Bounds<T> bounds;
  for (index pass = 0; pass < 9; ++pass) {
    const gmm::Sums a = gmm::expect(x.view(), nullptr, shift, m, plain, 2);
    const gmm::Sums b = gmm::expect(x.view(), nullptr, shift, m, bounded, 2, false, &bounds);
    const double off = sizeof(T) == 4 ? 1e-4 : 1e-11;
    for (index c = 0; c < k; ++c) CHECK(close(a.n[c], b.n[c], off));
    for (index e = 0; e < k * d; ++e) {  // sums of 3000 values of about 1
      CHECK(std::abs(a.s1[e] - b.s1[e]) <= off * n);
      CHECK(std::abs(a.s2[e] - b.s2[e]) <= off * n);
    }
    CHECK(close(a.log_likelihood, b.log_likelihood, off));
    CHECK(std::abs(a.entropy - b.entropy) <= off * n);
    index differ = 0;
    for (index i = 0; i < n; ++i)
      differ += gmm::component_of(plain[i]) != gmm::component_of(bounded[i]);
    CHECK_EQUAL(differ, index{0});
    for (index e = 0; e < k * d; ++e) m.means[e] += pace * small_integer(77 + pass, e, 1);
    for (index f = 0; pass == 5 && f < d; ++f)  // one comes into reach of another's rows
      m.means[f] += 25 * pace * (m.means[2 * d + f] - m.means[f]);
    for (double& f : m.factors) f *= 1 + pace * small_integer(87 + pass, &f - &m.factors[0], 1);
    gmm::set_constants(m);
    if (pass == 3 && apart > 1 && pace < 0.01) CHECK(bounds.owned() > 0 || !bounds.kept());
  }
}

template <class T>
void check_all_bounds() {
  for (const Covariance type : {Covariance::diag, Covariance::spherical})
    for (const double pace : {0.0, 0.001, 0.02})
      for (const double apart : {0.75, 2.0}) check_bounds<T>(type, pace, apart);
}

template <class T>
void check_fits() {
  for (const Covariance type : kTypes) check_fit<T>(type);
}

}  // namespace

TEST(gmm, pass_float) { check_passes<float>(); }
TEST(gmm, pass_double) { check_passes<double>(); }
TEST(gmm, fit_float) { check_fits<float>(); }
TEST(gmm, fit_double) { check_fits<double>(); }

TEST(gmm, bounds_float) { check_all_bounds<float>(); }
TEST(gmm, bounds_double) { check_all_bounds<double>(); }

TEST(gmm, inverse_cholesky) {
  // L = [[2, 0], [1, 3]]: s = L L^T, L^-1 = [[1/2, 0], [-1/6, 1/3]].
  const double s[] = {4, 2, 2, 10}, flat[] = {1, 1, 1, 1}, nan[] = {1, 0, std::nan(""), 1};
  double inverse[4];
  CHECK(gmm::inverse_cholesky(s, 2, inverse));
  CHECK(std::abs(inverse[0] - 0.5) < 1e-15 && inverse[1] == 0);
  CHECK(std::abs(inverse[2] + 1 / 6.0) < 1e-15 && std::abs(inverse[3] - 1 / 3.0) < 1e-15);
  CHECK(!gmm::inverse_cholesky(flat, 2, inverse));
  CHECK(!gmm::inverse_cholesky(nan, 2, inverse));
}

TEST(gmm, collapse) {
  // Two distinct rows and three components, no ridge: every variance would vanish.
  Rows<double> x(40, 2, 2, Edge::end);
  for (index i = 0; i < 40; ++i) x.at(i, 0) = x.at(i, 1) = double(i % 2);
  std::vector<std::int32_t> labels;
  for (index i = 0; i < 40; ++i) labels.push_back(i < 2 ? 2 : static_cast<std::int32_t>(i % 2));
  for (const Covariance type : kTypes) {
    About about(name_of(type));
    gmm::Model m{type, 3, 2, gmm::Values(3), gmm::Values(6), {}, {}, {}};
    m.factors.resize(static_cast<std::size_t>(gmm::factors_of(type, 3, 2)));
    m.covariances.resize(m.factors.size());
    const gmm::Columns columns{{0.5, 0.5}, {0.25, 0.25}};
    const gmm::Options options{8, 0, 0, 1, nullptr};
    const auto begun =
        gmm::start<double>(x.view(), nullptr, columns, {nullptr, labels.data()}, options, m);
    const auto result = gmm::fit<double>(x.view(), nullptr, columns,
                                         -std::numeric_limits<double>::infinity(), options, m);
    CHECK(!begun.regularised.empty() || !result.regularised.empty() || !result.reseeded.empty());
    for (const auto& values : {m.weights, m.means, m.factors, m.covariances})
      for (const double v : values) CHECK(std::isfinite(v));
  }
}

TEST(gmm, names_what_is_not_finite) {
  Rows<double> x(5, 2, 2, Edge::end, 75, 3);
  x.at(3, 1) = std::nan("");
  const gmm::Model m = model_of(Covariance::full, 2, 2);
  std::vector<double> density(5);
  const std::string what =
      THROWN(std::invalid_argument,
             gmm::score<double>(x.view(), m, {density.data(), nullptr, nullptr}, 1));
  CHECK(what.find("NaN at row 3, column 1") != std::string::npos);
}

}  // namespace tests
