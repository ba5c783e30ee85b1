// See members.hpp.
#include "backend/paced/members.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace orrery::paced {

std::int64_t scaled(Duration step, Work part, Work whole) {
  return static_cast<std::int64_t>((static_cast<Int128>(step.ns) * part.ns + whole.ns - 1) / whole.ns);
}

live::Checkpoint paced_checkpoint(const JobProgress& job) {
  const std::string state = fmt::format("step {}\ndone_work_ns {}\n", job.step, job.done.ns);
  return {{job.start.job, job.start.incarnation, job.start.generation, job.step, job.done},
          {{"state.txt", state}},
          job.start.fence};
}

Members::Members(worker::Wire& wire, worker::Log& log, JobProgress first) : wire_(&wire), log_(&log) {
  Member m;
  static_cast<JobProgress&>(m) = std::move(first);
  m.first = true;
  m.phase = Phase::stepping;
  members_.push_back(std::move(m));
}

// Lines about the first member name no job, as long as it is one.
void Members::say(const Member& m, const Report& what) {
  if (!m.first || std::holds_alternative<live::Left>(what)) return wire_->say(live::FromMember{m.start.job, what});
  const auto alone = [this](const auto& message) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(message)>, live::Left>) wire_->say(live::FromWorker(message));
  };
  std::visit(alone, what);
}

Members::Member* Members::find(const std::string& job) {
  for (Member& m : members_)
    if (!m.gone && m.start.job == job) return &m;
  return nullptr;
}

void Members::turn(std::int64_t now, std::int64_t behind) {
  worker::Wants& wants = wire_->wants();
  for (const worker::MemberWish& wish : std::exchange(wants.members, {})) hear(wish, behind);
  const auto first =
      std::find_if(members_.begin(), members_.end(), [](const Member& m) { return m.first && !m.gone; });
  if (first != members_.end()) {
    if (std::exchange(wants.save, false)) obey(*first, live::Save{}, now);
    for (; wants.publish > 0; --wants.publish) obey(*first, live::Publish{}, now);
    if (wants.reconfigure) obey(*first, *wants.reconfigure, now);
  }
  wants.reconfigure.reset();
  for (Member& m : members_) go_on(m, now);
  std::erase_if(members_, [](const Member& m) { return m.gone; });
}

void Members::hear(const worker::MemberWish& wish, std::int64_t behind) {
  const std::int64_t at = wish.at_ns - behind;
  if (const auto* join = std::get_if<live::Join>(&wish.what)) return this->join(join->start, at);
  const auto& [job, what] = std::get<live::ToMember>(wish.what);
  Member* const m = find(job);
  if (m == nullptr) return;  // it has just ended: its last word is on the way
  std::visit([&](const auto& message) { obey(*m, message, at); }, what);
}

// It has begun when it was heard of, as a process of its own would have.
void Members::join(const live::Start& start, std::int64_t at) {
  Member m;
  m.start = start;
  m.until = add_ns(at, add_ns(start.costs.start.ns, start.restore ? start.costs.restore.ns : 0));
  if (find(start.job) != nullptr) return say(m, live::WorkerError{"it is a member already"});
  if (!start.task.empty()) return say(m, live::WorkerError{"a paced worker trains nothing"});
  log_->note(fmt::format("job {} incarnation {} joins", start.job, start.incarnation));
  members_.push_back(std::move(m));
  restore(members_.back());
}

void Members::restore(Member& m) {
  if (!m.start.restore) return;
  live::CheckpointSearch found = live::load_checkpoint(m.start.checkpoint_dir);
  for (const std::string& bad : found.passed_over) log_->note("passed over " + bad);
  if (!found.newest && found.passed_over.empty()) return;
  if (!found.newest)
    return ended(m, live::kExitStopped,
                 live::WorkerError{"every checkpoint is damaged, such as " + found.passed_over.front()});
  const live::CheckpointStamp& stamp = found.newest->checkpoint.stamp;
  if (stamp.job != m.start.job)
    return ended(m, live::kExitStopped,
                 live::WorkerError{fmt::format("`{}` is of job {}", found.newest->path, stamp.job)});
  m.step = m.saved_step = stamp.step;
  m.done = stamp.done;
  m.saved_path = found.newest->path;
}

void Members::obey(Member& m, const live::Save&, std::int64_t) {
  m.save = true;
}
void Members::obey(Member& m, const live::Publish&, std::int64_t) {
  ++m.publish;
}
void Members::obey(Member& m, const live::Stop&, std::int64_t now) {
  leave(m, now);
}
void Members::obey(Member& m, const live::Drop&, std::int64_t) {
  ended(m, live::kExitStopped, live::Left{});
}
void Members::obey(Member& m, const live::Reconfigure& r, std::int64_t) {
  m.start.step_time = r.step_time;
  m.start.step_work = r.step_work;
  say(m, live::Reconfigured{r.batch, r.accumulation});
}

// One that has not started has nothing to save.
void Members::leave(Member& m, std::int64_t now) {
  if (m.phase == Phase::last_save || m.phase == Phase::leaving) return;
  m.asked = now;
  if (m.phase == Phase::starting) {
    m.phase = Phase::leaving;
    m.until = add_ns(now, m.start.costs.stop.ns);
    return;
  }
  if (m.phase == Phase::stepping) {
    say(m, live::Saving{m.step});
    m.until = add_ns(now, m.start.costs.save.ns);
  }
  m.phase = Phase::last_save;
}

void Members::leave_all(std::int64_t now) {
  for (Member& m : members_) leave(m, now);
}

// Whatever is due; a phase may be over as soon as it began.
void Members::go_on(Member& m, std::int64_t now) {
  if (m.gone) return;
  if (m.phase == Phase::starting && now >= m.until) {
    say(m, live::Ready{m.step, m.done});
    m.phase = Phase::stepping;
  }
  if (m.phase == Phase::stepping && m.publish > 0) publish(m);
  if (m.phase == Phase::stepping && std::exchange(m.save, false)) begin_save(m, now);
  if (m.phase == Phase::saving && now >= m.until) {
    end_save(m);
    m.phase = Phase::stepping;
  }
  if (m.phase == Phase::last_save && now >= m.until) {
    end_save(m);
    m.phase = Phase::leaving;
    m.until = add_ns(m.asked, m.start.costs.stop.ns);
  }
  if (m.phase == Phase::leaving && now >= m.until) ended(m, live::kExitStopped, live::Left{});
}

void Members::begin_save(Member& m, std::int64_t now) {
  say(m, live::Saving{m.step});
  m.phase = Phase::saving;
  m.until = add_ns(now, m.start.costs.save.ns);
}

void Members::end_save(Member& m) {
  if (m.saved_step != m.step) {
    auto path = live::save_checkpoint(m.start.checkpoint_dir, paced_checkpoint(m));
    if (!path) {
      failure_ = path.error().items.at(0).message;
      return;
    }
    m.saved_path = *std::move(path);
    m.saved_step = m.step;
    log_->note("saved " + m.saved_path);
  }
  say(m, live::Saved{m.step, m.done, m.saved_path});
}

void Members::publish(Member& m) {
  for (; m.publish > 0 && failure_.empty(); --m.publish) {
    auto version = live::publish_version(m.start.checkpoint_dir + "/versions", paced_checkpoint(m));
    if (!version) {
      failure_ = version.error().items.at(0).message;
      return;
    }
    log_->note("published " + version->path);
    say(m, live::Published{version->version, m.step, version->path});
  }
}

void Members::ended(Member& m, int status, const Report& what) {
  m.gone = true;
  status_ = status;
  say(m, what);
  log_->note(fmt::format("job {} is out after step {}", m.start.job, m.step));
}

std::int64_t Members::begin_step() {
  std::int64_t takes = 0;
  bool any = false;
  for (Member& m : members_) {
    m.in_step = m.phase == Phase::stepping;
    any = any || m.in_step;
    if (!m.in_step && m.phase != Phase::saving) continue;
    const Work part = std::min(m.start.step_work, m.start.total_work - m.done);
    takes = add_ns(takes, scaled(m.start.step_time, part, m.start.step_work));
  }
  return any ? std::max<std::int64_t>(takes, 1) : 0;
}

void Members::end_step(Duration took, std::int64_t now) {
  for (Member& m : members_) {
    if (!m.in_step) continue;
    m.done = m.done + std::min(m.start.step_work, m.start.total_work - m.done);
    ++m.step;
    m.spent += took;
    const bool last = m.done >= m.start.total_work;
    const std::int64_t every = m.start.report_every_steps;
    if (every > 0 && (last || m.step % every == 0)) {
      say(m, live::Step{m.step, m.done, m.spent});
      m.spent = {};
    }
    if (last) {
      publish(m);
      ended(m, live::kExitDone, live::Done{m.step});
    } else if (m.phase == Phase::stepping && m.start.save_every_steps > 0 && m.step % m.start.save_every_steps == 0) {
      begin_save(m, now);
    }
  }
  std::erase_if(members_, [](const Member& m) { return m.gone; });
}

std::int64_t Members::next_due() const {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (const Member& m : members_) next = std::min(next, m.phase == Phase::stepping ? 0 : m.until);
  return next;
}

}  // namespace orrery::paced
