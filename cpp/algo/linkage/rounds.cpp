// Reducible methods with a closed form, from points: a cluster is its mean, and its nearest are
// found among panels of means.
#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "clusters.hpp"
#include "equal_rows.hpp"
#include "linkage.hpp"
#include "list_rounds.hpp"
#include "point_filter.hpp"

namespace coterie::linkage {
namespace {

constexpr index kQueries = 64;     // searches that share a pass over the points
constexpr index kKeep = 6;         // neighbours a search lists (bench: linkage, ward)
constexpr index kKeepCosine = 12;  // the same (bench: linkage, cosine average)
constexpr index kMany = 256;       // searches for which a filter in float32 is worth its panels
constexpr index kFew = 200000;     // values of x below which lists cost more than they save

class Means : public Clusters {
 public:
  Means(const View<double>& x, Form form, bool halves)
      : Clusters(x, form, halves),
        keep(form == Form::cosine     ? kKeepCosine
             : x.rows * x.cols < kFew ? 1
                                      : kKeep) {}

  void distances(index i, const index* slots, index count, double* out) const {
    for (index c = 0; c < count; ++c) out[c] = distance(i, slots[c]);
  }

  template <class F>
  void search(const std::vector<index>& slots, int n_threads, const F& found) const {
    const index all = static_cast<index>(slots.size());
    const double work = double(all) * double(count()) * double(depth()) / 4;
    if (form() == Form::cosine && all >= kMany) return search_filtered(slots, n_threads, found);
    threads::parallel_blocks(
        (all + kQueries - 1) / kQueries, threads::worth(work, n_threads), [&](index b, int) {
          search_block(slots.data() + b * kQueries, std::min(kQueries, all - b * kQueries), found);
        });
  }

  const index keep;

 private:
  template <class F>
  void search_block(const index* slots, index queries, const F& found) const {
    const index left = count(),
                chunk = std::max(kPanel, kChunkBytes / (8 * depth()) / kPanel * kPanel);
    Buffer<double> x(queries * depth()), distance(queries * keep, kInfinity);
    Buffer<index> nearest(queries * keep, -1);
    double term[kQueries];
    for (index q = 0; q < queries; ++q) {
      std::copy_n(mean(slots[q]), depth(), x.data() + q * depth());
      term[q] = this->term(slots[q]);
    }
    for (index first = 0; first < left && !threads::stopped(); first += chunk) {
      PairNearestTask task{};
      static_cast<PairTask&>(task) = points().task(x.data(), first, std::min(chunk, left - first));
      task.queries = queries;
      task.keep = keep;
      task.first = first;
      task.self = slots;
      task.term = term;
      task.terms = terms() + first;
      task.distance = distance.data();
      task.nearest = nearest.data();
      kernel()(task);
    }
    for (index q = 0; q < queries; ++q) {
      const double* d = distance.data() + q * keep;
      const index* at = nearest.data() + q * keep;
      Found what{d[0], at[0], at, std::find(at, at + keep, -1) - at, d[keep - 1], {}};
      std::copy_n(d, keep, what.bound);
      found(slots[q], what);
    }
  }

  // Cosines through a filter in float32.
  template <class F>
  void search_filtered(const std::vector<index>& slots, int n_threads, const F& found) const {
    const double error = static_cast<double>(depth() + 8) * 0x1p-23;
    const PointFilter filter(count(), depth(), PointMetric::product, n_threads,
                             [&](index i, float* to) {
                               std::transform(mean(i), mean(i) + depth(), to,
                                              [](double v) { return static_cast<float>(v); });
                             });
    filter.search(slots, keep,
                  [&](index i, const float* distance, const index* nearest, float beyond) {
                    found(i, decide(*this, i, distance, nearest, keep, beyond, 0, error));
                  });
  }

  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
};

}  // namespace

std::vector<Merge> merge_points(const View<double>& x, Method method, PairMetric metric,
                                int n_threads, const Progress& progress) {
  const Form form = metric == PairMetric::cosine ? Form::cosine
                    : method == Method::ward     ? Form::ward
                                                 : Form::spread;
  const auto merges = [&](const View<double>& rows, const std::vector<double>& sizes) {
    Means clusters(rows, form, method == Method::weighted);
    clusters.count_as(sizes);
    return ListRounds<Means>(clusters, clusters.keep, n_threads).run(1, 0, progress);
  };
  const std::vector<double> ones(static_cast<std::size_t>(x.rows), 1.0);
  if (form == Form::cosine) return merges(x, ones);
  Start start = merge_equal(x);
  const index left = static_cast<index>(start.ids.size());
  if (left == x.rows) return merges(x, ones);
  if (left > 1) {
    const Buffer<double> rows = rows_of(x, start.ids);
    const std::vector<Merge> others = merges({rows.data(), left, x.cols, x.cols}, start.sizes);
    if (!all_apart(others)) return merges(x, ones);
    for (const Merge& m : others)
      start.merges.push_back({m.height, start.ids[m.low], start.ids[m.high]});
  }
  return std::move(start.merges);
}

}  // namespace coterie::linkage
