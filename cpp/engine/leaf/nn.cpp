// The leaves of networks, gathered into their table; compiled once per ISA.
#include "loss.hpp"
#include "noise.hpp"
#include "norm.hpp"
#include "optimizer.hpp"
#include "weights.hpp"

namespace coterie::COTERIE_ISA {

template <class T>
constexpr nn::Kernels<T> nn_kernels() {
  return {width<T>,         turn<T>,           finite<T>,        dense<T>, weights_dot<T>,
          weights_outer<T>, activate_lines<T>, derive_lines<T>,  loss<T>,  metric<T>,
          update<T>,        reduce<T>,         dropout<T>,       noise<T>, moments<T>,
          normalize<T>,     norm_sums<T>,      norm_gradient<T>, sizes<T>, penalize<T>};
}

extern const nn::Table nn_table;
constexpr nn::Table kNnTable = {nn_kernels<float>(), nn_kernels<double>()};
const nn::Table nn_table = kNnTable;

}  // namespace coterie::COTERIE_ISA
