// Between the loops of top-N: a search of the items for themselves has loops of its own.
#pragma once
#include "lists.hpp"

namespace coterie::top_n {

// Can the search be done by self_join?
template <class T>
bool joins_itself(const View<T>& queries, const Items<T>& items, const Options& options);

// The items against themselves, each product computed once. The rows that are not decided yet,
// since their threshold was guessed too high.
template <class T>
std::vector<index> self_join(const Items<T>& items, const Options& options, Result<T> result);

}  // namespace coterie::top_n
