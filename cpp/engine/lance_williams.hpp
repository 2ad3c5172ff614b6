// How far K is from the union of I and J (Lance & Williams 1967), for one K or as many as a vector
// has lanes.
//
// The result is no less than the lesser of the two, rounding included: no cluster that stays ever
// finds its nearest among the new ones.
#pragma once

namespace coterie {

// The reducible methods that work on a matrix.
enum class Update { complete, average, weighted, ward };

// apart, n_low, n_high: of the pair, in the order of ids; ward on squares.
template <Update update, class V>
[[gnu::always_inline]] inline V from_union(V low, V high, V apart, V n_low, V n_high, V n_other) {
  const V n = n_low + n_high, least = high < low ? high : low;
  if constexpr (update == Update::complete) {
    return low < high ? high : low;
  } else if constexpr (update == Update::weighted) {
    return 0.5 * (low + high);
  } else if constexpr (update == Update::average) {
    const V mean = (n_low * low + n_high * high) / n;
    return least < mean ? mean : least;
  } else {
    const V mean =
        ((n_low + n_other) * low + (n_high + n_other) * high - n_other * apart) / (n + n_other);
    return least < mean ? mean : least;
  }
}

}  // namespace coterie
