// The folder of a finished run. Files are written into a folder aside (DIR.tmp-...), and commit() writes the
// manifest last, syncs everything and renames the folder to its name, so a killed run leaves nothing that looks
// finished. An earlier run folder of that name is replaced where that was asked for, anything else is refused. The
// RunFolder owns the folder aside, locks it, and removes it when it is destroyed before commit(); what killed runs
// left aside in the same place goes, too. What varies between equal runs (times, host) is given by the caller and
// sits under `measured` in run.json.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/observe/metrics/metrics.hpp"

namespace orrery {

struct RunVersions {
  std::string version, commit, compiler, build_type;
};

struct RunMeasured {
  std::string host, date;  // date in ISO 8601, UTC
  double wall_s = 0;
  double decision_s = 0;                                 // inside Policy::schedule
  std::optional<double> decision_p50_s, decision_p99_s;  // of one decision; none where there was none
  std::uint64_t events = 0;
  std::int64_t peak_rss_bytes = 0;
};

struct RunManifest {
  std::string command;        // as typed
  std::string config_sha256;  // of the effective scenario
  std::string trace_file, trace_sha256;
  std::uint64_t seed = 0;
  std::string policy, placement;
  std::map<std::string, std::string> policy_options;
  RunVersions versions;
  Summary summary;  // the job counts
  std::string result_digest;
  RunMeasured measured;
};

// sha256 over the lines "<sha256>  <name>\n" of jobs.csv, samples.csv and, unless empty, events.jsonl (the
// uncompressed lines), in this order: the same text that sha256sum prints for these files.
[[nodiscard]] std::string result_digest(std::string_view jobs_sha256, std::string_view samples_sha256,
                                        std::string_view events_sha256);
[[nodiscard]] std::string manifest_json(const RunManifest& m);

// Whether `dir` is a folder that an orrery run wrote.
[[nodiscard]] bool is_run_folder(const std::string& dir);
// That it is one, and stays.
[[nodiscard]] Error run_is_there(const std::string& dir);

class RunFolder {
 public:
  // `replace`: an earlier run of that name goes when this one is committed; else it is an error, then too.
  [[nodiscard]] static Expected<RunFolder> create(const std::string& dir, bool replace = true);
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  // Where a file of the folder lies until commit(), for writers that open their own.
  [[nodiscard]] std::string path(std::string_view file) const;
  // Writes one file piece by piece; returns its sha256.
  [[nodiscard]] Expected<std::string> write(std::string_view file,
                                            const std::function<void(const TextSink&)>& writer);
  [[nodiscard]] Expected<std::string> write(std::string_view file, std::string_view text);
  // The manifest, fsync, rename. The folder has its name afterwards.
  [[nodiscard]] Expected<void> commit(const RunManifest& manifest);

 private:
  RunFolder(std::string dir, std::string aside, int lock, bool replace)
      : dir_(std::move(dir)), aside_(std::move(aside)), lock_(lock), replace_(replace) {}
  std::string dir_;
  std::string aside_;  // empty once committed or moved from
  int lock_ = -1;      // of the folder aside; -1: its file system has none
  bool replace_ = true;
};

}  // namespace orrery
