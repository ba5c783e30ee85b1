// Catch2 where LibTorch's headers are as well. Both have a CHECK, and the one that is defined last holds for the rest
// of a bundle of tests: torch's, which ends the whole program where a test would fail. So torch's comes first here.
#pragma once

#include <c10/util/Logging.h>

#undef CHECK
#include <catch2/catch.hpp>
