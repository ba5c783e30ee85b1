#include "sim/observe/log/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

EVP_MD_CTX* evp(void* p) {
  return static_cast<EVP_MD_CTX*>(p);
}

}  // namespace

void Sha256::Free::operator()(void* context) const {
  EVP_MD_CTX_free(evp(context));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  ORRERY_ASSERT(context_ != nullptr && EVP_DigestInit_ex(evp(context_.get()), EVP_sha256(), nullptr) == 1,
                "OpenSSL offers no SHA-256");
}

void Sha256::update(std::string_view bytes) {
  ORRERY_ASSERT(context_ != nullptr, "update after finish");
  const int ok = EVP_DigestUpdate(evp(context_.get()), bytes.data(), bytes.size());
  ORRERY_ASSERT(ok == 1, "SHA-256 update failed");
}

std::string Sha256::finish() {
  ORRERY_ASSERT(context_ != nullptr, "finish called twice");
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const int ok = EVP_DigestFinal_ex(evp(context_.get()), digest.data(), &size);
  ORRERY_ASSERT(ok == 1, "SHA-256 failed");
  context_.reset();
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text.push_back(kHex[digest[i] >> 4]);
    text.push_back(kHex[digest[i] & 15]);
  }
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Expected<std::string> sha256_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return fail(fmt::format("cannot read `{}`: {}", path, std::strerror(errno)));
  Sha256 hash;
  std::string block(std::size_t{1} << 16, '\0');
  std::size_t n = 0;
  while ((n = std::fread(block.data(), 1, block.size(), file)) > 0) hash.update({block.data(), n});
  const bool bad = std::ferror(file) != 0;
  std::fclose(file);
  if (bad) return fail(fmt::format("cannot read `{}`", path));
  return hash.finish();
}

}  // namespace orrery
