// SHA-256 over OpenSSL's EVP, as a streaming hash: the fingerprint of traces, configurations and results. One
// hash serves one stream of bytes; the caller owns it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sim/core/error.hpp"

namespace orrery {

class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  // Lower-case hex of everything updated so far; ends the stream (a later update is a programmer error).
  [[nodiscard]] std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;  // EVP_MD_CTX, kept out of the header
};

[[nodiscard]] std::string sha256_hex(std::string_view bytes);
// Of a file's bytes as they are on disk (compressed files are not unpacked).
[[nodiscard]] Expected<std::string> sha256_file(const std::string& path);

}  // namespace orrery
