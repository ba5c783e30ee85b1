// See c10d_communicator.hpp.
#include "backend/trainer/c10d_communicator.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace orrery::trainer {
namespace {

class C10dCommunicator final : public Communicator {
 public:
  C10dCommunicator(c10::intrusive_ptr<c10d::Backend> backend, int rank, int world, at::Device device)
      : Communicator(rank, world), backend_(std::move(backend)), device_(device) {}

  Wait all_reduce_sum(at::Tensor t) override { return all_reduce(std::move(t), c10d::ReduceOp::SUM); }
  Wait all_reduce_max(at::Tensor t) override { return all_reduce(std::move(t), c10d::ReduceOp::MAX); }

  at::Tensor all_gather(const at::Tensor& t) override {
    at::Tensor mine = t.detach().contiguous().to(device_);
    std::vector<std::int64_t> shape = mine.sizes().vec();
    shape[0] *= world();
    at::Tensor all = at::empty(shape, mine.options());
    backend_->_allgather_base(all, mine)->wait();
    return all.to(t.device());
  }

  void broadcast(at::Tensor t) override {
    std::vector<at::Tensor> list{t.to(device_)};
    backend_->broadcast(list)->wait();
    if (t.device() != device_) t.copy_(list[0]);
  }

 private:
  Wait all_reduce(at::Tensor t, c10d::ReduceOp::RedOpType how) {
    const bool copied = t.device() != device_;
    std::vector<at::Tensor> list{copied ? t.to(device_) : t};
    c10d::AllreduceOptions options;
    options.reduceOp = how;
    auto work = backend_->allreduce(list, options);
    return [work, list, t, copied]() mutable {
      work->wait();
      if (copied) t.copy_(list[0]);
    };
  }

  c10::intrusive_ptr<c10d::Backend> backend_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<Communicator> make_c10d_communicator(c10::intrusive_ptr<c10d::Backend> backend, int rank, int world,
                                                     at::Device device) {
  return std::make_unique<C10dCommunicator>(std::move(backend), rank, world, device);
}

}  // namespace orrery::trainer
