// How a step's batch is split; see task.hpp.
#include "backend/trainer/task.hpp"

namespace orrery::trainer {

Share share_of(std::int64_t step, std::int64_t global_batch, std::int64_t micro, std::int64_t micros, int rank,
               int world) {
  const auto cut = [&](std::int64_t i) { return global_batch * i / (micros * world); };
  const std::int64_t piece = micro * world + rank;
  Share s;
  s.step = step;
  s.global_batch = global_batch;
  s.micro = micro;
  s.micros = micros;
  s.first = step * global_batch + cut(piece);
  s.count = cut(piece + 1) - cut(piece);
  return s;
}

}  // namespace orrery::trainer
