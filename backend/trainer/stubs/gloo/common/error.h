// Declarations of ours in place of a Gloo header that the wheel does not ship; see context.h.
#pragma once
