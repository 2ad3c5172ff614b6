// Reducible methods with a closed form, from points: a cluster is its mean, and its nearest are
// found among panels of means.
#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "clusters.hpp"
#include "linkage.hpp"
#include "list_rounds.hpp"

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
      found(slots[q], {d[0], at[0], at, std::find(at, at + keep, -1) - at, d[keep - 1]});
    }
  }

  // Cosines through a filter in float32.
  template <class F>
  void search_filtered(const std::vector<index>& slots, int n_threads, const F& found) const {
    constexpr index block = kClusterQueries, points = 4 * kPanel;
    const index all = static_cast<index>(slots.size());
    Buffer<float> panels(checked_product(whole_panels(count()), depth()));
    threads::parallel_blocks((count() + points - 1) / points, n_threads, [&](index b, int) {
      const index end = std::min(count(), (b + 1) * points);
      for (index i = b * points; i < end; ++i) {
        float* to = panels.data() + i / kPanel * kPanel * depth() + i % kPanel;
        for (index f = 0; f < depth(); ++f) to[f * kPanel] = static_cast<float>(mean(i)[f]);
      }
      for (index i = end; i < whole_panels(end); ++i)
        for (index f = 0; f < depth(); ++f)
          panels[i / kPanel * kPanel * depth() + f * kPanel + i % kPanel] = 0;
    });
    const double error = static_cast<double>(depth() + 8) * 0x1p-23;
    threads::parallel_blocks((all + block - 1) / block, n_threads, [&](index b, int) {
      const index* own = slots.data() + b * block;
      const index queries = std::min(block, all - b * block);
      std::vector<float> x(queries * depth()), distance(queries * keep), beyond(queries);
      std::vector<index> nearest(queries * keep, -1);
      for (index q = 0; q < queries; ++q)
        std::transform(mean(own[q]), mean(own[q]) + depth(), x.data() + q * depth(),
                       [](double v) { return static_cast<float>(v); });
      isa::table().linkage->near_means({depth(), queries, keep, count(), x.data(), own,
                                        panels.data(), distance.data(), nearest.data(),
                                        beyond.data()});
      for (index q = 0; q < queries; ++q)
        found(own[q], decide(*this, own[q], distance.data() + q * keep, nearest.data() + q * keep,
                             keep, beyond[q], 0, error));
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
  Means clusters(x, form, method == Method::weighted);
  return ListRounds<Means>(clusters, clusters.keep, n_threads).run(1, 0, progress);
}

}  // namespace coterie::linkage
