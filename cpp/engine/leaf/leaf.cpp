// Everything that is compiled once per ISA, gathered into that ISA's table.
#include "argmin_low.hpp"
#include "argmin_rows.hpp"
#include "argmin_sparse.hpp"
#include "argmin_tile.hpp"
#include "exact.hpp"
#include "gauge.hpp"
#include "gauss.hpp"
#include "min_plus.hpp"
#include "pairs.hpp"
#include "scatter.hpp"
#include "screen.hpp"
#include "store.hpp"

#define COTERIE_QUOTE(x) #x
#define COTERIE_STRING(x) COTERIE_QUOTE(x)

namespace coterie::COTERIE_ISA {

template <class T>
constexpr Kernels<T> kernels() {
  return {MR<T>,
          NR,
          width<T>,
          RC,
          kSparseVectors * width<T>,
          pack_lanes<T>,
          pack_picked<T>,
          pack_lanes_t<T>,
          pack_columns<T>,
          argmin_tile<T>,
          argmin_rows<T>,
          {argmin_low<T, 1>, argmin_low<T, 2>, argmin_low<T, 3>, argmin_low<T, 4>, argmin_low<T, 5>,
           argmin_low<T, 6>, argmin_low<T, 7>, argmin_low<T, 8>, argmin_low<T, 9>,
           argmin_low<T, 10>, argmin_low<T, 11>, argmin_low<T, 12>},
          argmin_sparse<T>,
          tile_scratch<T>,
          screen<T>,
          store_product<T>,
          store_few<T>,
          GN,
          kPairs,
          gauss_full<T>,
          gauss_diag<T>,
          gauss_plain<T>,
          gauss_whiten<T>,
          carry_bounds<T>,
          softmax<T>,
          scatter_full<T>,
          scatter_diag<T>,
          scatter_first<T>,
          exact_distances<T>,
          exact_distance<T>,
          exact_labelled<T>,
          accumulate<T>,
          moments<T>,
          least_of<T>,
          gauge_fma<T>,
          gauge_tile<T>};
}

extern const LinkageTable linkage_table;
extern const nn::Table nn_table;
extern const SparseTable sparse_table;
extern const TopNTable top_n_table;

extern const Table table;
constexpr Table kTable = {COTERIE_STRING(COTERIE_ISA),
                          kernels<float>(),
                          kernels<double>(),
                          pair_kernels(),
                          min_plus<double>,
                          &linkage_table,
                          &nn_table,
                          &top_n_table,
                          &sparse_table};
const Table table = kTable;

}  // namespace coterie::COTERIE_ISA
