#include "../algo/linkage/diana.hpp"

#include "bind.hpp"
#include "convert.hpp"

namespace coterie::bind {
namespace {

using diana::Condensed;
using diana::Square;

// distances: a square matrix, or its upper triangle row by row; the number of rows is that of
// order.
void divide(const Array<double>& distances, Array<double> merges, Array<index> order,
            Array<index> cuts, int n_threads) {
  const index n = order.size();
  if (n < 2) refuse("order", "room for two rows at least", n);
  const diana::Divisions out{out2d(merges, "merges", n - 1, 4), out1d(order, "order", n),
                             out1d(cuts, "cuts", n - 1)};
  const int team = threads1(n_threads);
  if (distances.ndim() == 1) {
    const Condensed condensed{in1d(distances, "distances", n * (n - 1) / 2), n};
    const NoGil nogil;
    diana::divide(condensed, out, team);
    return;
  }
  const Square square{view2d(distances, "distances")};
  check_size(square.matrix.rows, n, "distances");
  check_size(square.matrix.cols, n, "distances");
  const NoGil nogil;
  diana::divide(square, out, team);
}

}  // namespace

void diana(py::module_& m) {
  m.def("diana", divide, "distances"_a.noconvert(), "merges"_a.noconvert(), "order"_a.noconvert(),
        "cuts"_a.noconvert(), "n_threads"_a);
}

}  // namespace coterie::bind
