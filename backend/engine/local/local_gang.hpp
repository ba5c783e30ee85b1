// What LocalEngine keeps of one gang. Part of local_engine.hpp; only its own files include it.
#pragma once

#include <string>
#include <vector>

#include "backend/engine/local/inquest.hpp"
#include "backend/engine/local/local_engine.hpp"

namespace orrery::live {

struct LocalEngine::Gang {
  Gang(GangHandle h, const GangSpec& spec, Duration least, Duration allowance)
      : handle(h),
        name(spec.name),
        start(spec.start),
        watchdog(least, allowance),
        inquest(static_cast<int>(spec.ranks.size())) {}
  GangHandle handle;
  std::string name;
  Start start;
  std::vector<Rank> ranks{};
  std::size_t ended = 0;
  LineBuffer lines{};
  Watchdog watchdog;
  Inquest inquest;
  std::string blamed{};      // why it failed: the first cause
  std::string last_error{};  // what rank 0 said of it
  int blamed_rank = -1;      // whose stderr explains it
  bool killing = false, frozen = false;
  std::int64_t frozen_at = 0;
  std::int64_t renew_at = kNever.ns, kill_at = kNever.ns;
  std::string kill_reason{};
};

}  // namespace orrery::live
