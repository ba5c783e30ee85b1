#include "backend/engine/local/inquest.hpp"

namespace orrery::live {

void Inquest::ended(int rank, bool well, int signal, std::int64_t now_ns) {
  --left_;
  if (well || by_signal_) return;
  if (!suspect_) deadline_ = now_ns + kMoment.ns;
  if (suspect_ && signal == 0) return;  // the first one stands
  suspect_ = rank;
  by_signal_ = signal != 0;
}

std::optional<int> Inquest::culprit(std::int64_t now_ns) const {
  const bool known = by_signal_ || left_ == 0 || now_ns >= deadline_;
  return known ? suspect_ : std::nullopt;
}

}  // namespace orrery::live
