// See merged_gang.hpp.
#include "backend/trainer/merged_gang.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "backend/models/autocast.hpp"
#include "backend/trainer/shared_forward.hpp"

namespace orrery::trainer {
namespace {

constexpr const char* kElsewhere = "it failed on another rank";

std::string short_reason(const std::exception& e) {
  const std::string text = e.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

Expected<live::Ok> MergedGang::add(Session& session) {
  SharedForward* const task = session.task().shared();
  std::string why = task == nullptr ? "its task has no frozen part that others could share" : "";
  if (task != nullptr) why = trunk_.add(task->model());
  if (words_->max(why.empty() ? 0 : 1) != 0) {
    if (why.empty()) trunk_.remove(task->model());
    return fail(why.empty() ? std::string(kElsewhere) : why);
  }
  session.keep_own_random();
  sessions_.push_back(&session);
  return live::Ok{};
}

void MergedGang::remove(Session& session) {
  if (!has(session)) return;
  trunk_.remove(session.task().shared()->model());
  std::erase(sessions_, &session);
}

bool MergedGang::has(const Session& session) const {
  return std::find(sessions_.begin(), sessions_.end(), &session) != sessions_.end();
}

// Who has failed on one rank has failed on all.
void MergedGang::agree(std::vector<Outcome>& out) {
  if (words_->world() == 1) return;
  const at::Tensor failed = at::zeros({static_cast<std::int64_t>(out.size())}, at::kLong);
  std::int64_t* const word = failed.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < out.size(); ++i) word[i] = out[i].failure.empty() ? 0 : 1;
  words_->all_reduce_max(failed)();
  for (std::size_t i = 0; i < out.size(); ++i)
    if (word[i] != 0 && out[i].failure.empty()) out[i].failure = kElsewhere;
}

// The next micro batch of all that have one.
void MergedGang::micro_step(std::int64_t micro, std::vector<Outcome>& out) {
  struct Turn {
    bool there = false;
    Share share{};
    std::optional<models::Batch> batch{};
    models::CleanPass pass{};
    StepLoss part{};
  };
  std::vector<Turn> turns(out.size());
  const auto each = [&](const auto& act) {
    for (std::size_t i = 0; i < turns.size(); ++i) {
      Turn& t = turns[i];
      if (!t.there || !out[i].failure.empty()) continue;
      try {
        act(t, *sessions_[i]);
      } catch (const std::exception& e) {
        out[i].failure = short_reason(e);
      }
    }
    agree(out);
  };
  for (std::size_t i = 0; i < turns.size(); ++i)
    turns[i] = {.there = micro < sessions_[i]->micros(), .share = sessions_[i]->share(micro)};
  each([](Turn& t, Session& s) { t.batch = s.task().shared()->inputs(t.share); });

  std::vector<models::MergedTrunk::Asked> asked;
  std::vector<Turn*> askers;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (!turns[i].batch || !out[i].failure.empty()) continue;
    asked.push_back({&sessions_[i]->task().shared()->model(), &*turns[i].batch});
    askers.push_back(&turns[i]);
  }
  std::vector<models::CleanPass> passes = trunk_.forward(asked);
  for (std::size_t i = 0; i < askers.size(); ++i) askers[i]->pass = std::move(passes[i]);

  each([](Turn& t, Session& s) {
    SharedForward& task = *s.task().shared();
    const at::Device device = task.model().parameters().all().front().value.device();
    const models::Autocast autocast(s.config().bf16, device.type());
    t.part = task.loss(t.share, t.batch.value_or(models::Batch{}), t.pass);
  });
  // One backward pass for all: what goes back through the backbone goes once.
  std::vector<at::Tensor> losses;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (!turns[i].there || !out[i].failure.empty()) continue;
    sessions_[i]->task().prefetch(sessions_[i]->share(micro + 1));
    if (turns[i].part.loss.requires_grad()) losses.push_back(turns[i].part.loss);
  }
  if (!losses.empty()) torch::autograd::backward(losses, {});
  for (std::size_t i = 0; i < turns.size(); ++i)
    if (turns[i].there && out[i].failure.empty()) sessions_[i]->note(turns[i].part);
}

std::vector<MergedGang::Outcome> MergedGang::step(const std::vector<bool>& report) {
  std::vector<Outcome> out(sessions_.size());
  std::int64_t micros = 0;
  for (Session* s : sessions_) {
    s->begin();
    micros = std::max(micros, s->micros());
  }
  for (std::int64_t m = 0; m < micros; ++m) micro_step(m, out);
  for (std::size_t i = 0; i < sessions_.size(); ++i)
    if (out[i].failure.empty()) out[i].report = sessions_[i]->finish(report[i]);
  return out;
}

}  // namespace orrery::trainer
