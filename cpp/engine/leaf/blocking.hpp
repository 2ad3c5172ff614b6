// Tile shapes of the ISA being compiled. engine/isa/*.hpp set the macros; bench/bench_engine.py
// (`tile`) is the measurement behind them.
//
// MR rows stand in lanes (NV vectors), NR columns are broadcast: NV * NR accumulators, and NV + 1
// registers more, must fit the register file (32 on AVX-512 and NEON, 16 elsewhere).
#pragma once
#include "simd.hpp"

namespace coterie::COTERIE_ISA {

constexpr int NV = COTERIE_NV;  // vectors in lanes
constexpr int NR = COTERIE_NR;  // broadcast columns
template <class T>
constexpr int MR = NV * width<T>;

// Depth beyond KC is accumulated block by block, so that a packed panel (MR x KC) stays in the L2 cache.
template <class T>
constexpr index KC = (COTERIE_PANEL_BYTES) / (MR<T> * index(sizeof(T)));

// The depth-in-lanes kernel (argmin_rows.hpp): RR rows against RC columns at a time.
constexpr int RR = COTERIE_RR;
constexpr int RC = COTERIE_RC;

}  // namespace coterie::COTERIE_ISA
