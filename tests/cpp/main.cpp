// coterie_tests <suite>: runs one suite on the table that COTERIE_ISA names. Exit code 77: not on
// this CPU.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../../cpp/engine/isa.hpp"
#include "check.hpp"

namespace tests {
namespace {

std::int64_t checks = 0, failures = 0;

}  // namespace

std::vector<Test>& all() {
  static std::vector<Test> tests;
  return tests;
}

std::vector<std::string>& About::lines() {
  static std::vector<std::string> lines;
  return lines;
}

void note(bool passed, const char* file, int line, const std::string& what) {
  constexpr std::int64_t printed = 20;
  ++checks;
  if (passed || ++failures > printed) return;
  std::cerr << file << ":" << line << ": " << what;
  for (const std::string& about : About::lines()) std::cerr << " [" << about << "]";
  std::cerr << std::endl;
}

// A run counts only on the table it was meant for.
int run(const std::string& suite) {
  using namespace coterie;
  if (suite != "bits") {  // there each child looks at its own
    const char* wish = std::getenv("COTERIE_ISA");
    const auto compiled = isa::compiled(), supported = isa::supported();
    if (wish != nullptr && std::count(compiled.begin(), compiled.end(), wish) > 0 &&
        std::count(supported.begin(), supported.end(), wish) == 0) {
      std::cout << wish << " does not run on this CPU" << std::endl;
      return 77;
    }
    if (wish != nullptr) CHECK_EQUAL(std::string(isa::table().name), wish);
    std::cout << "table: " << isa::table().name << std::endl;
  }
  std::int64_t ran = 0;
  for (const Test& test : all()) {
    if (suite != test.suite) continue;
    About about(test.suite, ".", test.name);
    ++ran;
    try {
      test.run();
    } catch (const std::exception& error) {
      note(false, __FILE__, __LINE__, std::string("threw ") + error.what());
    }
  }
  CHECK(ran > 0);
  std::cout << suite << ": " << ran << " tests, " << checks << " checks, " << failures
            << " failures" << std::endl;
  return failures == 0 ? 0 : 1;
}

}  // namespace tests

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " SUITE" << std::endl;
    return 2;
  }
  return tests::run(argv[1]);
}
