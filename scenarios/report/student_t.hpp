// Quantiles of Student's t distribution, which intervals over few seeds stand on.
#pragma once

#include <cstddef>

namespace orrery::report {

// The t that a variable with so many degrees of freedom (at least 1) stays below with this probability, 0.5 to
// below 1.
[[nodiscard]] double student_t_quantile(double probability, std::size_t degrees);

}  // namespace orrery::report
