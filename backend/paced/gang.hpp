// The ranks of one gang, joined by loopback TCP to rank 0: they find each other through a file in the run folder, and
// agree on one number at a time (the largest that any rank offers). A peer that dies closes its socket, which the
// others notice while they wait. Nothing here blocks; the worker polls.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/protocol/files.hpp"
#include "backend/protocol/protocol.hpp"

namespace orrery::paced {

class Gang {
 public:
  // Rank `rank` of the gang that `start` describes.
  Gang(const live::Start& start, int rank);
  Gang(const Gang&) = delete;
  Gang& operator=(const Gang&) = delete;

  // Rank 0: listens on a port of its own and publishes it under
  // <run folder>/rendezvous/<job>/<incarnation>/<generation>/address. Others: nothing.
  [[nodiscard]] Expected<live::Ok> open();
  // One more attempt at what is missing; to be called after each poll until assembled().
  void assemble();
  [[nodiscard]] bool assembled() const;
  // The ranks that are not there, as text.
  [[nodiscard]] std::string missing() const;

  void add_to(std::vector<pollfd>& polled) const;
  // Reads whatever has come.
  void take();

  // Offers `word` (>= 0) to the round that begins; agreed() is the largest of all ranks once every one has offered.
  void offer(std::int64_t word);
  [[nodiscard]] std::optional<std::int64_t> agreed();
  // The rank whose connection is gone, if any. Ask agreed() first: a last word may precede the end.
  [[nodiscard]] std::optional<int> lost() const;

 private:
  struct Link {
    live::Fd socket{};
    std::string in{};  // received, not yet used
    bool closed = false;
  };

  void accept_some();
  void greet_some();
  void try_connect();
  static void receive(Link& link);
  static void send(Link& link, const void* data, std::size_t size);
  [[nodiscard]] std::string address_path() const;

  int rank_, world_;
  std::string folder_;  // of the address
  live::Fd listener_{};
  std::uint64_t nonce_ = 0;     // strangers on this machine do not know it
  std::vector<Link> links_;     // rank 0: one per rank, its own unused; others: links_[0] leads to rank 0
  std::vector<Link> guests_{};  // accepted, not yet known
  std::int64_t round_ = 0;
  std::int64_t mine_ = 0;
};

}  // namespace orrery::paced
