// See buckets.hpp.
#include "backend/trainer/buckets.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace orrery::trainer {

Buckets::Buckets(FlatParameters& flat, Communicator& comm, std::int64_t bytes)
    : flat_(&flat), comm_(&comm), self_(std::make_shared<Buckets*>(this)) {
  if (comm.world() == 1) return;
  const auto most = bytes / static_cast<std::int64_t>(sizeof(float));
  std::vector<std::size_t> bucket_of;
  for (const FlatParameters::Piece& p : flat.pieces()) {
    if (buckets_.empty() || p.at + p.size - buckets_.back().at > most) buckets_.push_back({.at = p.at});
    buckets_.back().size = p.at + p.size - buckets_.back().at;
    ++buckets_.back().parameters;
    bucket_of.push_back(buckets_.size() - 1);
  }
  for (std::size_t i = 0; i < bucket_of.size(); ++i) {
    const at::Tensor& t = flat.named()[flat.pieces()[i].index].tensor;
    auto accumulator = torch::autograd::impl::grad_accumulator(t);
    accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
        [self = self_, bucket = bucket_of[i]](const torch::autograd::variable_list& outputs,
                                              const torch::autograd::variable_list&) {
          if (*self != nullptr) (*self)->ready(bucket);
          return outputs;
        }));
    accumulators_.push_back(std::move(accumulator));
  }
}

Buckets::~Buckets() {
  *self_ = nullptr;
}

void Buckets::arm() {
  for (Bucket& b : buckets_) b.missing = b.parameters;
  next_ = overlapped_ = 0;
  waits_.clear();
  armed_ = !buckets_.empty();
}

void Buckets::ready(std::size_t bucket) {
  if (!armed_) return;
  --buckets_[bucket].missing;
  while (next_ < buckets_.size() && buckets_[next_].missing <= 0) launch(buckets_[next_++]);
}

void Buckets::launch(Bucket& bucket) {
  waits_.push_back(comm_->all_reduce_sum(flat_->gradients().narrow(0, bucket.at, bucket.size)));
}

void Buckets::finish() {
  if (!armed_) arm();
  if (!armed_) return;
  armed_ = false;
  overlapped_ = next_;
  while (next_ < buckets_.size()) launch(buckets_[next_++]);
  for (const Communicator::Wait& wait : waits_) wait();
  waits_.clear();
}

}  // namespace orrery::trainer
