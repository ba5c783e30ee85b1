// Declarations of ours in place of a Gloo header that the wheel does not ship; see gloo/context.h.
#pragma once

namespace gloo::transport {
class Device;
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};
}  // namespace gloo::transport
