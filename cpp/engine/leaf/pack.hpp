// Packing: from C-ordered rows to the panels that tile.hpp reads.
//
// Packing is the bill of a tile product: every element is loaded, moved across lanes and stored once
// per pass. Rows therefore go through whole-vector transposes (log2(width) shuffles an element-vector),
// never element by element; the shift (a centre subtracted on the way) and the squared norms ride
// along while the values are in registers.
//
//   pack_lanes    rows(r < rows, depth) -> panel[p * MR + r]; rows beyond `rows` become zero
//   pack_picked   the same of rows order[r]
//   pack_lanes_t  columns of a C-ordered (depth, columns) block -> the same panel, by copying
//   pack_columns  rows -> panel[p * NR + j], the broadcast side
#pragma once
#include "blocking.hpp"

namespace coterie::COTERIE_ISA {

// In place transposition of a width x width block held in registers: log2(width) perfect shuffles.
template <class T>
COTERIE_INLINE void transpose(Vec<T> (&v)[width<T>]) {
  constexpr int w = width<T>;
#pragma GCC unroll 4
  for (int stage = 1; stage < w; stage *= 2) {
    Vec<T> t[w];
#pragma GCC unroll 8
    for (int i = 0; i < w / 2; ++i) {
      t[2 * i] = deal<0>(v[i], v[i + w / 2]);
      t[2 * i + 1] = deal<1>(v[i], v[i + w / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < w; ++i) v[i] = t[i];
  }
}

// Where row r begins; `last`: of the first `width`, the start furthest on.
template <class T>
struct RowsInTurn {
  const T* x;
  index ld;
  COTERIE_INLINE const T* at(index r) const { return x + r * ld; }
  COTERIE_INLINE index last() const { return (width<T> - 1) * ld; }
};
template <class T>
struct PickedRows {
  const T* x;
  index ld;
  const std::int32_t* order;
  COTERIE_INLINE const T* at(index r) const { return x + order[r] * ld; }
  COTERIE_INLINE index last() const {
    std::int32_t most = order[0];
    for (int r = 1; r < width<T>; ++r) most = order[r] > most ? order[r] : most;
    return most * ld;
  }
};

// Feature p of rows [0, rows), rows < width or a partial vector of depth: element by element.
template <class T, class Rows>
COTERIE_INLINE Vec<T> gather_column(Rows x, index p, index rows, T filler) {
  T column[width<T>];
  for (index r = 0; r < width<T>; ++r) column[r] = filler;
  for (index r = 0; r < (rows < width<T> ? rows : width<T>); ++r) column[r] = x.at(r)[p];
  return load(column);
}

// `width` rows (fewer: the rest zero), the whole depth, into lanes [0, width) of a panel.
// shift: depth values subtracted from each row. readable: elements of memory that may be read from x on, so
// that a last, partial vector of depth can be read whole. Returns the rows' squared norms after the shift.
template <class T, class Rows>
COTERIE_INLINE Vec<T> pack_width_rows(Rows x, index rows, index depth, index readable,
                                      const T* __restrict shift, T* __restrict panel) {
  constexpr int w = width<T>;
  Vec<T> norms{};
  index p = 0;
  if (rows >= w) {
    for (; p + w <= depth || (p < depth && x.last() + p + w <= readable); p += w) {
      Vec<T> v[w];
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r) v[r] = load(x.at(r) + p);
      transpose<T>(v);
      if (p + w <= depth) {
#pragma GCC unroll 16
        for (int q = 0; q < w; ++q) {
          v[q] -= broadcast(shift + p + q);
          norms = madd(v[q], v[q], norms);
          store(panel + (p + q) * MR<T>, v[q]);
        }
      } else {
        T all[w * w];
#pragma GCC unroll 16
        for (int q = 0; q < w; ++q) store(all + q * w, v[q]);
        for (index q = 0; q < depth - p; ++q) {
          const Vec<T> c = load(all + q * w) - broadcast(shift + p + q);
          norms = madd(c, c, norms);
          store(panel + (p + q) * MR<T>, c);
        }
      }
    }
  }
  for (; p < depth; ++p) {
    const Vec<T> v = gather_column<T>(x, p, rows, shift[p]) - broadcast(shift + p);
    norms = madd(v, v, norms);
    store(panel + p * MR<T>, v);
  }
  return norms;
}

template <class T>
void pack_lanes(const T* __restrict x, index ld, index rows, index depth, index readable,
                const T* __restrict shift, T* __restrict panel, T* __restrict sq_norms) {
  constexpr int w = width<T>;
  for (int i = 0; i < NV; ++i) {
    const index first = i * w, count = rows > first ? rows - first : 0;
    const index skip = count ? first * ld : 0;
    const Vec<T> norms = pack_width_rows<T>(RowsInTurn<T>{x + skip, ld}, count, depth, readable - skip,
                                            shift, panel + first);
    store(sq_norms + first, norms);
  }
}

template <class T>
void pack_picked(const T* __restrict x, index ld, const std::int32_t* order, index rows, index depth,
                 index readable, const T* __restrict shift, T* __restrict panel) {
  constexpr int w = width<T>;
  for (int i = 0; i < NV; ++i) {
    const index first = i * w, count = rows > first ? rows - first : 0;
    // The next rows, which a fetch long before has left in a cache further off.
    for (index r = first + w; r < rows && r < first + 2 * w; ++r)
      for (index p = 0; p < depth; p += 64 / index(sizeof(T))) __builtin_prefetch(x + order[r] * ld + p);
    pack_width_rows<T>(PickedRows<T>{x, ld, order + first}, count, depth, readable, shift, panel + first);
  }
}

template <class T>
void pack_lanes_t(const T* __restrict y, index ld, index depth, index columns, T* __restrict panel) {
  for (index p = 0; p < depth; ++p, y += ld, panel += MR<T>) {
    if (columns == MR<T>) {
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) store(panel + i * width<T>, load(y + i * width<T>));
    } else {
      for (index j = 0; j < MR<T>; ++j) panel[j] = j < columns ? y[j] : T(0);
    }
  }
}

template <class T>
void pack_columns(const T* __restrict y, index ld, index rows, index depth, T* __restrict panel) {
  for (int j = 0; j < NR; ++j)
    for (index p = 0; p < depth; ++p) panel[p * NR + j] = j < rows ? y[j * ld + p] : T(0);
}

}  // namespace coterie::COTERIE_ISA
