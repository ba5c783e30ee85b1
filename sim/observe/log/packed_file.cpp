#include "sim/observe/log/packed_file.hpp"

#include <zstd.h>

#include <cerrno>

namespace orrery {
namespace {

ZSTD_CCtx* context_of(void* p) {
  return static_cast<ZSTD_CCtx*>(p);
}

}  // namespace

void PackedFile::Free::operator()(void* context) const {
  ZSTD_freeCCtx(context_of(context));
}

// Lines repeat what stands a few lines before them: a window and a table of matches that stay in the nearest caches
// pack them better, and in less time, than those of the level.
PackedFile::PackedFile(const std::string& path, int level)
    : file_(std::fopen(path.c_str(), "wb")), pack_(ZSTD_createCCtx()) {
  if (file_ == nullptr) error_ = errno;
  if (pack_ == nullptr && error_ == 0) error_ = ENOMEM;
  if (error_ != 0) return;
  ZSTD_CCtx* const c = context_of(pack_.get());
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 17);
  ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, 11);
  ZSTD_CCtx_setParameter(c, ZSTD_c_minMatch, 7);
  packed_.resize(ZSTD_CStreamOutSize());
}

PackedFile::~PackedFile() {
  close();
}

void PackedFile::write(std::string_view text) {
  pack(text, false);
}

int PackedFile::close() {
  if (file_ == nullptr) return error_;
  pack({}, true);
  if (std::fclose(file_) != 0 && error_ == 0) error_ = errno;
  file_ = nullptr;
  return error_;
}

void PackedFile::pack(std::string_view text, bool last) {
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  for (bool done = false; !done && error_ == 0;) {
    ZSTD_outBuffer out{packed_.data(), packed_.size(), 0};
    const std::size_t left =
        ZSTD_compressStream2(context_of(pack_.get()), &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left) != 0) {
      error_ = EIO;
      return;
    }
    errno = 0;
    if (std::fwrite(packed_.data(), 1, out.pos, file_) != out.pos) error_ = errno != 0 ? errno : EIO;
    done = last ? left == 0 : in.pos == in.size;
  }
}

}  // namespace orrery
