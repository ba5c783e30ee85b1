// The features of one data set by one frozen model, as a probe's task has them: those that it has computed, or all of
// them from the store that probes share (backend/protocol/feature_store.hpp). Tasks of one process that need the same
// have one shelf, so that members of a merged gang compute each sample once. Features are computed sample by sample
// and kept in the bits in which they were computed: whoever reads them trains on the numbers that it would compute.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/models/parameters.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/trainer/feature_cache.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery::trainer {

// What features depend on, besides the library's version, the processor's instructions and the number of threads.
struct FeatureSource {
  const ModelConfig& model;                // its towers, its precision, and what its head reads
  const models::ParameterSet& parameters;  // the values of all but the head
  std::string data_folder;                 // the bytes of its files
  std::string how;                         // whatever else is done otherwise: "evaluate 500"
};
// The name of the features in the store, 64 digits: SHA-256 of all that they depend on.
[[nodiscard]] std::string feature_key(const FeatureSource& of);

class FeatureShelf {
 public:
  // Without a store.
  explicit FeatureShelf(std::uint64_t samples) : cache_(samples), samples_(samples) {}
  // That of this process with that key, or a new one. `folder.path` is not empty.
  [[nodiscard]] static std::shared_ptr<FeatureShelf> of(const live::FeatureFolder& folder, const std::string& key,
                                                        std::uint64_t samples, at::Device device);

  [[nodiscard]] FeatureCache& cache() { return cache_; }
  // Looks into the store, unless it has all features: what one more task that needs them is to say, once.
  [[nodiscard]] live::FeaturesUsed look();
  // So much time has been spent on computing some.
  void spent(Duration time) { compute_ = compute_ + time; }
  // Of all tasks, known from their loaders or from the store: samples that cannot be read.
  [[nodiscard]] std::set<std::int64_t>& corrupt() { return corrupt_; }
  [[nodiscard]] bool complete() const { return cache_.size() == samples_; }
  // When it is complete: the features go into the store where they are worth it. What a task that has computed them
  // is to say, once, and which others had to go.
  [[nodiscard]] std::vector<live::FeaturesUsed> keep();

 private:
  [[nodiscard]] bool read(at::Device device);

  FeatureCache cache_;
  std::uint64_t samples_;
  live::FeatureFolder folder_{};
  std::string key_{};
  at::Device device_ = at::kCPU;
  std::set<std::int64_t> corrupt_{};
  Duration compute_{}, read_{};
  bool tried_ = false, found_ = false, written_ = false, kept_ = false;
};

}  // namespace orrery::trainer
