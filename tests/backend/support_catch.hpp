// Catch2 where LibTorch's headers are as well. Both have a CHECK, and the one that is defined last holds for the rest
// of a bundle of tests: torch's, which ends the whole program where a test would fail. So torch's comes first here.
// Nor may a test of the bundle bring in our namespace before ATen's headers: both have a SmallVector.
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Logging.h>

#undef CHECK
#include <catch2/catch.hpp>
