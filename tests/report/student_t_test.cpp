// Quantiles of Student's t against closed forms, printed tables and Boost's.
#include <catch2/catch.hpp>
#include <cmath>

#include <boost/math/distributions/students_t.hpp>

#include "scenarios/report/student_t.hpp"

namespace orrery::report {

TEST_CASE("quantiles of Student's t are those of tables", "[report]") {
  CHECK(student_t_quantile(0.5, 7) == 0);
  // One degree is the Cauchy distribution: tan(pi (p - 1/2)). Two: (2p - 1) / sqrt(2 p (1 - p)).
  CHECK(student_t_quantile(0.75, 1) == Approx(1).epsilon(1e-14));
  CHECK(student_t_quantile(0.9, 2) == Approx(0.8 / std::sqrt(0.18)).epsilon(1e-14));
  CHECK(student_t_quantile(0.975, 4) == Approx(2.776445).epsilon(1e-7));
  CHECK(student_t_quantile(0.975, 30) == Approx(2.0422725).epsilon(1e-7));
  for (const std::size_t degrees : {1U, 2U, 3U, 4U, 5U, 9U, 10U, 29U, 100U, 999U, 100'000U})
    for (const double p : {0.6, 0.9, 0.95, 0.975, 0.995, 0.99995}) {
      const boost::math::students_t t(static_cast<double>(degrees));
      CHECK(student_t_quantile(p, degrees) == Approx(boost::math::quantile(t, p)).epsilon(1e-10));
    }
}

}  // namespace orrery::report
