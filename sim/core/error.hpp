// Bad input as values: a Diagnostic says what was found where, what was wanted and what to do about it.
// Readers collect every diagnostic of a file before they give up; `main` prints them all and exits 2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace orrery {

struct SourcePos {
  std::string file;  // empty: not from a file (a command line, for instance)
  int line = 0;      // 1-based; 0 = unknown
  int column = 0;    // 1-based, in bytes; 0 = unknown
};

struct Diagnostic {
  Diagnostic() = default;
  explicit Diagnostic(std::string says, SourcePos at = {}, std::string line = {});
  // Compiled once: the compiler would else write them out wherever one is copied or destroyed.
  Diagnostic(const Diagnostic&);
  Diagnostic(Diagnostic&&) noexcept;
  Diagnostic& operator=(const Diagnostic&);
  Diagnostic& operator=(Diagnostic&&) noexcept;
  ~Diagnostic();

  std::string message{};  // what is wrong, values in backticks
  SourcePos where{};
  std::string line_text{};           // the offending line, shown with a caret; may be empty
  int width = 1;                     // how many characters the caret underlines
  std::string hint{};                // "did you mean `gpus_per_node`?", right of the caret
  std::vector<std::string> notes{};  // "= keys here: ...", one line each
};

// One or more diagnostics; never empty.
struct Error {
  std::vector<Diagnostic> items;
  Error() = default;
  explicit Error(Diagnostic d);
  explicit Error(std::vector<Diagnostic> all);
  Error(const Error&);
  Error(Error&&) noexcept;
  Error& operator=(const Error&);
  Error& operator=(Error&&) noexcept;
  ~Error();
};

// Of errors of one kind, as many are shown at once.
inline constexpr std::size_t kMostErrors = 20;

template <class T>
using Expected = tl::expected<T, Error>;

[[nodiscard]] tl::unexpected<Error> fail(Diagnostic d);
[[nodiscard]] tl::unexpected<Error> fail(std::string message);

// Compiler-style text of all diagnostics, ending in a newline:
//   error: unknown key `gpu_per_node`
//     --> file:6:29
//      |
//    6 |  - { name: h, gpu_per_node: 8 }
//      |               ^^^^^^^^^^^^ did you mean `gpus_per_node`?
[[nodiscard]] std::string render(const Error& error);

// The candidate closest to `word` by edit distance (at most a third of its length, at least 1, off), or "".
[[nodiscard]] std::string_view closest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace orrery
