// Allocations as text and back, for everything that writes or reads one in a line of JSON: `n3:0-3+5@250` for each
// slice, and beside it, as members of the same object, the CPUs and memory that some of the slices have.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sim/core/allocation.hpp"
#include "sim/core/text_buffer.hpp"

namespace orrery {

// "n3:0-3+5@250" for each slice, as Allocation::to_string, without allocating.
void append_allocation(std::string& out, const Allocation& a);
void append_allocation(TextBuffer& out, const Allocation& a);
// The CPUs and memory of an allocation's slices, `"cpu_milli":[...]` and `"mem_bytes":[...]`, each where one of them
// has any; a comma before each. Beside the text of append_allocation() that is the whole allocation.
void append_host_shares(std::string& out, const Allocation& a);
void append_host_shares(TextBuffer& out, const Allocation& a);
// Their inverse: `a` becomes what `text` says, with the CPUs and memory that are members of `beside`. Throws BadLine.
void read_allocation(const std::string& text, const nlohmann::json& beside, Allocation& a);

}  // namespace orrery
