// Rows to lines and back: a transposition by whole-vector shuffles, rows taken in a given order.
#pragma once
#include "../nn_table.hpp"
#include "pack.hpp"

namespace coterie::COTERIE_ISA {

// The last vector of a line, element by element where it is not whole.
template <class T>
COTERIE_INLINE Vec<T> load_first(const T* p, index count) {
  if (count >= width<T>) return load(p);
  T line[width<T>] = {};
  for (index r = 0; r < count; ++r) line[r] = p[r];
  return load(line);
}

template <class T>
COTERIE_INLINE void store_first(T* out, index count, Vec<T> v) {
  if (count >= width<T>) return store(out, v);
  T line[width<T>];
  store(line, v);
  for (index r = 0; r < count; ++r) out[r] = line[r];
}

template <class T>
void turn(const nn::TurnTask<T>& t) {
  constexpr int w = width<T>;
  index r = 0;
  for (; r < t.rows; r += w) {
    const index rows = t.rows - r < w ? t.rows - r : w, room = t.lanes - r;
    const T* row[w];
    for (index q = 0; q < w; ++q) {
      const index at = r + (q < rows ? q : 0);
      row[q] = t.x + (t.order ? t.order[at] : at) * t.ld;
    }
    index f = 0;
    for (; f + w <= t.depth; f += w) {
      Vec<T> v[w];
#pragma GCC unroll 16
      for (int q = 0; q < w; ++q) v[q] = q < rows ? load(row[q] + f) : Vec<T>{};
      transpose<T>(v);
#pragma GCC unroll 16
      for (int q = 0; q < w; ++q) store_first<T>(t.out + (f + q) * t.out_ld + r, room, v[q]);
    }
    for (; f < t.depth; ++f) {
      T line[w];
      for (index q = 0; q < w; ++q) line[q] = q < rows ? row[q][f] : T(0);
      store_first<T>(t.out + f * t.out_ld + r, room, load(line));
    }
  }
  for (; r < t.lanes; r += w)
    for (index f = 0; f < t.depth; ++f)
      store_first<T>(t.out + f * t.out_ld + r, t.lanes - r, Vec<T>{});
}

// Whether lines of whole vectors hold finite numbers only: v - v is 0 for these alone.
template <class T>
bool finite(const T* x, index ld, index lanes, index lines) {
  Vec<T> sum{};
  for (index f = 0; f < lines; ++f)
    for (index r = 0; r < lanes; r += width<T>) {
      const Vec<T> v = load(x + f * ld + r);
      sum += v - v;
    }
  bool all = true;
  for (int r = 0; r < width<T>; ++r) all = all && sum[r] == 0;
  return all;
}

}  // namespace coterie::COTERIE_ISA
