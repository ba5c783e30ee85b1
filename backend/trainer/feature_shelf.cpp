#include "backend/trainer/feature_shelf.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "backend/models/multimodal.hpp"
#include "backend/protocol/clock.hpp"
#include "backend/protocol/feature_entry.hpp"
#include "backend/protocol/feature_store.hpp"
#include "backend/protocol/files.hpp"
#include "backend/protocol/sha256.hpp"
#include "sim/core/json.hpp"
#include "sim/models/lifecycle/feature_store.hpp"
#include "sim/models/training/multimodal_config.hpp"

namespace orrery::trainer {
namespace {

namespace fs = std::filesystem;

void add_file(worker::ContentHash& hash, const fs::path& path) {
  const live::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string buffer(std::size_t{1} << 20, '\0');
  while (file) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n == 0) return;
    if (n > 0) hash.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(n)));
    if (n < 0 && errno != EINTR) break;
  }
  throw std::runtime_error(fmt::format("`{}` cannot be read", path.string()));
}

void add_folder(worker::ContentHash& hash, const std::string& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    hash.add(file.filename().string());
    hash.add(fmt::format("{}", fs::file_size(file)));
    add_file(hash, file);
  }
}

void add_tensor(worker::ContentHash& hash, const std::string& name, const at::Tensor& value) {
  const at::Tensor plain = value.detach().to(at::kCPU).contiguous();
  hash.add(fmt::format("{} {}", name, c10::toString(plain.scalar_type())));
  for (const std::int64_t n : plain.sizes()) hash.add(fmt::format("{}", n));
  hash.update({static_cast<const char*>(plain.const_data_ptr()), static_cast<std::size_t>(plain.nbytes())});
}

std::string_view raw_bytes(const at::Tensor& plain) {
  return {static_cast<const char*>(plain.const_data_ptr()), static_cast<std::size_t>(plain.nbytes())};
}

}  // namespace

std::string feature_key(const FeatureSource& of) {
  worker::ContentHash hash;
  hash.add("features of a probe, 1");
  hash.add(TORCH_VERSION);
  hash.add(at::get_cpu_capability());
  hash.add(fmt::format("{} threads", at::get_num_threads()));
  ModelConfig model = of.model;
  if (model.head) model.head->classes = 1;  // the head reads them: what it makes of them does not matter
  hash.add(to_json(model).dump());
  hash.add(model.precision == Precision::bf16 ? "bf16" : "fp32");
  for (const models::Parameter& p : of.parameters.all()) {
    if (models::is_head(p.name)) continue;
    hash.add(p.value.device().str());
    add_tensor(hash, p.name, p.value);
  }
  add_folder(hash, of.data_folder);
  hash.add(of.how);
  return hash.finish();
}

std::shared_ptr<FeatureShelf> FeatureShelf::of(const live::FeatureFolder& folder, const std::string& key,
                                               std::uint64_t samples, at::Device device) {
  static std::map<std::string, std::weak_ptr<FeatureShelf>> all;
  std::erase_if(all, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<FeatureShelf>& known = all[folder.path + "/" + key];
  if (auto shelf = known.lock()) return shelf;
  auto shelf = std::make_shared<FeatureShelf>(samples);
  shelf->folder_ = folder;
  shelf->key_ = key;
  shelf->device_ = device;
  known = shelf;
  return shelf;
}

bool FeatureShelf::read(at::Device device) {
  const std::int64_t began = live::monotonic_ns();
  const worker::FeatureStore::Read found = worker::FeatureStore(folder_.path, folder_.limit_bytes).read(key_);
  if (!found.damage.empty()) fmt::print(stderr, "features: {}; they are computed anew\n", found.damage);
  if (found.bytes.empty()) return false;
  const auto entry = worker::parse_feature_entry(found.bytes);
  if (!entry || entry->samples != static_cast<std::int64_t>(samples_)) return false;
  const at::Tensor features = at::empty({entry->samples, entry->width}, at::kFloat);
  const at::Tensor label = at::empty({entry->samples}, at::kLong);
  std::memcpy(features.mutable_data_ptr(), entry->features.data(), entry->features.size());
  std::memcpy(label.mutable_data_ptr(), entry->label.data(), entry->label.size());
  cache_.put_all(features.to(device), label.to(device));
  corrupt_.insert(entry->corrupt.begin(), entry->corrupt.end());
  compute_ = entry->compute;
  read_ = Duration{live::monotonic_ns() - began};
  return true;
}

live::FeaturesUsed FeatureShelf::look() {
  if (!tried_) found_ = read(device_);
  tried_ = true;
  if (!complete()) return {FeatureUse::miss, {}, key_};
  return {FeatureUse::hit, std::max(compute_ - read_, Duration{}), key_};
}

std::vector<live::FeaturesUsed> FeatureShelf::keep() {
  std::vector<live::FeaturesUsed> said;
  if (!complete() || found_ || folder_.path.empty()) return said;
  if (!written_) {
    written_ = true;
    const at::Tensor features = cache_.features().to(at::kCPU).contiguous();
    const at::Tensor label = cache_.labels().to(at::kCPU, at::kLong).contiguous();
    const worker::FeatureEntry entry{key_,
                                     compute_,
                                     features.size(0),
                                     features.size(1),
                                     raw_bytes(features),
                                     raw_bytes(label),
                                     {corrupt_.begin(), corrupt_.end()}};
    const std::string bytes = worker::feature_entry_text(entry);
    const FeatureStoreModel model{true, folder_.limit_bytes, folder_.bytes_per_s,
                                  static_cast<double>(folder_.readers_per_mille) / 1000};
    if (worth_storing(model, static_cast<std::int64_t>(bytes.size()), compute_)) {
      const auto written = worker::FeatureStore(folder_.path, folder_.limit_bytes).write(key_, bytes);
      if (!written)
        fmt::print(stderr, "features: they are not kept: {}\n", written.error().items.at(0).message);
      else
        for (const std::string& key : written->dropped) said.push_back({FeatureUse::dropped, {}, key});
      kept_ = written && written->kept;
    }
  }
  said.push_back({kept_ ? FeatureUse::stored : FeatureUse::unkept, compute_, key_});
  return said;
}

}  // namespace orrery::trainer
