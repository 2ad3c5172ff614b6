// What the bindings of top-N share.
#pragma once
#include <string>

#include "../algo/top_n/top_n.hpp"
#include "../base/check.hpp"

namespace coterie::bind {

inline top_n::Metric metric_of(const std::string& name) {
  if (name == "cosine") return top_n::Metric::cosine;
  if (name == "dot") return top_n::Metric::dot;
  if (name == "euclidean") return top_n::Metric::euclidean;
  if (name == "angular") return top_n::Metric::angular;
  refuse("metric", "'cosine', 'dot', 'euclidean' or 'angular'", "'", name, "'");
}

}  // namespace coterie::bind
