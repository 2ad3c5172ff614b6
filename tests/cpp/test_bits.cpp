// What a user sees has the same bits on every ISA: each runs in a child of its own, for the table
// is resolved once a process, and the hashes are compared. They are printed, to compare builds and
// machines.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "../../cpp/algo/kmeans/kmeans.hpp"
#include "../../cpp/engine/isa.hpp"
#include "data.hpp"

namespace tests {
using namespace coterie;

namespace {

// Named hashes of results, one a line, so that a difference says where it is.
class Hashes {
 public:
  explicit Hashes(std::ostream& out) : out_(out) {}
  void about(const std::string& shape) { shape_ = shape; }
  template <class T>
  void add(const char* name, const T* data, index size) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(data);
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(size) * sizeof(T); ++i)
      hash = mix(hash * 257 + bytes[i] + 1);
    out_ << shape_ << " " << name << " " << std::hex << hash << std::dec << "\n";
  }
  template <class T>
  void add(const char* name, const std::vector<T>& v) {
    add(name, v.data(), static_cast<index>(v.size()));
  }

 private:
  std::ostream& out_;
  std::string shape_;
};

template <class T, class X>
void add_all(Hashes& hash, const X& x, const std::vector<T>& start) {
  const index k = static_cast<index>(start.size()) / x.cols, trials = 3;
  const auto n = static_cast<std::size_t>(x.rows);
  std::vector<double> weights, uniforms, squares(n), sums(start.size()),
      totals(static_cast<std::size_t>(k));
  for (index i = 0; i < x.rows; ++i)
    weights.push_back(uniform(1, 0, static_cast<std::uint64_t>(i)));
  for (index i = 0; i < k * trials; ++i)
    uniforms.push_back(uniform(2, 0, static_cast<std::uint64_t>(i)));
  const kmeans::Moments m = kmeans::moments(x, weights.data(), 2);
  hash.add("mean", m.mean), hash.add("variance", m.variance);
  std::vector<T> centers = start, out(n * static_cast<std::size_t>(k));
  std::vector<std::int32_t> labels(n);
  const kmeans::Result result =
      kmeans::lloyd(x, weights.data(), m, centers.data(), k, labels.data(),
                    {6, 0, kmeans::Empty::relocate, 2, nullptr});
  hash.add("centers", centers), hash.add("labels", labels);
  hash.add("inertia", &result.inertia, 1);
  hash.add("history", result.history);
  kmeans::assign(x, start.data(), k, labels.data(), squares.data(), 2);
  hash.add("assigned", labels), hash.add("squares", squares);
  const double inertia = kmeans::step(x, weights.data(), start.data(), k, labels.data(),
                                      sums.data(), totals.data(), 2);
  hash.add("step", &inertia, 1), hash.add("sums", sums), hash.add("totals", totals);
  kmeans::distances(x, start.data(), k, out.data(), 2);
  hash.add("distances", out);
  std::vector<index> chosen(static_cast<std::size_t>(k));
  kmeans::plus_plus(x, weights.data(), 5, uniforms.data(), k, trials, chosen.data(), 2);
  hash.add("plus_plus", chosen);
  const kmeans::Candidates found =
      kmeans::parallel_seeding(x, weights.data(), 5, 3, 2.0 * static_cast<double>(k), 3, 2);
  hash.add("candidates", found.rows), hash.add("owned", found.weights);
}

// Shapes for every kernel and both ways of summing; values that no additions leave exact.
template <class T>
void hash_everything(std::ostream& out) {
  struct Shape {
    index n, k, d;
  };
  Hashes hash(out);
  for (const Shape& s : {Shape{900, 1, 1}, Shape{3000, 7, 2}, Shape{5000, 20, 11},
                         Shape{5000, 70, 13}, Shape{1500, 9, 131}, Shape{1100, 30, 200}})
    for (const double offset : {0.0, 1e3}) {
      std::ostringstream shape;
      shape << type_name<T>() << " " << s.n << "x" << s.d << " k=" << s.k << " at " << offset;
      Rows<T> x(s.n, s.d, s.d + 1, Edge::end, 81, 500);
      x.affine(0.37, offset);
      std::vector<T> start;
      for (index j = 0; j < s.k; ++j)
        for (index f = 0; f < s.d; ++f) start.push_back(static_cast<T>(x.get(j * 7, f)));
      hash.about(shape.str());
      add_all(hash, x.view(), start);
      const Rows<T> grid(s.n, s.d, s.d, Edge::end, 82, 1);
      const SparseRows<T> sparse(grid);
      hash.about(shape.str() + " sparse");
      add_all(hash, sparse.csr(), start);
    }
}

[[noreturn]] void run_child(const std::string& isa, int to) {
  setenv("COTERIE_ISA", isa.c_str(), 1);
  std::ostringstream text;
  try {
    hash_everything<float>(text), hash_everything<double>(text);
    if (isa != coterie::isa::table().name) _exit(2);
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    _exit(3);
  }
  const std::string all = text.str();
  for (std::size_t at = 0; at < all.size();) {
    const ssize_t written = write(to, all.data() + at, all.size() - at);
    if (written <= 0) _exit(4);
    at += static_cast<std::size_t>(written);
  }
  _exit(0);
}

// What a child that runs on the table `isa` has to say; nothing where it failed.
std::vector<std::string> hashes_on(const std::string& isa) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) run_child(isa, ends[1]);
  close(ends[1]);
  std::string all;
  char some[4096];
  for (ssize_t got; (got = read(ends[0], some, sizeof(some))) > 0;)
    all.append(some, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = -1;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return {};
  std::istringstream text(all);
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST(bits, same_on_every_isa) {
  std::vector<std::string> first;
  for (const std::string& isa : coterie::isa::supported()) {
    About about(isa);
    const std::vector<std::string> lines = hashes_on(isa);
    CHECK(!lines.empty());
    if (first.empty()) first = lines;
    CHECK_EQUAL(lines.size(), first.size());
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < lines.size() && i < first.size(); ++i) {
      CHECK_EQUAL(lines[i], first[i]);
      for (const char c : lines[i]) all = mix(all * 257 + static_cast<unsigned char>(c));
    }
    std::cout << std::hex << all << std::dec << "  " << isa << std::endl;
  }
}

}  // namespace tests
