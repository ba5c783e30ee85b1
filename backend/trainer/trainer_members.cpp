// The members of a training gang: who joins, who leaves, and what one of them alone is told or cannot do.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "backend/trainer/trainer_worker.hpp"

namespace orrery::trainer {

TrainerJob* TrainerWorker::find(const std::string& job) {
  const auto at = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& j) { return j->start().job == job; });
  return at == jobs_.end() ? nullptr : at->get();
}

// Rank 0 hands on the lines that it has heard, as they were said.
void TrainerWorker::hear_of_members() {
  std::string lines;
  for (const worker::MemberWish& wish : std::exchange(wire_.wants().members, {}))
    lines += std::visit([](const auto& line) { return live::format(live::ToWorker(line)); }, wish.what);
  const std::int64_t size = control_->max(static_cast<std::int64_t>(lines.size()));
  lines.resize(static_cast<std::size_t>(size));
  if (options_.world > 1) {
    const at::Tensor bytes = at::zeros({size}, at::kByte);
    std::memcpy(bytes.mutable_data_ptr(), lines.data(), lines.size());
    control_->broadcast(bytes);
    std::memcpy(lines.data(), bytes.const_data_ptr(), lines.size());
  }
  about_members_ = true;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    if (const auto line = live::parse_to_worker(lines.substr(at, end - at))) obey(*line);
    at = end + 1;
  }
}

void TrainerWorker::obey(const live::ToWorker& line) {
  if (const auto* join = std::get_if<live::Join>(&line)) {
    joining_.push_back(join->start);
    return;
  }
  const auto& [name, what] = std::get<live::ToMember>(line);
  const bool leaves = std::holds_alternative<live::Stop>(what) || std::holds_alternative<live::Drop>(what);
  TrainerJob* const job = find(name);
  if (job == nullptr) {  // it has just ended, or is still to come and has nothing to save
    const auto coming = [&name = name](const live::Start& s) { return s.job == name; };
    if (leaves && std::erase_if(joining_, coming) > 0) wire_.say(live::FromMember{name, live::Left{}});
    return;
  }
  TrainerJob::Wishes& wishes = job->wishes();
  if (const auto* r = std::get_if<live::Reconfigure>(&what)) wishes.reconfigure = *r;
  wishes.save = wishes.save || std::holds_alternative<live::Save>(what);
  wishes.stop = wishes.stop || std::holds_alternative<live::Stop>(what);
  wishes.drop = wishes.drop || std::holds_alternative<live::Drop>(what);
  wishes.publish += std::holds_alternative<live::Publish>(what) ? 1 : 0;
}

// Between two steps of the others, which wait for it. Where a rank cannot take it in, none does.
void TrainerWorker::join(live::Start start) {
  start.world = options_.world;
  auto job = std::make_unique<TrainerJob>(place_, std::move(start), false);
  Expected<live::Ok> ok = live::Ok{};
  if (find(job->start().job) != nullptr) ok = orrery::fail("it is a member already");
  if (!merged_) merged_ = std::make_unique<MergedGang>(*control_);
  if (ok && !merged_->has(jobs_.front()->session()))
    if (const auto host = merged_->add(jobs_.front()->session()); !host)
      ok = orrery::fail("nobody can join this gang, because of the job that it has: " + sentence(host.error()));
  if (ok) {
    const auto begin = [&] {
      return job->read_task().and_then([&](live::Ok) { return job->make_session(); }).and_then([&](live::Ok) {
        return job->restore();
      });
    };
    ok = begin();
    const bool elsewhere = control_->max(ok ? 0 : 1) != 0;
    if (ok && elsewhere) ok = orrery::fail("it cannot begin on another rank");
  }
  if (ok && !control_->same(job->session().steps_done())) ok = orrery::fail("the ranks see different checkpoints");
  if (ok) ok = merged_->add(job->session());
  if (!ok) {
    log_->note(fmt::format("job {} cannot join: {}", job->start().job, sentence(ok.error())));
    return job->say(live::WorkerError{sentence(ok.error())});
  }
  log_->note(fmt::format("job {} incarnation {} joins at its step {}, as one of {}", job->start().job,
                         job->start().incarnation, job->session().steps_done(), jobs_.size() + 1));
  job->say_ready();
  jobs_.push_back(std::move(job));
  if (!jobs_.back()->finished()) return;
  ended(*jobs_.back(), live::kExitDone, true);
  let_go();
}

// Rank 0 publishes so many versions; whether it could.
bool TrainerWorker::publish(TrainerJob& job, int versions) {
  for (; versions > 0 && options_.rank == 0; --versions)
    if (auto ok = job.publish(); !ok) return excuse(job, sentence(ok.error()));
  return true;
}

// What rank 0 cannot write is an error of that job alone: the others hear of it as of a line, after the next step.
bool TrainerWorker::excuse(TrainerJob& job, const std::string& why) {
  if (staying() == 1) fail(why);
  log_->note(fmt::format("job {}: {}", job.start().job, why));
  job.say(live::WorkerError{why});
  if (options_.rank == 0)
    wire_.wants().members.push_back({live::ToMember{job.start().job, live::Drop{}}, worker::monotonic_ns()});
  return false;
}

// It is out, on all ranks; of the last one the processes' end is told.
void TrainerWorker::failed(TrainerJob& job, const std::string& why) {
  if (staying() == 1) fail(why);
  log_->note(fmt::format("job {} is out after step {}: {}", job.start().job, job.session().steps_done(), why));
  job.say(live::WorkerError{why});
  gone_.push_back(&job);
}

// `well`: unless that was told already.
void TrainerWorker::ended(TrainerJob& job, int status, bool well) {
  if (status == live::kExitDone && well)
    job.say(live::Done{job.session().steps_done()});
  else if (about_members_ && well)
    job.say(live::Left{});
  log_->note(fmt::format("job {} is out after step {}", job.start().job, job.session().steps_done()));
  gone_.push_back(&job);
  status_ = status;
}

void TrainerWorker::let_go() {
  for (const auto& job : jobs_) {
    if (std::find(gone_.begin(), gone_.end(), job.get()) == gone_.end()) continue;
    if (merged_) merged_->remove(job->session());
    if (job->start().job == first_name_) first_name_.clear();
  }
  std::erase_if(jobs_,
                [&](const auto& job) { return std::find(gone_.begin(), gone_.end(), job.get()) != gone_.end(); });
  gone_.clear();
}

}  // namespace orrery::trainer
