#include "buffer.hpp"

#include <algorithm>
#include <atomic>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace coterie::memory {
namespace {

constexpr std::size_t kLeast = std::size_t{64} << 10;  // kept from here ...
constexpr std::size_t kLarge = std::size_t{4} << 20;   // ... to here
constexpr std::size_t kHuge = std::size_t{64} << 20;   // from here on in huge pages
constexpr std::size_t kTotal = std::size_t{32} << 20;  // kept at most
constexpr int kBlocks = 32;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeeps = false;  // what is used after it was given back is to be found
#else
constexpr bool kKeeps = true;
#endif

std::size_t alignment_of(std::size_t bytes) { return bytes < kHuge ? 64 : std::size_t{2} << 20; }

void release(Block block) noexcept {
  ::operator delete(block.data, std::align_val_t{alignment_of(block.bytes)});
}

// Blocks that were given back, the oldest first. Whoever finds it busy does without: nobody waits,
// not even in a child of a fork that came at a bad time.
struct Kept {
  Block blocks[kBlocks];
  int count = 0;
  std::size_t total = 0;

  Block remove(int i) {
    const Block block = blocks[i];
    std::copy(blocks + i + 1, blocks + count--, blocks + i);
    total -= block.bytes;
    return block;
  }
  Block find(std::size_t bytes) {
    int best = -1;
    for (int i = 0; i < count; ++i)
      if (blocks[i].bytes >= bytes && blocks[i].bytes <= 2 * bytes &&
          (best < 0 || blocks[i].bytes < blocks[best].bytes))
        best = i;
    return best < 0 ? Block{} : remove(best);
  }
  void add(Block block) {
    while (count == kBlocks || total + block.bytes > kTotal) release(remove(0));
    blocks[count++] = block;
    total += block.bytes;
  }
};

Kept kept;
std::atomic_flag busy = ATOMIC_FLAG_INIT;

template <class F>
bool with_kept(const F& f) {
  if (!kKeeps || busy.test_and_set(std::memory_order_acquire)) return false;
  f();
  busy.clear(std::memory_order_release);
  return true;
}

Block fresh(std::size_t bytes) {
  const Block block{::operator new(bytes, std::align_val_t{alignment_of(bytes)}), bytes};
#ifdef __linux__
  // A fault for every small page takes longer than filling it (bench: linkage, complete,
  // 10,000). Those of smaller blocks are not all touched.
  if (bytes >= kHuge) madvise(block.data, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace

Block take(std::size_t bytes) {
  Block block;
  if (bytes >= kLeast && bytes < kLarge) with_kept([&] { block = kept.find(bytes); });
  if (block.data != nullptr) return block;
  try {
    return fresh(bytes);
  } catch (const std::bad_alloc&) {
    with_kept([] {
      while (kept.count > 0) release(kept.remove(0));
    });
    return fresh(bytes);
  }
}

void give(Block block) noexcept {
  const bool keeps = block.bytes >= kLeast && block.bytes < kLarge;
  if (!keeps || !with_kept([&] { kept.add(block); })) release(block);
}

}  // namespace coterie::memory
