// Collectives between the ranks of a gang, as training needs them: a thin layer over c10d::Backend (Gloo between
// CPUs, NCCL between GPUs), so that nobody else sees c10d. All ranks call the same functions in the same order on one
// communicator. A peer that dies or hangs is an exception (std::runtime_error) that ends the process.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace orrery::trainer {

class Communicator {
 public:
  virtual ~Communicator() = default;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int world() const { return world_; }

  // Begins to replace `t` (contiguous) by its sum (maximum) over all ranks; the returned function waits for it and
  // must be called before `t` is used again.
  using Wait = std::function<void()>;
  [[nodiscard]] virtual Wait all_reduce_sum(at::Tensor t) = 0;
  [[nodiscard]] virtual Wait all_reduce_max(at::Tensor t) = 0;
  // [n, ...] of every rank, of equal shapes, one below the other in order of rank: [world * n, ...].
  [[nodiscard]] virtual at::Tensor all_gather(const at::Tensor& t) = 0;
  // Replaces `t` by rank 0's.
  virtual void broadcast(at::Tensor t) = 0;

  // The largest word of all ranks.
  [[nodiscard]] std::int64_t max(std::int64_t word);
  // Whether all ranks offer the same word.
  [[nodiscard]] bool same(std::int64_t word);

 protected:
  Communicator(int rank, int world) : rank_(rank), world_(world) {}

 private:
  int rank_, world_;
};

// One rank alone.
[[nodiscard]] std::unique_ptr<Communicator> make_lonely_communicator();

// The rows of all ranks, in order of rank: [sum of counts, ...], where rank r has counts[r] rows (share_of() tells).
// Differentiable: the gradient of a row comes back to its owner, summed over all ranks that used it.
[[nodiscard]] at::Tensor gather_rows(Communicator& comm, const at::Tensor& mine,
                                     const std::vector<std::int64_t>& counts);

}  // namespace orrery::trainer
