// Ctrl-C in long loops. The core knows no Python: bind/ installs a poll, workers see a flag.
#pragma once
#include <atomic>
#include <exception>

namespace coterie {

// Thrown on the calling thread when the poll asked to stop; bind/ turns it into the pending exception.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

namespace interrupt {

using Poll = bool (*)();  // true: stop. Called on the calling thread only.
void install(Poll poll);

// Asks the poll, at most every 50 ms. Cheap enough for every block of a loop.
bool pending();

}  // namespace interrupt
}  // namespace coterie
