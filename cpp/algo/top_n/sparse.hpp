// Top-N lists where queries, items or both are sparse; keys, ties and lists as rank.hpp says.
//
// Rows of a Csr have their columns in ascending order, each once. queries and items have as many
// columns; request.exclude.start, where given, has queries.rows + 1 entries.
#pragma once
#include "rank.hpp"

namespace coterie::top_n {

// Chooses between the two that follow by counting operations.
template <class T>
void search(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out);

// A row of queries at a time against the transpose of the items; similarities only.
// Memory: one transposed copy of the items, 32 columns of it dense at most, 1 MB a thread.
template <class T>
void join(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out);

// A few queries side by side in a panel against every row of the items. Memory: MBs a thread.
template <class T>
void scan(const Csr<T>& queries, const Csr<T>& items, const Request& request, const Found& out);
template <class T>
void search(const View<T>& queries, const Csr<T>& items, const Request& request, const Found& out);

// A few items side by side in a panel against a block of queries.
template <class T>
void search(const Csr<T>& queries, const View<T>& items, const Request& request, const Found& out);

}  // namespace coterie::top_n
