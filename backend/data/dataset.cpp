#include "backend/data/dataset.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

namespace orrery::data {
namespace fs = std::filesystem;

KeyAndKind split_key(std::string_view entry) {
  const std::size_t slash = entry.rfind('/');
  const std::size_t dot = entry.find('.', slash == std::string_view::npos ? 0 : slash + 1);
  if (dot == std::string_view::npos) return {entry, {}};
  return {entry.substr(0, dot), entry.substr(dot + 1)};
}

Expected<void> decode_file(std::string_view kind, std::string_view bytes, Sample& into, const RawShape& raw) {
  if (kind == "raw") {
    auto image = decode_raw(bytes, raw);
    if (!image) return tl::make_unexpected(image.error());
    into.image = std::move(*image);
  } else if (kind == "ppm" || kind == "pgm" || kind == "jpg" || kind == "jpeg" || kind == "png") {
    auto image = decode_image(bytes);
    if (!image) return tl::make_unexpected(image.error());
    into.image = std::move(*image);
  } else if (kind == "wav") {
    auto wave = decode_wav(bytes);
    if (!wave) return tl::make_unexpected(wave.error());
    into.audio = std::move(*wave);
  } else if (kind == "txt") {
    into.text = std::string(bytes);
    while (!into.text.empty() && (into.text.back() == '\n' || into.text.back() == '\r')) into.text.pop_back();
  } else if (kind == "cls") {
    while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r' || bytes.back() == ' '))
      bytes.remove_suffix(1);
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), into.label);
    if (error != std::errc{} || end != bytes.data() + bytes.size() || into.label < 0)
      return fail("a class that is no number from 0 on");
  }
  return {};
}

Expected<void> Dataset::add_shard(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) {
    const std::string why = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return fail(fmt::format("cannot read the shard `{}`: {}", path, why));
  }
  Shard shard{path, nullptr, static_cast<std::size_t>(info.st_size)};
  if (shard.size > 0) {
    void* mapped = ::mmap(nullptr, shard.size, PROT_READ, MAP_PRIVATE, fd, 0);
    ::close(fd);
    if (mapped == MAP_FAILED) return fail(fmt::format("cannot map the shard `{}`: {}", path, std::strerror(errno)));
    shard.bytes = static_cast<const char*>(mapped);
  } else {
    ::close(fd);
  }
  shards_.push_back(shard);
  const auto index = index_tar(path, {shard.bytes ? shard.bytes : "", shard.size});
  if (!index) return tl::make_unexpected(index.error());
  if (!index->cut_off.empty()) damage_.push_back(fmt::format("{}: {}", path, index->cut_off));
  std::string_view last;
  for (const TarEntry& entry : index->entries) {
    const std::string_view key = split_key(entry.name).key;
    if (samples_.empty() || samples_.back().shard + 1 != shards_.size() || key != last)
      samples_.push_back({static_cast<std::uint32_t>(shards_.size() - 1), {}});
    samples_.back().files.push_back(entry);
    last = key;
  }
  return {};
}

namespace {

// Of a file that need not be there.
std::optional<std::string> text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

Expected<Dataset> Dataset::open(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".tar") paths.push_back(entry.path().string());
  if (error) return fail(fmt::format("cannot open the data set `{}`: {}", folder, error.message()));
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) return fail(fmt::format("the data set `{}` has no shards (*.tar)", folder));
  Dataset set;
  for (const std::string& path : paths)
    if (auto added = set.add_shard(path); !added) return tl::make_unexpected(added.error());
  if (set.samples_.empty()) return fail(fmt::format("the data set `{}` has no samples", folder));
  const std::string vocabulary = (fs::path(folder) / "tokenizer.json").string();
  if (const auto text = text_of(vocabulary)) {
    auto tokenizer = Tokenizer::from_json(vocabulary, *text);
    if (!tokenizer) return tl::make_unexpected(tokenizer.error());
    set.tokenizer_ = std::move(*tokenizer);
  }
  const std::string pixels = (fs::path(folder) / "raw.json").string();
  if (const auto text = text_of(pixels)) {
    const auto shape = raw_shape_from_json(pixels, *text);
    if (!shape) return tl::make_unexpected(shape.error());
    set.raw_ = *shape;
  }
  return set;
}

void Dataset::unmap() {
  for (const Shard& s : shards_)
    if (s.bytes) ::munmap(const_cast<char*>(s.bytes), s.size);
  shards_.clear();
}

Dataset::~Dataset() {
  unmap();
}

Dataset& Dataset::operator=(Dataset&& other) noexcept {
  if (this != &other) {
    unmap();
    shards_ = std::exchange(other.shards_, {});
    samples_ = std::move(other.samples_);
    damage_ = std::move(other.damage_);
    tokenizer_ = std::move(other.tokenizer_);
    raw_ = other.raw_;
  }
  return *this;
}

Expected<Sample> Dataset::read(std::uint64_t index) const {
  const Place& place = samples_.at(index);
  const Shard& shard = shards_[place.shard];
  Sample sample;
  sample.key = std::string(split_key(place.files.front().name).key);
  for (const TarEntry& file : place.files) {
    const std::string_view kind = split_key(file.name).kind;
    if (const auto done = decode_file(kind, {shard.bytes + file.offset, file.size}, sample, raw_); !done)
      return fail(fmt::format("{}: {}: {}", shard.path, file.name, done.error().items.front().message));
  }
  return sample;
}

}  // namespace orrery::data
