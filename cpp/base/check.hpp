// Errors say three things: which parameter, what was wanted, what came.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace coterie {

// `name: wanted <wanted>, got <parts...>`
template <class... Parts>
[[noreturn]] void refuse(const char* name, const char* wanted, const Parts&... got) {
  std::ostringstream text;
  text << name << ": wanted " << wanted << ", got ";
  (text << ... << got);
  throw std::invalid_argument(text.str());
}

}  // namespace coterie
