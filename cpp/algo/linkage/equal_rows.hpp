// Rows that are there several times.
#pragma once
#include <vector>

#include "../../base/view.hpp"

namespace coterie::linkage {

// Of each row, the first one that equals it: itself, of a row like no other before.
std::vector<index> first_equals(const View<double>& x);

// The rows that are like none before them, ascending.
std::vector<index> distinct(const std::vector<index>& first);

}  // namespace coterie::linkage
