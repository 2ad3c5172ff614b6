// The whole test framework: TEST registers a function under a suite, CHECK counts and prints
// file:line.
#pragma once
#include <cstdint>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace tests {

using index = std::int64_t;

struct Test {
  const char *suite, *name;
  void (*run)();
};
std::vector<Test>& all();

// Counts a check; prints the first failures of a run and only counts the rest.
void note(bool passed, const char* file, int line, const std::string& what);

struct Register {
  Register(const char* suite, const char* name, void (*run)()) {
    all().push_back({suite, name, run});
  }
};

// What the checks of a scope are about, printed with a failure: shapes, kernel, dtype.
class About {
 public:
  template <class... Parts>
  explicit About(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    lines().push_back(text.str());
  }
  ~About() { lines().pop_back(); }
  About(const About&) = delete;
  About& operator=(const About&) = delete;
  static std::vector<std::string>& lines();
};

template <class A, class B>
void note_equal(const A& a, const B& b, const char* file, int line, const char* what) {
  if (a == b) return note(true, file, line, "");
  std::ostringstream text;
  text.precision(17);
  text << what << ": " << a << " against " << b;
  note(false, file, line, text.str());
}

// The message of the exception of type E that f throws; "" and a failure where it throws none.
template <class E, class F>
std::string thrown(const F& f, const char* file, int line) {
  try {
    f();
  } catch (const E& error) {
    note(true, file, line, "");
    return error.what();
  }
  note(false, file, line, "nothing thrown");
  return "";
}

}  // namespace tests

#define TEST(suite, name)                                                          \
  static void suite##_##name();                                                    \
  static const tests::Register suite##_##name##_at(#suite, #name, suite##_##name); \
  static void suite##_##name()

#define CHECK(condition) tests::note((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(a, b) tests::note_equal((a), (b), __FILE__, __LINE__, #a " == " #b)
#define THROWN(E, ...) tests::thrown<E>([&] { __VA_ARGS__; }, __FILE__, __LINE__)
