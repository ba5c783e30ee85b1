// A file of text that grows line by line and is packed with zstd as it is written: logs, recorded conversations. Owns
// its file; nothing throws, the first failure is kept.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace orrery {

class PackedFile {
 public:
  PackedFile(const std::string& path, int level);
  ~PackedFile();
  PackedFile(const PackedFile&) = delete;
  PackedFile& operator=(const PackedFile&) = delete;

  void write(std::string_view text);
  // 0, or the errno of the first failure.
  int close();

 private:
  void pack(std::string_view text, bool last);
  struct Free {
    void operator()(void* context) const;
  };

  std::FILE* file_;
  int error_ = 0;
  std::unique_ptr<void, Free> pack_;  // ZSTD_CCtx, kept out of the header
  std::string packed_;
};

}  // namespace orrery
