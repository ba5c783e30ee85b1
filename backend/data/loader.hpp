// Samples by their position in the job's endless stream, prepared ahead by one thread. Position p is sample
// shuffled(p, size, seed) of the data set; one that cannot be read is counted, reported once and replaced by the next
// readable one, so a batch always has its size and any rank sees the same. The cursor is the position alone. Counted
// is what was taken, not what was prepared ahead: the count is a function of the positions taken.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "backend/data/dataset.hpp"
#include "backend/data/preprocess.hpp"

namespace orrery::data {

struct Range {
  std::uint64_t first = 0, count = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

struct LoaderStatus {
  std::uint64_t prepared = 0;  // samples
  std::uint64_t corrupt = 0;   // different samples that could not be read, of the positions taken
  std::int64_t cpu_ns = 0;     // CPU time of one core for all of them: reading, decoding, preprocessing
};

class Loader {
 public:
  // `report` gets one sentence per corrupt sample, from the thread that met it. `shuffle` false: position p is sample
  // p modulo size. Data set and preprocessor are shared with nobody else.
  Loader(Dataset dataset, Preprocessor preprocess, std::uint64_t seed, bool shuffle,
         std::function<void(const std::string&)> report);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Hint: take(range) will come.
  void prefetch(Range range);
  // The samples of the range, in order. Fails when no sample of the data set can be read.
  [[nodiscard]] Expected<std::vector<Prepared>> take(Range range);
  [[nodiscard]] LoaderStatus status() const;
  // Which samples of the data set could not be read, of the positions taken; ascending.
  [[nodiscard]] std::vector<std::uint64_t> corrupt() const;
  [[nodiscard]] std::uint64_t size() const { return dataset_.size(); }

 private:
  struct Batch {
    Expected<std::vector<Prepared>> samples;
    std::set<std::uint64_t> corrupt{};  // met on the way
  };
  struct Slot {
    Range range;
    bool done = false;
    Batch batch{};
  };
  [[nodiscard]] Batch prepare(Range range);
  [[nodiscard]] Expected<Prepared> prepare_one(std::uint64_t position, std::set<std::uint64_t>& corrupt);
  [[nodiscard]] Expected<std::vector<Prepared>> hand_out(Batch batch);
  void work();

  Dataset dataset_;
  Preprocessor preprocess_;
  std::uint64_t seed_;
  bool shuffle_;
  std::function<void(const std::string&)> report_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Slot>> queue_;
  std::set<std::uint64_t> corrupt_;   // taken
  std::set<std::uint64_t> reported_;  // taken or prepared ahead
  std::uint64_t prepared_ = 0;
  std::int64_t cpu_ns_ = 0;
  bool stop_ = false;
  std::mutex preparing_;  // one at a time: the preprocessor keeps state
  std::thread thread_;
};

}  // namespace orrery::data
