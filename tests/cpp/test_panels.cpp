// Packing, and the plain product that reads its panels.
#include "../../cpp/engine/drive.hpp"
#include "../../cpp/engine/isa.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

template <class T>
void check_pack_lanes(index rows, index depth, index ld, Edge edge) {
  const Kernels<T>& kernels = isa::kernels<T>();
  About about(type_name<T>(), " rows ", rows, " depth ", depth, " ld ", ld);
  const Rows<T> x(rows, depth, ld, edge, 1, 9);
  Guarded<T> shift(depth, edge), panel(depth * kernels.mr, edge), norms(kernels.mr, edge);
  for (index f = 0; f < depth; ++f) shift[f] = static_cast<T>(small_integer(2, f, 3));
  kernels.pack_lanes(x.memory.data(), ld, rows, depth, x.readable(), shift.data(), panel.data(),
                     norms.data());
  for (index r = 0; r < kernels.mr; ++r) {
    double norm = 0;
    for (index p = 0; p < depth; ++p) {
      const double wanted = r < rows ? x.get(r, p) - static_cast<double>(shift[p]) : 0;
      CHECK_EQUAL(static_cast<double>(panel[p * kernels.mr + r]), wanted);
      norm += wanted * wanted;
    }
    CHECK_EQUAL(static_cast<double>(norms[r]), norm);
  }
}

// Every fifth row, from the last on, round and round.
template <class T>
void check_pack_picked(index rows, index depth, index ld, Edge edge) {
  const Kernels<T>& kernels = isa::kernels<T>();
  About about(type_name<T>(), " picked rows ", rows, " depth ", depth, " ld ", ld);
  const index all = rows + 3;  // some are not picked
  const Rows<T> x(all, depth, ld, edge, 10, 9);
  Guarded<T> shift(depth, edge), panel(depth * kernels.mr, edge);
  for (index f = 0; f < depth; ++f) shift[f] = static_cast<T>(small_integer(11, f, 3));
  Guarded<std::int32_t> order(rows, edge);
  for (index r = 0; r < rows; ++r) order[r] = static_cast<std::int32_t>((all - 1 + 5 * r) % all);
  kernels.pack_picked(x.memory.data(), ld, order.data(), rows, depth, x.readable(), shift.data(),
                      panel.data());
  for (index r = 0; r < kernels.mr; ++r)
    for (index p = 0; p < depth; ++p)
      CHECK_EQUAL(static_cast<double>(panel[p * kernels.mr + r]),
                  r < rows ? x.get(order[r], p) - static_cast<double>(shift[p]) : 0.0);
}

template <class T>
void check_pack_t(index depth, index columns, index ld, Edge edge) {
  const Kernels<T>& kernels = isa::kernels<T>();
  About about(type_name<T>(), " depth ", depth, " columns ", columns, " ld ", ld);
  const Rows<T> y(depth, columns, ld, edge, 3, 9);
  Guarded<T> panel(depth * kernels.mr, edge);
  kernels.pack_lanes_t(y.memory.data(), ld, depth, columns, panel.data());
  for (index p = 0; p < depth; ++p)
    for (index c = 0; c < kernels.mr; ++c)
      CHECK_EQUAL(static_cast<double>(panel[p * kernels.mr + c]), c < columns ? y.get(p, c) : 0.0);
}

template <class T>
void check_pack_columns(index rows, index depth, index ld, Edge edge) {
  const Kernels<T>& kernels = isa::kernels<T>();
  About about(type_name<T>(), " rows ", rows, " depth ", depth, " ld ", ld);
  const Rows<T> y(rows, depth, ld, edge, 4, 9);
  Guarded<T> panel(depth * kernels.nr, edge);
  kernels.pack_columns(y.memory.data(), ld, rows, depth, panel.data());
  for (index p = 0; p < depth; ++p)
    for (index j = 0; j < kernels.nr; ++j)
      CHECK_EQUAL(static_cast<double>(panel[p * kernels.nr + j]), j < rows ? y.get(j, p) : 0.0);
}

template <class T>
void check_packing() {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index mr = kernels.mr, nr = kernels.nr, w = kernels.width;
  for (const Edge edge : kEdges) {
    for (const index depth : sizes({1, 2, 3, w - 1, w, w + 1, 2 * w - 1, 2 * w, 3 * w + 1}))
      for (const index rows : sizes({1, 2, w - 1, w, w + 1, mr - 1, mr, mr + 1, 2 * mr}))
        for (const index gap : {0, 1, 5}) {
          check_pack_lanes<T>(rows, depth, depth + gap, edge);
          if (rows <= mr) check_pack_picked<T>(rows, depth, depth + gap, edge);
        }
    for (const index depth : {1, 2, 7})
      for (const index gap : {0, 1, 5}) {
        for (const index columns : sizes({1, w - 1, w, w + 1, mr - 1, mr}))
          check_pack_t<T>(depth, columns, columns + gap, edge);
        for (const index rows : sizes({1, nr - 1, nr, nr + 1}))
          check_pack_columns<T>(rows, depth, depth + gap, edge);
      }
  }
}

// y in panels of its columns, as StoreTask wants it.
template <class T>
void pack_all(const Rows<T>& y, Guarded<T>& panels) {
  const Kernels<T>& kernels = isa::kernels<T>();
  for (index c = 0; c < y.depth; c += kernels.mr)
    kernels.pack_lanes_t(y.memory.data() + c, y.stride, y.rows, std::min(kernels.mr, y.depth - c),
                         panels.data() + c * y.rows);
}

template <class T, class Out>
void check_product(const Rows<T>& x, const Rows<T>& y, const Out& out, index out_ld) {
  for (index i = 0; i < x.rows; ++i)
    for (index c = 0; c < y.depth; ++c) {
      double wanted = 0;
      for (index p = 0; p < x.depth; ++p) wanted += x.get(i, p) * y.get(p, c);
      CHECK_EQUAL(static_cast<double>(out[i * out_ld + c]), wanted);
    }
}

template <class T>
void check_store(index rows, index depth, index columns, index gap, Edge edge) {
  const Kernels<T>& kernels = isa::kernels<T>();
  About about(type_name<T>(), " ", rows, " x ", depth, " x ", columns, " gap ", gap);
  const Rows<T> x(rows, depth, depth + gap, edge, 5, 4), y(depth, columns, columns, edge, 6, 4);
  Guarded<T> panels(round_up(columns, kernels.mr) * depth, edge);
  pack_all(y, panels);
  const index out_ld = columns + gap;
  Guarded<T> out((rows - 1) * out_ld + columns, edge);
  kernels.store(
      {x.memory.data(), x.stride, rows, depth, columns, panels.data(), out.data(), out_ld});
  check_product(x, y, out, out_ld);
  const auto check_gaps = [&](const Guarded<T>& to) {
    for (index i = 0; i + 1 < rows; ++i)
      for (index c = columns; c < out_ld; ++c) CHECK(std::isnan(to[i * out_ld + c]));
  };
  check_gaps(out);
  Guarded<T> few((rows - 1) * out_ld + columns, edge);
  kernels.store_few({x.memory.data(), x.stride, rows, depth, columns, y.memory.data(), y.stride,
                     few.data(), out_ld});
  check_product(x, y, few, out_ld);
  check_gaps(few);
}

template <class T>
void check_stores() {
  const Kernels<T>& kernels = isa::kernels<T>();
  const index mr = kernels.mr, nr = kernels.nr;
  for (const Edge edge : kEdges) {
    for (const index rows : sizes({1, nr - 1, nr, nr + 1, 2 * nr + 1}))
      for (const index columns : sizes({1, mr - 1, mr, mr + 1, 2 * mr - 1, 2 * mr, 2 * mr + 1}))
        for (const index depth : {1, 2, 5, 6, 11})
          check_store<T>(rows, depth, columns, depth % 3, edge);
    // Around the depth blocks of every ISA.
    for (const index depth : {127, 128, 129, 511, 512, 513, 1023, 1024, 1025, 2049})
      check_store<T>(nr + 1, depth, mr + 1, 1, edge);
  }
}

// The loop nests above the leaves: rows beyond a task, threads, empty sides.
template <class T>
void check_loop_nests() {
  for (const int n_threads : {1, 2, 3})
    for (const index n : {1, 4, 5, 59, 60, 61, 700})
      for (const index m : {1, 65, 1030}) {
        About about(type_name<T>(), " n ", n, " m ", m, " threads ", n_threads);
        const Rows<T> x(n, 7, 9, Edge::end, 7, 4), y(7, m, m + 2, Edge::end, 8, 4);
        std::vector<T> out(static_cast<std::size_t>(n * m));
        product(x.view(), y.view(), out.data(), m, n_threads);
        check_product(x, y, out.data(), m);
        const Rows<T> z(n, m, m + 1, Edge::end, 9, 4);
        std::vector<T> turned(static_cast<std::size_t>(7 * m));
        split_depth(x.view(), z.view(), turned.data(), m, n_threads);
        Rows<T> xt(7, n, n, Edge::end);
        for (index i = 0; i < n; ++i)
          for (index f = 0; f < 7; ++f) xt.at(f, i) = static_cast<T>(x.get(i, f));
        check_product(xt, z, turned.data(), m);
      }
  const Rows<T> none(0, 3, 3, Edge::end), deep(3, 2, 2, Edge::end, 1, 4), thin(4, 1, 1, Edge::end);
  T out[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  product(none.view(), deep.view(), out, 2, 2);
  CHECK_EQUAL(out[0], T(1));
  product(View<T>{thin.memory.data(), 4, 0, 1}, View<T>{deep.memory.data(), 0, 2, 2}, out, 2, 2);
  for (const T v : out) CHECK_EQUAL(v, T(0));
}

}  // namespace

TEST(panels, pack_float) { check_packing<float>(); }
TEST(panels, pack_double) { check_packing<double>(); }
TEST(panels, store_float) { check_stores<float>(); }
TEST(panels, store_double) { check_stores<double>(); }
TEST(panels, loop_nests_float) { check_loop_nests<float>(); }
TEST(panels, loop_nests_double) { check_loop_nests<double>(); }

}  // namespace tests
