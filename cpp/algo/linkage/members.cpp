// Complete, average and weighted linkage from points, where no closed form is known.
//
// While clusters are many they are small: how far two are apart is then soon told from their
// members, and most of n^2 distances are never wanted twice. Once an eighth of them is left, a
// matrix of those takes over. A search of all clusters is a filter in float32; those it cannot tell
// apart are measured in float64.
#include "members.hpp"

#include "../../base/threads.hpp"
#include "../../engine/linkage_table.hpp"
#include "lanes.hpp"
#include "list_rounds.hpp"
#include "point_filter.hpp"
#include "square.hpp"

namespace coterie::linkage {
namespace {

constexpr index kQueries = kClusterQueries;
constexpr index kKeep = 24;          // neighbours a search lists (bench: linkage, complete, 10,000)
constexpr index kFew = 512;          // rows below which it is made at once
constexpr double kShare = 1 / 32.0;  // of clusters that a round must merge
constexpr double kFloor = 1e-18;     // float32 may lose what is smaller

ClusterMetric filter_of(Method method, PairMetric metric) {
  const bool mean = method != Method::complete;
  switch (metric) {
    case PairMetric::euclidean:
      return ClusterMetric::mean;
    case PairMetric::sqeuclidean:
      return ClusterMetric::farthest_square;
    case PairMetric::cosine:
      return ClusterMetric::farthest_cosine;
    case PairMetric::cityblock:
      return mean ? ClusterMetric::mean_city : ClusterMetric::farthest_city;
    default:
      return mean ? ClusterMetric::mean_chebyshev : ClusterMetric::farthest_chebyshev;
  }
}

std::pair<double, double> range(const View<double>& x, index column) {
  double low = x.row(0)[column], high = low;
  for (index i = 1; i < x.rows; ++i)
    low = std::min(low, x.row(i)[column]), high = std::max(high, x.row(i)[column]);
  return {low, high};
}

// Of points, in float32 about the middle of their box: what squares are within, as a share of
// themselves and beside it. Coordinates are `off` from what is meant; 2 d off <= d^2 kSlack + off^2
// / kSlack.
struct Middle {
  static constexpr double kSlack = 0x1p-16;
  explicit Middle(const View<double>& x) : at(x.row(0), x.row(0) + x.cols) {
    for (index f = 0; f < x.cols; ++f) {
      const auto [low, high] = range(x, f);
      at[f] = 0.5 * low + 0.5 * high;
      off += (high - low) * (high - low);
    }
    off = std::sqrt(off) * 0x1p-22;
  }
  std::vector<double> at;
  double off = 0;
};

class Searched : public Members {
 public:
  using Members::Members;

  template <class F>
  void search(const std::vector<index>& slots, int n_threads, const F& found) const {
    if (static_cast<index>(slots.size()) == points() && near_squares())
      search_members(search_points(slots, n_threads, found), n_threads, found);
    else
      search_members(slots, n_threads, found);
  }

 private:
  bool near_squares() const {
    return metric == PairMetric::euclidean || metric == PairMetric::sqeuclidean;
  }

  // While every cluster is a point; returns those of which the filter does not tell the nearest.
  template <class F>
  std::vector<index> search_points(const std::vector<index>& slots, int n_threads,
                                   const F& found) const {
    const Middle middle(rows());
    const bool root = metric == PairMetric::euclidean;
    const PointFilter filter(points(), depth(), PointMetric::square, n_threads,
                             [&](index i, float* to) {
                               for (index f = 0; f < depth(); ++f)
                                 to[f] = static_cast<float>(row(i)[f] - middle.at[f]);
                             });
    const double rounding = static_cast<double>(depth() + 8) * 0x1p-23,
                 error = root ? rounding : rounding + Middle::kSlack,
                 lost = kFloor + (root ? middle.off : middle.off * middle.off / Middle::kSlack);
    std::vector<char> told(slots.size());
    filter.search(slots, kKeep, [&](index i, float* distance, const index* nearest, float beyond) {
      if (root) {
        for (index e = 0; e < kKeep; ++e) distance[e] = std::sqrt(distance[e]);
        beyond = std::sqrt(beyond);
      }
      Found what;
      told[i] = decide_listed(*this, i, distance, nearest, kKeep, beyond, error, lost, what);
      if (told[i]) found(i, what);
    });
    std::vector<index> others;
    for (const index i : slots)
      if (!told[i]) others.push_back(i);
    return others;
  }

  template <class F>
  void search_members(const std::vector<index>& slots, int n_threads, const F& found) const {
    if (slots.empty()) return;
    const Lanes lanes(*this, false, n_threads);
    index members = 0;
    for (const index s : slots) members += size(s);
    const double work = double(members) * double(lanes.places()) * double(depth()) / 4;
    const index all = static_cast<index>(slots.size());
    threads::parallel_blocks((all + kQueries - 1) / kQueries, threads::worth(work, n_threads),
                             [&](index b, int) {
                               search_block(lanes, slots.data() + b * kQueries,
                                            std::min(kQueries, all - b * kQueries), found);
                             });
  }

  template <class F>
  void search_block(const Lanes& lanes, const index* slots, index queries, const F& found) const {
    Queries those;
    lanes.read(slots, queries, those);
    std::vector<float> distance(queries * kKeep);
    float beyond[kQueries];
    index groups[kQueries];
    std::vector<index> nearest(queries * kKeep, -1);
    for (index q = 0; q < queries; ++q) groups[q] = lanes.group(slots[q]);
    NearClustersTask task{};
    static_cast<ClusterTask&>(task) = lanes.task();
    those.fill(task);
    task.queries = queries;
    task.keep = kKeep;
    task.self = slots;
    task.self_group = groups;
    task.slots = lanes.slots();
    task.beyond = beyond;
    task.distance = distance.data();
    task.nearest = nearest.data();
    isa::table().linkage->near_clusters[static_cast<int>(filter_of(method, metric))](task);
    for (index q = 0; q < queries; ++q) {
      const index i = slots[q];
      const double error = static_cast<double>(size(i) + 16) * 0x1p-23,
                   lost = metric == PairMetric::cosine ? kFloor + rounding(depth() + 8) : kFloor;
      found(i, decide(*this, i, distance.data() + q * kKeep, nearest.data() + q * kKeep, kKeep,
                      beyond[q], error, lost));
    }
  }
};

// Distances of all clusters: a group of them against itself and those after it.
template <class T>
Square<T> square_of(const Members& clusters, int n_threads) {
  const index m = clusters.count();
  const Lanes lanes(clusters, true, n_threads);
  const auto distances =
      isa::table()
          .linkage->cluster_lines[static_cast<int>(filter_of(clusters.method, clusters.metric))];
  std::vector<index> order(static_cast<std::size_t>(m));  // of a slot among lanes
  for (index p = 0; p < lanes.groups() * kPanel; ++p)
    if (lanes.slots()[p] >= 0) order[lanes.slots()[p]] = p;
  std::vector<double> sizes(static_cast<std::size_t>(lanes.groups() * kPanel), 1.0);
  for (index s = 0; s < m; ++s) sizes[order[s]] = static_cast<double>(clusters.size(s));
  const bool divide = clusters.method == Method::average;
  Square<T> d(m);
  const double work =
      double(lanes.places()) * double(lanes.places()) * double(clusters.depth() + 2);
  threads::parallel_blocks(lanes.groups(), threads::worth(work / 8, n_threads), [&](index g, int) {
    thread_local Queries those;
    thread_local std::vector<double> line;
    const index* own = lanes.slots() + g * kPanel;
    const index queries = std::find(own, own + kPanel, -1) - own,
                width = (lanes.groups() - g) * kPanel;
    lanes.read(own, queries, those);
    line.resize(static_cast<std::size_t>(queries * width));
    ClusterTask task = lanes.task(g);
    those.fill(task);
    task.queries = queries;
    const double* own_sizes = divide ? sizes.data() + g * kPanel : nullptr;
    distances(task, own_sizes, own_sizes, line.data());
    for (index q = 0; q < queries; ++q) {
      const double* from = line.data() + q * width;
      T* row = d.row(own[q]);
      for (index l = q + 1; l < width; ++l)
        if (own[l] >= 0) row[own[l]] = static_cast<T>(from[l]);
      row[own[q]] = std::numeric_limits<T>::infinity();
    }
  });
  d.mirror(order, n_threads);
  return d;
}

// Of squared differences, where neither the sum of all of them nor the square of what counts would
// leave the range of float32.
bool fits(const View<double>& x) {
  double sum = 0;
  for (index f = 0; f < x.cols; ++f) {
    const auto [low, high] = range(x, f);
    sum += (high - low) * (high - low);
  }
  return sum > 1e-24 && sum < 1e36;
}

}  // namespace

bool by_members(const View<double>& x, Method method, PairMetric metric) {
  const bool complete = method == Method::complete;
  if (x.rows < kFew) return false;
  if (!complete && method != Method::average && method != Method::weighted) return false;
  switch (metric) {
    case PairMetric::euclidean:
    case PairMetric::cityblock:
    case PairMetric::chebyshev:
      return fits(x);
    case PairMetric::sqeuclidean:
    case PairMetric::cosine:
      return complete && fits(x);
    default:
      return false;
  }
}

template <class T>
std::vector<Merge> merge_members(const View<double>& x, Method method, PairMetric metric,
                                 const Room& room, int n_threads, const Progress& progress) {
  room(members_bytes<T>(x.rows, x.cols), x.rows);
  Searched clusters(x, method, metric);
  ListRounds<Searched> rounds(clusters, kKeep, n_threads);
  Start start{rounds.run(members_left(x.rows), kShare, progress), {}, {}};
  if (clusters.count() == 1) return std::move(start.merges);
  for (index s = 0; s < clusters.count(); ++s) {
    start.ids.push_back(clusters.id(s));
    start.sizes.push_back(static_cast<double>(clusters.size(s)));
  }
  room(Square<T>::bytes(clusters.count()), clusters.count());
  Square<T> d = square_of<T>(clusters, n_threads);
  return merge_matrix_from(d, std::move(start), method, n_threads, progress);
}

#define COTERIE_INSTANTIATE(T)                                                          \
  template std::vector<Merge> merge_members<T>(const View<double>&, Method, PairMetric, \
                                               const Room&, int, const Progress&);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::linkage
