// Dicts of ops, losses and optimisers to their structs; a key or a name that is unknown is refused.
#pragma once
#include "../algo/nn/nn.hpp"
#include "convert.hpp"

namespace coterie::bind {

nn::Activation activation_of(const std::string& name);
std::vector<nn::Op> ops_of(const py::list& ops);
nn::Objective objective_of(const py::dict& loss, const std::vector<std::string>& metrics);
nn::Rule rule_of(const py::dict& optimizer);
// rates: keeps the learning rates' memory, which is read at every step, alive.
nn::Optimizer optimizer_of(const py::dict& optimizer, Array<double>& rates);
nn::Settings settings_of(const py::dict& settings);

}  // namespace coterie::bind
