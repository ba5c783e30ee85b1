// CRC32C (Castagnoli polynomial, reflected; iSCSI, RFC 3720): the checksum of checkpoint files. Table-driven, one
// byte at a time: the checkpoints of paced workers are a few hundred bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace orrery::live {

// The checksum of `bytes`; crc32c("123456789") is 0xE3069283. `before` continues an earlier one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace orrery::live
