// The sparse leaves, gathered into a table of their own; compiled once per ISA.
#include "sparse.hpp"

namespace coterie::COTERIE_ISA {

extern const SparseTable sparse_table;
constexpr SparseTable kSparseTable = {
    {kPanelLanes, panel_hit<float>, add_line<float>},
    {kPanelLanes, panel_hit<double>, add_line<double>},
    first_above,
};
const SparseTable sparse_table = kSparseTable;

}  // namespace coterie::COTERIE_ISA
