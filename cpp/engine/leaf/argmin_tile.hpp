// Argmin as an epilogue of reduce_rows: rows in lanes, columns broadcast, any depth.
#pragma once
#include "argmin.hpp"
#include "reduce_rows.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
struct ArgminEpilogue {
  static constexpr index kTileGroup = kGroup / NR * NR;  // columns that share a tag space: whole tiles

  explicit ArgminEpilogue(const ArgminTask<T>& t) : task(t) {}

  const ArgminTask<T>& task;
  Best<T> best[NV];
  GroupBest<T> group[NV];
  const T* sq_norms = nullptr;
  index group_first = 0, listed = 0;

  COTERIE_INLINE void begin(index, const T* norms) {
    sq_norms = norms;
    for (int i = 0; i < NV; ++i) best[i] = no_best<T>();
    open_group(0);
  }

  COTERIE_INLINE void tile(index column0, const Acc<T>& acc) {
    if (column0 - group_first == kTileGroup) {
      close_group();
      open_group(column0);
    }
#pragma GCC unroll 16
    for (int j = 0; j < NR; ++j) {
      const VecInt<T> tag = broadcast(tags(T{}) + (column0 - group_first) + j);
#pragma GCC unroll 8
      for (int i = 0; i < NV; ++i) offer_tagged(group[i], acc[j][i], tag);
    }
  }

  COTERIE_INLINE void end(index row0, index rows) {
    close_group();
    for (int i = 0; i * width<T> < rows; ++i)
      listed = decide(task, best[i], load(sq_norms + i * width<T>), row0 + i * width<T>, listed);
  }

 private:
  COTERIE_INLINE void open_group(index first) {
    group_first = first;
    for (int i = 0; i < NV; ++i) group[i] = {splat(huge<T>), splat(huge<T>)};
  }
  COTERIE_INLINE void close_group() {
    for (int i = 0; i < NV; ++i) merge_group(best[i], group[i], group_first);
  }
};

template <class T>
std::int64_t argmin_tile(const ArgminTask<T>& t) {
  ArgminEpilogue<T> epilogue(t);
  reduce_rows<T>(t, epilogue);
  return epilogue.listed;
}

}  // namespace coterie::COTERIE_ISA
