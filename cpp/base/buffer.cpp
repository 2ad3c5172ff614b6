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
constexpr std::size_t kHuge = std::size_t{8} << 20;    // from here on in huge pages
constexpr std::size_t kTotal = std::size_t{32} << 20;  // kept at most
constexpr int kBlocks = 32;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeeps = false;  // what is used after it was given back is to be found
#else
constexpr bool kKeeps = true;
#endif

#ifdef __linux__
constexpr bool kMaps = kKeeps;  // huge blocks are pages of their own
constexpr std::size_t kPage = std::size_t{2} << 20;

std::size_t whole_pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// A fault for every small page takes longer than filling it (bench: linkage, complete, 10,000).
// Those of smaller blocks are not all touched.
Block map(std::size_t bytes) {
  const std::size_t size = whole_pages(bytes);
  if (size < bytes || size + kPage < size) throw std::bad_alloc();
  void* at =
      mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  char* begin = static_cast<char*>(at);
  const std::size_t before = (kPage - reinterpret_cast<std::uintptr_t>(at) % kPage) % kPage;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + size, kPage - before);
  madvise(begin + before, size, MADV_HUGEPAGE);
  return {begin + before, bytes, true};
}
void unmap(Block block) noexcept { munmap(block.data, whole_pages(block.bytes)); }
#else
constexpr bool kMaps = false;
Block map(std::size_t) { throw std::bad_alloc(); }
void unmap(Block) noexcept {}
#endif

constexpr std::align_val_t kAlignment{64};

void release(Block block) noexcept {
  if (kMaps && block.bytes >= kHuge) return unmap(block);
  ::operator delete(block.data, kAlignment);
}

Block fresh(std::size_t bytes) {
  if (kMaps && bytes >= kHuge) return map(bytes);
  return {::operator new(bytes, kAlignment), bytes};
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
