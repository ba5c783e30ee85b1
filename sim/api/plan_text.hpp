// What a decision says, as text and back: the one encoder behind the stored log, the digest of a decision that a
// journal keeps, and what tests compare. Every member of Plan, Target, RunConfig, Command, Reason and Reservation is
// written and read by one table of their names (plan_text.cpp): a member without a name there does not compile. What
// has its default value is left out, so that a log of plain jobs is as short as its decisions are.
//
//   ,"wake":9000000000,"reasons":[["p1","resources",3]],"reservations":[["p1",7000000000]],
//   "targets":[["p0","run","n1:0-1",{"sharing":"interleaved","group":3,"config":{"batch":64}}]],
//   "commands":[["p0","publish"]]
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sim/api/plan.hpp"
#include "sim/core/text_buffer.hpp"

namespace orrery {

// How jobs are written; the default is their number.
template <class Out>
struct PlanWordsIn {
  std::function<void(Out& out, JobId job)> job{};
  // A reason holds until it changes: those for which this says no are left out. Default: none.
  std::function<bool(const Reason&)> is_news{};
};
using PlanWords = PlanWordsIn<std::string>;

// Appends the members of a JSON object, a comma before each; nothing for a plan that says nothing.
void append_plan(std::string& out, const Plan& plan, const PlanWords& words);
void append_plan(TextBuffer& out, const Plan& plan, const PlanWordsIn<TextBuffer>& words);
// The whole plan with its jobs' numbers: equal plans have equal texts, and no others. Digests are taken of it.
[[nodiscard]] std::string plan_text(const Plan& plan);

// A standing target as it stands in a plan's row, `["run","n1:0-1",{...}]`, and back; `job` as below. Throws BadLine.
void append_target(std::string& out, const Target& target);
[[nodiscard]] Target read_target(const nlohmann::json& row, const std::function<JobId(const nlohmann::json&)>& job);

// The inverse of append_plan, of a whole line: members that are not a plan's are left alone, unknown ones inside it
// are errors. `job` says whose name or number it is. Throws BadLine.
[[nodiscard]] Plan read_plan(const nlohmann::json& line, const std::function<JobId(const nlohmann::json&)>& job);
// Whether a line's member is one of a plan's.
[[nodiscard]] bool is_plan_key(std::string_view key);

// The code of that name; throws BadLine.
[[nodiscard]] ReasonCode reason_code(const std::string& name);

}  // namespace orrery
