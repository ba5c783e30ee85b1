// The store of features on disk, which the probes of a run (and of other runs) share: an entry per key, a file each
// (feature_entry.hpp), which appears under its name with all its bytes or not at all. Any number of processes use one
// folder, and none waits for another: two that compute the same write the same. Bounded: what was read or written
// longest ago goes first, but nothing that somebody is reading. What a killed process leaves is removed by the next
// that writes. A damaged entry is removed when it is read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::worker {

class FeatureStore {
 public:
  // The folder is made when something is written. `limit_bytes`: of all entries together.
  FeatureStore(std::string folder, std::int64_t limit_bytes)
      : folder_(std::move(folder)), limit_bytes_(limit_bytes) {}

  struct Read {
    std::string bytes{};   // of a whole entry with that key; empty: there is none
    std::string damage{};  // one sentence: there was one that cannot be used
  };
  [[nodiscard]] Read read(const std::string& key) const;

  struct Written {
    bool kept = false;                   // false: it is larger than what may be kept beside entries that are in use
    std::vector<std::string> dropped{};  // keys of those that had to go
  };
  // Called between every two system calls that change the disk, for tests that crash.
  using Hook = std::function<void(std::string_view next)>;
  // `bytes`: an entry of that key. Fails when a system call does; the store is then as it was, but for what was
  // dropped.
  [[nodiscard]] Expected<Written> write(const std::string& key, std::string_view bytes, const Hook& hook = {}) const;

  [[nodiscard]] std::string path_of(const std::string& key) const;

 private:
  struct Entry {
    std::string key;
    std::int64_t bytes = 0, used_ns = 0;
  };
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] bool make_room(std::int64_t bytes, const std::string& except,
                               std::vector<std::string>& dropped) const;
  void sweep() const;

  std::string folder_;
  std::int64_t limit_bytes_;
};

}  // namespace orrery::worker
