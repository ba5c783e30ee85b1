// SHA-256 (FIPS 180-4), as a stream: names of what is kept by its content. Ours, because a worker links no library of
// hashes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace orrery::worker {

class ContentHash {
 public:
  void update(std::string_view bytes);
  // A text with its length before it, so that two texts one after the other are not two others.
  void add(std::string_view text);
  // Of all that was updated, 64 digits of lower-case hexadecimal. The stream ends with it.
  [[nodiscard]] std::string finish();

 private:
  void block(const unsigned char* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> rest_{};
  std::size_t held_ = 0;  // in rest_
  std::uint64_t bytes_ = 0;
};

}  // namespace orrery::worker
