// Files of a profile folder, plain or packed; what its readers share.
#pragma once

#include <filesystem>
#include <optional>

#include "traces/profiles/profiles.hpp"

namespace orrery {

// The text of FILE or of FILE.gz; nothing when there is neither.
[[nodiscard]] std::optional<Expected<std::string>> profile_text(const std::filesystem::path& file);
// Its step times; none, and `there` false, when there is no such file.
[[nodiscard]] Expected<std::vector<StepPoint>> profile_points(const std::filesystem::path& file, bool& there);
// The largest number of a column.
[[nodiscard]] Expected<double> read_longest(const std::string& file, std::string_view text, std::string_view column);

}  // namespace orrery
