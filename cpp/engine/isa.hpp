// Which leaves run: the best table this CPU can execute, unless COTERIE_ISA names a lower one.
#pragma once
#include <string>
#include <vector>

#include "table.hpp"

namespace coterie::isa {

// The table in use; resolved on the first call. Throws std::invalid_argument for a COTERIE_ISA that is
// unknown or that this CPU cannot run.
const Table& table();

// Does this CPU have the byte dot product that the table's kernels for it want?
bool has_byte_dot();

std::vector<std::string> compiled();   // all tables in this build
std::vector<std::string> supported();  // those this CPU can run, worst first; the last is the default

template <class T>
const Kernels<T>& kernels();
template <>
inline const Kernels<float>& kernels<float>() {
  return table().f32;
}
template <>
inline const Kernels<double>& kernels<double>() {
  return table().f64;
}

}  // namespace coterie::isa
