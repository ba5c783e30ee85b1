// The table in which the simulator and the live backend meet.
#include <catch2/catch.hpp>

#include "traces/profiles/profile_table.hpp"

namespace {

using namespace orrery;

ProfileRow row(std::int32_t world) {
  ProfileRow r;
  r.model = "vit, small";
  r.mode = "lora";
  r.gpu = "cpu";
  r.world = world;
  r.local_batch = 8;
  r.step = milliseconds(51);
  r.step_cv = 0.125;
  r.start = seconds(2);
  r.save = Duration{1};
  r.bytes = 1'000'000'007;
  return r;
}

}  // namespace

TEST_CASE("a profile table is read as it was written", "[traces]") {
  const std::string text = profile_text({row(1), row(4)});
  CHECK(text ==
        "model,mode,gpu,world,local_batch,corunners,step_s,step_cv,start_s,save_s,restore_s,stop_s,bytes\n"
        "\"vit, small\",lora,cpu,1,8,1,0.051,0.125000,2,0.000000001,0,0,1000000007\n"
        "\"vit, small\",lora,cpu,4,8,1,0.051,0.125000,2,0.000000001,0,0,1000000007\n");
  const auto rows = read_profile_text("p.csv", text);
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK(profile_text(*rows) == text);
}

TEST_CASE("a profile table that is wrong is shown where it is", "[traces]") {
  const auto twice = read_profile_text("p.csv", profile_text({row(1), row(1)}));
  REQUIRE_FALSE(twice);
  CHECK_THAT(render(twice.error()), Catch::Contains("p.csv:3:1") && Catch::Contains("line 2"));
  std::string zero = profile_text({row(1)});
  zero.replace(zero.find("0.051"), 5, "0.000");
  CHECK_THAT(render(read_profile_text("p.csv", zero).error()), Catch::Contains("p.csv:2:"));
  const auto missing = read_profile_text("p.csv", "model,mode,gpu\na,b,c\n");
  REQUIRE_FALSE(missing);
  CHECK_THAT(render(missing.error()), Catch::Contains("step_s"));
}
