// A block of rows as the kernels see it: packed, less the shift, in T.
#pragma once
#include <algorithm>
#include <array>

#include "packed.hpp"

namespace coterie::gmm {

constexpr index kBlockBytes = 1 << 17;  // packed rows of a block: they stay in the L2 cache
constexpr index kMaxRows = 256;
// Blocks and shards depend on the shapes alone.
struct Plan {
  index rows;        // of a block: whole panels
  index shard_rows;  // whole blocks
  index shards;

  template <class T>
  static Plan of(index n, index depth, index k, index sum_size, const Kernels<T>& kernels) {
    const index mr = kernels.mr, bytes = sizeof(T);
    const index limit =
        std::min({kMaxRows, kBlockBytes / (depth * bytes), 2 * kBlockBytes / (k * bytes)});
    Plan p;
    p.rows = std::max(mr, limit / mr * mr);
    // Partial sums take at most a 32nd of X, unless that would leave threads without work; more
    // than 64 shards are of use only so that numbers of their rows remain small.
    const index affordable = n * depth * bytes / 32 / std::max<index>(1, sum_size * 8);
    const index shards = std::clamp<index>(
        n / (2 * p.rows), 1, std::clamp<index>(affordable, 8, std::max<index>(64, (n >> 16) + 1)));
    p.shard_rows = round_up((n + shards - 1) / shards, p.rows);
    p.shards = (n + p.shard_rows - 1) / p.shard_rows;
    return p;
  }
};

// Working memory of one thread.
template <class T>
struct Scratch {
  Scratch(const Plan& plan, index k, index depth)
      : panels(plan.rows * depth),
        z((plan.rows + isa::kernels<T>().width) * (depth + 4)),
        logits(checked_product(k, plan.rows)),
        weights(plan.rows),
        tops(plan.rows),
        log_sums(plan.rows),
        entropies(plan.rows),
        labels(plan.rows),
        sets(plan.rows),
        hints(plan.rows + 1),
        hint_at(plan.rows / isa::kernels<T>().mr + 1),
        active(checked_product(k, plan.rows / isa::kernels<T>().width + 1) + 1),
        turns(k),
        reached(checked_product(k, plan.rows / isa::kernels<T>().mr)),
        n_reached(plan.rows / isa::kernels<T>().mr),
        seen(k, -1) {}
  Buffer<T> panels, z, logits, weights, tops, log_sums, entropies;
  Buffer<T> whitened;    // tied: the panels behind the shared triangle
  Buffer<T> squares;     // with bounds: the least of each component, twice
  Buffer<float> found;   // with bounds: those, in order
  Buffer<float> before;  // with bounds: lines of panels whose rows part
  Buffer<std::int32_t> labels, sets, hints, hint_at, active, turns, order;
  Buffer<std::int32_t> from, parted;        // with bounds: panels of rows, rows of panels that part
  Buffer<std::int32_t> reached, n_reached;  // of each panel: the components that were not given up
  std::vector<std::int32_t> ids, owners;    // with bounds: panels of the shard, whose they were
  bool known = false;                       // with bounds: is anything known of those?
  Buffer<index> seen;  // of each component: the last panel it was a hint of
  index panels_seen = 0;
  index shard = 0, shard_rows = 0;  // the shard's first row, and how many
  index first = 0, rows = 0, n_panels = 0;
  index panel = 0;                   // the block at hand: its first panel in ids
  const std::int32_t* at = nullptr;  // row r of it is x's row first + at[r]; null: first + r
  FetchTask<T> fetch{};              // the rows of the block after it
  index row(index r) const { return first + (at ? at[r] : r); }
};

// Packs the block's rows and their weights, in units of `unit`; padding weighs nothing.
template <class T>
void load_block(const View<T>& x, const double* weights, double unit, const T* shift,
                Scratch<T>& s) {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index mr = kernels.mr, depth = x.cols;
  s.n_panels = (s.rows + mr - 1) / mr;
  for (index p = 0; p < s.n_panels; ++p) {
    const index row = s.first + p * mr, count = std::min(mr, s.rows - p * mr);
    T *panel = s.panels.data() + p * mr * depth, *norms = s.log_sums.data();  // norms: not needed
    if (s.at == nullptr)
      kernels.pack_lanes(x.row(row), x.stride, count, depth, x.readable(row), shift, panel, norms);
    else
      kernels.pack_picked(x.row(s.first), x.stride, s.at + p * mr, count, depth,
                          x.readable(s.first), shift, panel);
  }
  for (index r = 0; r < s.n_panels * mr; ++r)
    s.weights[r] = r < s.rows ? (weights ? static_cast<T>(weights[s.row(r)] / unit) : T(1)) : T(0);
}

template <class T>
MixtureTask<T> task_of(Scratch<T>& s, index depth, index k) {
  MixtureTask<T> t{};
  t.panels = s.panels.data();
  t.n_panels = s.n_panels;
  t.depth = depth;
  t.k = k;
  t.z = s.z.data();
  t.logits = s.logits.data();
  t.active = s.active.data();
  t.turns = s.turns.data();
  t.fetch = &s.fetch;
  t.tops = s.tops.data();
  t.reached = s.reached.data();
  t.n_reached = s.n_reached.data();
  return t;
}

// The components to look at first in each panel: its owner; or if there is none (-1), those that
// had most of its rows in the pass before, or (`few`) of its first and its last row.
template <class T, class Owner>
void list_hints(const Groups& groups, bool few, const Owner& owner, Scratch<T>& s) {
  const index mr = isa::kernels<T>().mr;
  std::int32_t count = 0;
  for (index p = 0; p < s.n_panels; ++p) {
    const index panel = s.panels_seen++;
    const std::int32_t owned = owner(p);
    const auto add = [&](std::int32_t c) {  // without a branch, which could not be foreseen
      s.hints[count] = c;
      count += s.seen[c] != panel;
      s.seen[c] = panel;
    };
    s.hint_at[p] = count;
    if (owned >= 0) add(owned);
    const index last = std::min(s.rows, (p + 1) * mr) - 1, step = few ? last - p * mr : 1;
    for (index r = p * mr; owned < 0 && r <= last; r += std::max<index>(step, 1))
      add(static_cast<std::int32_t>(component_of(groups[s.row(r)])));
  }
  s.hint_at[s.n_panels] = count;
}

// hints: are some listed? With `bounds` they are.
template <class T, class Bounds>
void score_block(const Packed<T>& m, bool hints, Bounds* bounds, Scratch<T>& s) {
  const index mr = m.kernels.mr;
  MixtureTask<T> t = task_of(s, m.depth, m.k);
  t.means = m.means.data();
  t.factors = m.factors.data();
  t.offsets = m.offsets.data();
  t.offset_size = m.offset_size;
  t.factor_size = m.factor_size;
  t.constants = m.constants.data();
  t.scale = m.scale.data();
  t.reach = m.reach.data();
  t.hints = s.hints.data();
  t.hint_at = hints ? s.hint_at.data() : nullptr;
  if (bounds) bounds->set(s, t);
  if (m.type == Covariance::full) return m.kernels.gauss_full(t);
  if (m.type == Covariance::diag) return m.kernels.gauss_diag(t);
  if (m.type == Covariance::tied) {
    if (s.whitened.size() == 0) s.whitened = Buffer<T>(s.panels.size());
    std::copy_n(s.panels.data(), s.n_panels * mr * m.depth, s.whitened.data());
    t.whitened = s.whitened.data();
    m.kernels.gauss_whiten(t);
    t.panels = s.whitened.data();
  }
  m.kernels.gauss_plain(t);
}

template <class T>
void weigh_block(const Packed<T>& m, Scratch<T>& s) {
  const index rows = s.n_panels * m.kernels.mr;
  m.kernels.softmax({s.logits.data(), rows, rows, m.k, s.reached.data(), s.n_reached.data(),
                     s.weights.data(), s.tops.data(), m.lowest.data(), s.log_sums.data(),
                     s.entropies.data(), s.labels.data(), s.sets.data(), s.active.data(),
                     &s.fetch});
}

// Rows by mark, within one as they come: panels of rows alike let most components be given up
// early, and leave most responsibilities exactly zero. rows: of `count` places in `group`; null: 0,
// 1, ...
inline void sort_rows(const std::uint32_t* group, const std::int32_t* rows, index count,
                      std::int32_t* out) {
  constexpr int kBits = 11;  // of a mark; more buckets than that are more than rows
  constexpr std::uint32_t kRest = 32 - kBits;
  const auto row = [&](index i) { return rows ? rows[i] : static_cast<std::int32_t>(i); };
  std::array<std::int32_t, (1 << kBits) + 1> at{};
  for (index i = 0; i < count; ++i) ++at[(group[row(i)] >> kRest) + 1];
  for (std::size_t bucket = 1; bucket < at.size(); ++bucket) at[bucket] += at[bucket - 1];
  for (index i = 0; i < count; ++i) out[at[group[row(i)] >> kRest]++] = row(i);
}

// The shard's rows so, to s.order. False where all are alike, and stand as they come.
template <class T>
bool sort_shard(const Groups& groups, Scratch<T>& s) {
  const std::uint32_t* group = groups.data() + s.shard;
  std::uint32_t differ = 0;
  for (index i = 0; i < s.shard_rows; ++i) differ |= group[i] ^ group[0];
  if (differ == 0) return false;
  if (s.order.size() < s.shard_rows) s.order = Buffer<std::int32_t>(s.shard_rows);
  sort_rows(group, nullptr, s.shard_rows, s.order.data());
  return true;
}

}  // namespace coterie::gmm
