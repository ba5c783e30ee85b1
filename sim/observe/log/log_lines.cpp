#include "sim/observe/log/log_lines.hpp"

#include <zstd.h>

#include <string_view>

namespace orrery {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 17;

}  // namespace

class LogLines::Unpacker {
 public:
  // Appends what `packed` holds to `out`; false where it cannot be unpacked.
  bool unpack(std::string_view packed, std::string& out) {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    for (bool full = true; full || in.pos < in.size;) {
      ZSTD_outBuffer to{piece_.data(), piece_.size(), 0};
      if (ZSTD_isError(ZSTD_decompressStream(stream_.get(), &to, &in)) != 0) return false;
      out.append(piece_, 0, to.pos);
      full = to.pos == to.size;
    }
    return true;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* s) const { ZSTD_freeDStream(s); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_{ZSTD_createDStream()};
  std::string piece_ = std::string(kReadBytes, '\0');
};

LogLines::LogLines(const std::string& path)
    : file_(std::fopen(path.c_str(), "rb")),
      unpacker_(path.ends_with(".zst") ? std::make_unique<Unpacker>() : nullptr),
      read_(kReadBytes, '\0') {}

LogLines::~LogLines() {
  if (file_ != nullptr) std::fclose(file_);
}

// More text, if there is any.
bool LogLines::fill() {
  text_.erase(0, at_);
  at_ = 0;
  const std::size_t before = text_.size();
  while (!damaged_ && text_.size() == before) {
    const std::size_t count = std::fread(read_.data(), 1, read_.size(), file_);
    if (count == 0) damaged_ = std::ferror(file_) != 0;
    if (count == 0) return false;
    const std::string_view read(read_.data(), count);
    if (unpacker_ == nullptr)
      text_.append(read);
    else
      damaged_ = !unpacker_->unpack(read, text_);
  }
  return text_.size() > before;
}

bool LogLines::next(std::string& line) {
  std::size_t searched = at_;
  for (;;) {
    const std::size_t end = text_.find('\n', searched);
    if (end != std::string::npos) {
      line.assign(text_, at_, end - at_);
      at_ = end + 1;
      return true;
    }
    searched = text_.size() - at_;  // as it will be after fill()
    if (!fill()) break;
  }
  line.assign(text_, at_);
  text_.clear();
  at_ = 0;
  return !damaged_ && !line.empty();
}

}  // namespace orrery
