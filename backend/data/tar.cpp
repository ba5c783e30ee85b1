#include "backend/data/tar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace orrery::data {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kChecksumAt = 148, kChecksumSize = 8;
constexpr std::size_t kMaxName = 4096;

std::string_view text_field(std::string_view block, std::size_t at, std::size_t size) {
  const std::string_view field = block.substr(at, size);
  return field.substr(0, field.find('\0'));
}

// Octal, possibly padded by spaces; GNU's base-256 for what does not fit.
std::optional<std::uint64_t> number_field(std::string_view block, std::size_t at, std::size_t size) {
  std::string_view field = block.substr(at, size);
  if (static_cast<unsigned char>(field[0]) & 0x80U) {
    std::uint64_t value = static_cast<unsigned char>(field[0]) & 0x7fU;
    for (const char c : field.substr(1)) {
      if (value >> 55U) return {};
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return value;
  }
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value, 8);
  if (error == std::errc::result_out_of_range) return {};
  const std::string_view rest = field.substr(static_cast<std::size_t>(end - field.data()));
  if (rest.find_first_not_of(std::string_view(" \0", 2)) != std::string_view::npos) return {};
  return value;
}

bool checksum_holds(std::string_view block) {
  const auto said = number_field(block, kChecksumAt, kChecksumSize);
  std::uint64_t sum = kChecksumSize * ' ';
  for (std::size_t i = 0; i < kBlock; ++i)
    if (i < kChecksumAt || i >= kChecksumAt + kChecksumSize) sum += static_cast<unsigned char>(block[i]);
  return said && *said == sum;
}

// What pax headers say of the next entry.
struct Extended {
  std::optional<std::string> path;
  std::optional<std::uint64_t> size;
};

// Records "LENGTH KEY=VALUE\n", LENGTH counting the whole record.
bool read_pax(std::string_view bytes, Extended& out) {
  while (!bytes.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), length);
    const auto digits = static_cast<std::size_t>(end - bytes.data());
    if (error != std::errc{} || length > bytes.size() || digits + 3 > length || bytes[digits] != ' ' ||
        bytes[length - 1] != '\n')
      return false;
    const std::string_view record = bytes.substr(digits + 1, length - digits - 2);
    bytes.remove_prefix(length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") {
      if (value.size() > kMaxName) return false;
      out.path = std::string(value);
    } else if (key == "size") {
      std::uint64_t size = 0;
      const auto [stop, bad] = std::from_chars(value.data(), value.data() + value.size(), size);
      if (bad != std::errc{} || stop != value.data() + value.size()) return false;
      out.size = size;
    }
  }
  return true;
}

std::string entry_name(std::string_view block) {
  const std::string_view name = text_field(block, 0, 100);
  const bool ustar = block.substr(257, 5) == "ustar";
  const std::string_view prefix = ustar && block[262] == '\0' ? text_field(block, 345, 155) : std::string_view{};
  return prefix.empty() ? std::string(name) : fmt::format("{}/{}", prefix, name);
}

bool empty_block(std::string_view block) {
  return block.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

Expected<TarIndex> index_tar(std::string_view file, std::string_view bytes) {
  const auto not_a_tar = [file](std::string_view why) {
    Diagnostic d{fmt::format("`{}` is not a tar archive: {}", file, why)};
    d.where.file = std::string(file);
    d.notes = {"shards are tar files of key.ppm (or jpg, png), key.txt, key.wav, key.cls"};
    return fail(std::move(d));
  };
  if (bytes.size() < kBlock) return not_a_tar(fmt::format("it has {} bytes, a tar has at least 512", bytes.size()));
  if (!empty_block(bytes.substr(0, kBlock)) && !checksum_holds(bytes.substr(0, kBlock)))
    return not_a_tar("the checksum of its first header is wrong");

  TarIndex index;
  Extended next;
  std::size_t at = 0;
  const auto stop = [&](std::string_view why) {
    index.cut_off = fmt::format("at byte {}: {}", at, why);
    return index;
  };
  while (true) {
    if (bytes.size() - at < kBlock) return stop("the archive ends without its two empty blocks");
    const std::string_view block = bytes.substr(at, kBlock);
    if (empty_block(block)) return index;
    if (!checksum_holds(block)) return stop("the checksum of a header is wrong");
    const auto said = number_field(block, 124, 12);
    if (!said) return stop("a size is no number");
    const char kind = block[156];
    const std::uint64_t size = kind == 'x' || kind == 'g' ? *said : next.size.value_or(*said);
    const std::size_t data = at + kBlock;
    if (size > bytes.size() - data) return stop("a file is longer than the archive");
    const std::string_view content = bytes.substr(data, size);
    if (kind == 'x') {
      if (!read_pax(content, next)) return stop("a pax header cannot be read");
    } else if (kind == 'L') {
      if (size > kMaxName) return stop("a name is too long");
      next.path = std::string(content.substr(0, content.find('\0')));
    } else if (kind != 'g') {
      if (kind == '0' || kind == '\0')
        index.entries.push_back({next.path ? *next.path : entry_name(block), data, size});
      next = {};
    }
    const std::size_t padded = (size + kBlock - 1) / kBlock * kBlock;
    if (padded > bytes.size() - data) return stop("the archive ends within a file's padding");
    at = data + padded;
  }
}

void TarWriter::header(std::string_view name, std::uint64_t size, char kind) {
  std::string block(kBlock, '\0');
  const auto put = [&block](std::size_t at, std::string_view text) {
    std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", size));
  put(136, "00000000000");
  put(kChecksumAt, "        ");
  block[156] = kind;
  put(257, std::string_view("ustar\00000", 8));
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(kChecksumAt, fmt::format("{:06o}", sum));
  block[kChecksumAt + 6] = '\0';
  bytes_ += block;
}

void TarWriter::padded(std::string_view bytes) {
  bytes_ += bytes;
  bytes_.append((kBlock - bytes.size() % kBlock) % kBlock, '\0');
}

void TarWriter::add(std::string_view name, std::string_view bytes) {
  constexpr std::uint64_t kMaxOctal = 077777777777;
  std::string pax;
  const auto record = [&pax](std::string_view key, std::string_view value) {
    std::size_t length = key.size() + value.size() + 3;  // blank, `=`, newline
    std::size_t total = length + fmt::format("{}", length).size();
    total = length + fmt::format("{}", total).size();
    pax += fmt::format("{} {}={}\n", total, key, value);
  };
  if (name.size() > 100) record("path", name);
  if (bytes.size() > kMaxOctal) record("size", fmt::format("{}", bytes.size()));
  if (!pax.empty()) {
    header("pax", pax.size(), 'x');
    padded(pax);
  }
  header(name, std::min<std::uint64_t>(bytes.size(), kMaxOctal), '0');
  padded(bytes);
}

std::string TarWriter::finish() {
  bytes_.append(2 * kBlock, '\0');
  return std::move(bytes_);
}

}  // namespace orrery::data
