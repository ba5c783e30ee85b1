#include "traces/format/text_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace orrery {
namespace {

constexpr std::size_t kMaxUnpacked = std::size_t{16} << 30;
constexpr std::size_t kPiece = std::size_t{1} << 20;

tl::unexpected<Error> cannot(const std::string& path, const std::string& why) {
  return fail(Diagnostic{fmt::format("cannot read `{}`: {}", path, why)});
}

Expected<std::string> read_bytes(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return cannot(path, std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return cannot(path, "it is a directory");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cannot(path, std::strerror(errno));
  std::string bytes;
  if (S_ISREG(info.st_mode)) bytes.reserve(static_cast<std::size_t>(info.st_size));
  std::string piece(kPiece, '\0');
  ssize_t got = 0;
  while ((got = ::read(fd, piece.data(), piece.size())) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || bytes.size() + static_cast<std::size_t>(got) > kMaxUnpacked) break;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) return cannot(path, std::strerror(error));
  if (got > 0) return cannot(path, "it is larger than 16 GiB");
  return bytes;
}

// What a gzip file says at its end of the size of its last member: a good guess, unless it is not to be believed.
std::size_t claimed_size(const std::string& packed) {
  constexpr std::size_t kTrailer = 4, kMostPacked = 64;
  if (packed.size() < kTrailer) return 0;
  std::size_t size = 0;
  for (std::size_t i = 1; i <= kTrailer; ++i)
    size = size << 8 | static_cast<unsigned char>(packed[packed.size() - i]);
  return size / kMostPacked <= packed.size() ? size : 0;
}

Expected<std::string> gunzip(const std::string& path, const std::string& packed) {
  z_stream z{};
  if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return cannot(path, "zlib cannot be initialised");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&z, inflateEnd);
  std::string out;
  out.reserve(claimed_size(packed));
  std::string piece(kPiece, '\0');
  std::size_t fed = 0;
  int status = Z_OK;
  for (;;) {
    if (z.avail_in == 0 && fed < packed.size()) {
      const std::size_t n = std::min(packed.size() - fed, std::size_t{1} << 30);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + fed));
      z.avail_in = static_cast<uInt>(n);
      fed += n;
    }
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    status = inflate(&z, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - z.avail_out);
    if (out.size() > kMaxUnpacked) return cannot(path, "it unpacks to more than 16 GiB");
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0 && fed == packed.size()) return out;
      if (inflateReset(&z) != Z_OK) return cannot(path, "its gzip data are damaged");  // a further member follows
      continue;
    }
    if (status == Z_BUF_ERROR || (status == Z_OK && z.avail_in == 0 && fed == packed.size() && z.avail_out != 0))
      return cannot(path, fmt::format("its gzip data end too early, after {} unpacked bytes", out.size()));
    if (status != Z_OK)
      return cannot(path, fmt::format("its gzip data are damaged ({})", z.msg != nullptr ? z.msg : "bad stream"));
  }
}

Expected<std::string> unzstd(const std::string& path, const std::string& packed) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  std::string out;
  std::string piece(kPiece, '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::size_t left = 1;  // 0 = at the end of a frame
  for (;;) {
    ZSTD_outBuffer to{piece.data(), piece.size(), 0};
    left = ZSTD_decompressStream(stream.get(), &to, &in);
    if (ZSTD_isError(left) != 0)
      return cannot(path, fmt::format("its zstd data are damaged ({})", ZSTD_getErrorName(left)));
    out.append(piece.data(), to.pos);
    if (out.size() > kMaxUnpacked) return cannot(path, "it unpacks to more than 16 GiB");
    if (in.pos == in.size && to.pos < to.size) break;
  }
  if (left != 0) return cannot(path, fmt::format("its zstd data end too early, after {} unpacked bytes", out.size()));
  return out;
}

// Position of the first byte that does not belong to valid UTF-8 text (NUL does not), or npos.
std::size_t first_bad_byte(const std::string& text) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t n = text.size();
  const auto tail = [&](std::size_t i, std::size_t count) {
    if (i + count >= n) return false;
    for (std::size_t k = 1; k <= count; ++k)
      if ((s[i + k] & 0xc0) != 0x80) return false;
    return true;
  };
  for (std::size_t i = 0; i < n;) {
    const unsigned char c = s[i];
    if (c == 0) return i;
    if (c < 0x80) {
      ++i;
    } else if (c >= 0xc2 && c < 0xe0 && tail(i, 1)) {
      i += 2;
    } else if ((c & 0xf0) == 0xe0 && tail(i, 2) && !(c == 0xe0 && s[i + 1] < 0xa0) &&
               !(c == 0xed && s[i + 1] > 0x9f)) {
      i += 3;
    } else if (c >= 0xf0 && c < 0xf5 && tail(i, 3) && !(c == 0xf0 && s[i + 1] < 0x90) &&
               !(c == 0xf4 && s[i + 1] > 0x8f)) {
      i += 4;
    } else {
      return i;
    }
  }
  return std::string::npos;
}

Expected<std::string> pack_gzip(const std::string& path, const std::string& text) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return cannot(path, "zlib cannot be initialised");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&z, deflateEnd);
  std::string out;
  std::string piece(kPiece, '\0');
  std::size_t fed = 0;
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    if (z.avail_in == 0 && fed < text.size()) {
      const std::size_t n = std::min(text.size() - fed, std::size_t{1} << 30);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data() + fed));
      z.avail_in = static_cast<uInt>(n);
      fed += n;
    }
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    status = deflate(&z, fed == text.size() ? Z_FINISH : Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - z.avail_out);
  }
  return out;
}

std::string pack_zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 9));
  return out;
}

bool ends_with(const std::string& name, std::string_view ending) {
  return name.size() >= ending.size() && std::string_view(name).substr(name.size() - ending.size()) == ending;
}

bool starts_with(const std::string& bytes, std::initializer_list<unsigned char> magic) {
  std::size_t i = 0;
  for (const unsigned char c : magic)
    if (i >= bytes.size() || static_cast<unsigned char>(bytes[i++]) != c) return false;
  return true;
}

}  // namespace

Expected<std::string> read_text_file(const std::string& path) {
  auto bytes = read_bytes(path);
  if (!bytes) return bytes;
  return decode_text(path, std::move(*bytes));
}

Expected<std::string> decode_text(const std::string& path, std::string raw) {
  Expected<std::string> bytes = std::move(raw);
  if (bytes->empty()) return cannot(path, "it is empty");
  if (starts_with(*bytes, {0x1f, 0x8b})) {
    bytes = gunzip(path, *bytes);
  } else if (starts_with(*bytes, {0x28, 0xb5, 0x2f, 0xfd})) {
    bytes = unzstd(path, *bytes);
  }
  if (!bytes) return bytes;
  if (starts_with(*bytes, {0xff, 0xfe}) || starts_with(*bytes, {0xfe, 0xff}))
    return cannot(path, "it is UTF-16; save it as UTF-8");
  if (const std::size_t bad = first_bad_byte(*bytes); bad != std::string::npos) {
    const std::size_t start = bytes->rfind('\n', bad);
    Diagnostic d{fmt::format("byte 0x{:02x} is not UTF-8 text", static_cast<unsigned char>((*bytes)[bad]))};
    d.where.file = path;
    d.where.line =
        1 + static_cast<int>(std::count(bytes->begin(), bytes->begin() + static_cast<std::ptrdiff_t>(bad), '\n'));
    d.where.column = static_cast<int>(start == std::string::npos ? bad + 1 : bad - start);
    d.notes.push_back("traces are text: plain, gzip or zstd, in UTF-8");
    return fail(std::move(d));
  }
  if (starts_with(*bytes, {0xef, 0xbb, 0xbf})) bytes->erase(0, 3);
  return bytes;
}

Expected<void> write_text_file(const std::string& path, const std::string& text) {
  const auto cannot_write = [&path](const std::string& why) {
    return fail(Diagnostic{fmt::format("cannot write `{}`: {}", path, why)});
  };
  std::string packed;
  const std::string* bytes = &text;
  if (ends_with(path, ".gz")) {
    auto made = pack_gzip(path, text);
    if (!made) return tl::make_unexpected(std::move(made.error()));
    packed = std::move(*made);
    bytes = &packed;
  } else if (ends_with(path, ".zst")) {
    packed = pack_zstd(text);
    bytes = &packed;
  }
  const std::string aside = fmt::format("{}.{}.part", path, ::getpid());
  const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return cannot_write(std::strerror(errno));
  std::size_t done = 0;
  bool ok = true;
  while (ok && done < bytes->size()) {
    const ssize_t n = ::write(fd, bytes->data() + done, bytes->size() - done);
    if (n < 0 && errno == EINTR) continue;
    ok = n > 0;
    if (ok) done += static_cast<std::size_t>(n);
  }
  ok = ok && ::fsync(fd) == 0;
  int error = errno;
  if (::close(fd) != 0 && ok) {
    ok = false;
    error = errno;
  }
  if (ok && std::rename(aside.c_str(), path.c_str()) != 0) {
    ok = false;
    error = errno;
  }
  if (ok) return {};
  ::unlink(aside.c_str());
  return cannot_write(std::strerror(error));
}

}  // namespace orrery
