#include "isa.hpp"

#include <cstdlib>

#include "../base/check.hpp"
#include "top_n_table.hpp"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

// COTERIE_ISAS is the registry of CMakeLists.txt: X(name) for every table compiled, worst first.
#define X(name)               \
  namespace coterie::name {   \
  extern const Table table;   \
  }
COTERIE_ISAS
#undef X

namespace coterie::isa {
namespace {

struct Entry {
  std::string name;
  const Table* table;
};

const std::vector<Entry>& entries() {
#define X(name) {#name, &coterie::name::table},
  static const std::vector<Entry> all = {COTERIE_ISAS};
#undef X
  return all;
}

bool runs_here([[maybe_unused]] const std::string& name) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  if (name == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (name == "avx512")
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#endif
  return true;
}

// AVX512-VNNI, or AVX-VNNI, which compilers of 2021 cannot name.
bool cpu_multiplies_bytes([[maybe_unused]] const std::string& name) {
#if defined(__x86_64__)
  if (name == "avx512") return __builtin_cpu_supports("avx512vnni");
  unsigned a, b, c, d;
  if (name == "avx2") return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#endif
  return false;
}

const Table& choose() {
  const char* wish = std::getenv("COTERIE_ISA");
  const Table* best = nullptr;
  std::string valid;
  for (const Entry& e : entries()) {
    if (!runs_here(e.name)) continue;
    valid += (valid.empty() ? "" : ", ") + e.name;
    if (wish != nullptr && *wish != '\0') {
      if (e.name == wish) return *e.table;
    } else if (e.name != "odd") {
      best = e.table;
    }
  }
  if (best == nullptr) refuse("COTERIE_ISA", ("one of " + valid).c_str(), "'", wish, "'");
  return *best;
}

}  // namespace

const Table& table() {
  static const Table& chosen = choose();
  return chosen;
}

bool has_byte_dot() {
  static const bool has = table().top_n->bytes_dot.top_n != nullptr && cpu_multiplies_bytes(table().name);
  return has;
}

std::vector<std::string> compiled() {
  std::vector<std::string> names;
  for (const Entry& e : entries()) names.push_back(e.name);
  return names;
}

std::vector<std::string> supported() {
  std::vector<std::string> names;
  for (const Entry& e : entries())
    if (runs_here(e.name)) names.push_back(e.name);
  return names;
}

}  // namespace coterie::isa
