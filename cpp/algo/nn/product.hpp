// The product of a layer and a tile, cut among the threads of a team.
#pragma once
#include "pass.hpp"

namespace coterie::nn {

// Columns of a piece, about: lines of x are read from the L2 cache once for so many.
constexpr index kColumns = 64;

template <class T>
void product_block(const DenseTask<T>& t, index j0, index j1, index r0, index r1) {
  DenseTask<T> p = t;
  p.w += t.turned ? j0 * t.w_ld : j0;
  if (t.bias) p.bias += j0;
  p.x += r0;
  p.out += j0 * t.out_ld + r0;
  if (t.outputs) p.outputs += j0 * t.outputs_ld + r0;
  p.columns = j1 - j0, p.lanes = r1 - r0;
  kernels<T>().dense(p);
}

// Lanes of a piece of `columns` columns: the fewest that are worth a call, or as many as take some
// hundredths of a second.
template <class T>
index block_of(index lanes, index depth, index columns, bool many) {
  constexpr double most = 1e9;
  const index least = 4 * kernels<T>().width;
  const auto most_lanes = static_cast<index>(most / (double(depth) * double(columns)));
  return many ? std::min(lanes, std::max<index>(1, most_lanes / least) * least) : least;
}

// One share of columns for each thread: the same ones in every product and in the update of the
// weights, so that weights stay in the caches of a core. Lanes where there are few columns.
// then(j0, j1, r0, r1) is called for what was just stored.
template <class T, class F>
void product(const DenseTask<T>& t, const Team& team, const F& then) {
  const auto piece = [&](index j0, index j1, index r0, index r1) {
    product_block(t, j0, j1, r0, r1);
    then(j0, j1, r0, r1);
  };
  const index n = team.size();
  if (n == 1) {
    const index block = block_of<T>(t.lanes, t.depth, kColumns, true);
    for (index r0 = 0; r0 < t.lanes; r0 += block) {
      const index r1 = std::min(t.lanes, r0 + block);
      team.pieces(t.columns, kColumns, double(t.depth) * double(r1 - r0),
                  [&](index j0, index j1) { piece(j0, j1, r0, r1); });
    }
    return;
  }
  const index units = (t.columns + kUnit - 1) / kUnit;
  const index wanted = std::max<index>(1, (t.columns + kColumns * n / 2) / (kColumns * n)) * n;
  const index block = block_of<T>(t.lanes, t.depth, kColumns, wanted > 2 * n);
  const index blocks = (t.lanes + block - 1) / block;
  const bool by_columns = units >= 3 * n || blocks < n;
  const index across = by_columns ? std::min(units, wanted) : (t.columns + kColumns - 1) / kColumns;
  team.each(across * blocks, [&](index k) {
    const index column = by_columns ? k / blocks : k % across;
    const index row = by_columns ? k % blocks : k / across;
    piece(column * units / across * kUnit,
          std::min(t.columns, (column + 1) * units / across * kUnit), row * block,
          std::min(t.lanes, (row + 1) * block));
  });
}
template <class T>
void product(const DenseTask<T>& t, const Team& team) {
  product(t, team, [](index, index, index, index) {});
}

// Each half of the sums on its own, the second in lines that wait for the first; then(j0, j1) for
// sums that are whole, nothing finished.
template <class T, class F>
void halves_product(const DenseTask<T>& t, const Tile<T>& tile, const Team& team, const F& then) {
  const index middle = cut_at(t.depth, 1, 2);
  DenseTask<T> half[2] = {t, t};
  half[0].depth = middle;
  half[1].depth -= middle, half[1].x += middle * t.x_ld;
  half[1].w += middle * (t.turned ? 1 : t.w_ld);
  half[1].bias = nullptr, half[1].out = tile.half;
  for (DenseTask<T>& h : half) h.activation = Activation::linear, h.outputs = nullptr;
  const index across = (t.columns + kColumns - 1) / kColumns;
  const index block = block_of<T>(t.lanes, t.depth / 2, kColumns, across > 2 * team.size());
  const index blocks = (t.lanes + block - 1) / block;
  if (team.size() == 1)
    for (const DenseTask<T>& h : half) product(h, team);
  else
    team.each(2 * across * blocks, [&](index k) {
      const index column = k / blocks % across * kColumns, row = k % blocks * block;
      product_block(half[k / blocks / across], column, std::min(t.columns, column + kColumns), row,
                    std::min(t.lanes, row + block));
    });
  team.pieces(t.columns, kUnit, kPassage * double(t.lanes), [&](index j0, index j1) {
    for (index j = j0; j < j1; ++j)
      for (index r = 0; r < t.lanes; ++r) t.out[j * t.out_ld + r] += tile.half[j * tile.ld + r];
    then(j0, j1);
  });
}

}  // namespace coterie::nn
