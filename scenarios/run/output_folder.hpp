// Where verbs may write their folders: what is there is kept. A finished run goes only by --force; a folder of
// `compare` belongs to one experiment; a live run that has not ended is gone on with, not written over. Only the
// folder that `run` chooses by itself is taken again, which is said when what was there was something else.
#pragma once

#include <string>
#include <vector>

#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/simulate.hpp"

namespace orrery::app {

// Of `run` and `live run`, before anything starts: whether `request` may have its folder. `named`: by the user.
// Sets what becomes of an earlier run there.
[[nodiscard]] Expected<void> claim_run_folder(const Prepared& prepared, RunRequest& request, bool named, bool force);

// Of `live resume`: the folder is free, or was to be replaced when the run began, or holds what this run has written
// at its end already. Else something else has come to be there.
[[nodiscard]] Expected<void> claim_resumed_folder(const Prepared& prepared, RunRequest& request,
                                                  const LiveFolder& unfinished);

// Makes the folder of one `compare`, if needed; its experiment's digest and the names of its runs go into
// compare.manifest.json. Fails on a folder that belongs to another experiment, whose files `force` removes, and on
// one that is none of `compare`.
[[nodiscard]] Expected<void> claim_compare_folder(const std::string& dir, const std::string& digest,
                                                  const std::vector<std::string>& runs, bool force);

// What two calls of `compare` must have in common to share a folder: all that their numbers depend on. `prepared` is
// not empty.
[[nodiscard]] std::string compare_digest(const std::vector<PolicyConfig>& policies, std::size_t seeds,
                                         const std::vector<const Prepared*>& prepared, std::uint64_t first_seed = 1);

}  // namespace orrery::app
