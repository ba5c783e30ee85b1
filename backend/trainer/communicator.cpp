// See communicator.hpp.
#include "backend/trainer/communicator.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace orrery::trainer {
namespace {

class Lonely final : public Communicator {
 public:
  Lonely() : Communicator(0, 1) {}
  Wait all_reduce_sum(at::Tensor) override {
    return [] {};
  }
  Wait all_reduce_max(at::Tensor) override {
    return [] {};
  }
  at::Tensor all_gather(const at::Tensor& t) override { return t.clone(); }
  void broadcast(at::Tensor) override {}
};

// The rows of everybody. Backward: the gradient of all rows is summed over the ranks, each takes its own.
struct GatherRows : torch::autograd::Function<GatherRows> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& mine, Communicator* comm,
                            const std::vector<std::int64_t>& counts) {
    const std::int64_t most = *std::max_element(counts.begin(), counts.end());
    const std::int64_t own = mine.size(0);
    context->saved_data["comm"] = reinterpret_cast<std::int64_t>(comm);
    context->saved_data["before"] = std::accumulate(counts.begin(), counts.begin() + comm->rank(), std::int64_t{0});
    context->saved_data["own"] = own;
    at::Tensor padded = mine.contiguous();
    if (own < most) {
      std::vector<std::int64_t> shape = mine.sizes().vec();
      shape[0] = most - own;
      padded = at::cat({padded, at::zeros(shape, mine.options())});
    }
    const at::Tensor all = comm->all_gather(padded);
    if (std::all_of(counts.begin(), counts.end(), [most](std::int64_t n) { return n == most; })) return all;
    std::vector<at::Tensor> parts;
    for (std::size_t r = 0; r < counts.size(); ++r)
      parts.push_back(all.narrow(0, static_cast<std::int64_t>(r) * most, counts[r]));
    return at::cat(parts);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto* const comm = reinterpret_cast<Communicator*>(context->saved_data["comm"].toInt());
    const at::Tensor all = gradients[0].contiguous().clone();
    comm->all_reduce_sum(all)();
    const at::Tensor own = all.narrow(0, context->saved_data["before"].toInt(), context->saved_data["own"].toInt());
    return {own, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

std::int64_t Communicator::max(std::int64_t word) {
  const at::Tensor t = at::full({1}, word, at::kLong);
  all_reduce_max(t)();
  return t.item<std::int64_t>();
}

bool Communicator::same(std::int64_t word) {
  const std::int64_t low = word & 0xffffffff, high = (word >> 32) & 0xffffffff;
  const at::Tensor t = at::empty({4}, at::kLong);
  std::int64_t* const x = t.mutable_data_ptr<std::int64_t>();
  x[0] = low, x[1] = -low, x[2] = high, x[3] = -high;
  all_reduce_max(t)();
  return x[0] == -x[1] && x[2] == -x[3];
}

std::unique_ptr<Communicator> make_lonely_communicator() {
  return std::make_unique<Lonely>();
}

at::Tensor gather_rows(Communicator& comm, const at::Tensor& mine, const std::vector<std::int64_t>& counts) {
  if (comm.world() == 1) return mine;
  return GatherRows::apply(mine, &comm, counts);
}

}  // namespace orrery::trainer
