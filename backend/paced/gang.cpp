// See gang.hpp. Messages are two 64-bit words in host order: all ranks of a gang run the same program on one machine.
#include "backend/paced/gang.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

namespace orrery::paced {
namespace {

struct Word {
  std::int64_t round, value;
};
struct Greeting {
  std::uint64_t nonce;
  std::int32_t rank, world;
};
static_assert(sizeof(Word) == 16 && sizeof(Greeting) == 16);

constexpr const char* kHost = "127.0.0.1";

void tune(int socket) {
  const int on = 1;
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  return a;
}

template <class T>
T take_front(std::string& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.erase(0, sizeof value);
  return value;
}

}  // namespace

Gang::Gang(const live::Start& start, int rank)
    : rank_(rank),
      world_(static_cast<int>(start.world)),
      folder_(
          fmt::format("{}/rendezvous/{}/{}/{}", start.run_folder, start.job, start.incarnation, start.generation)),
      links_(static_cast<std::size_t>(rank == 0 ? start.world : 1)) {}

std::string Gang::address_path() const {
  return folder_ + "/address";
}

Expected<live::Ok> Gang::open() {
  if (rank_ != 0 || world_ == 1) return live::Ok{};
  listener_ = live::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (!listener_ || ::bind(listener_.get(), raw, size) != 0 || ::listen(listener_.get(), SOMAXCONN) != 0 ||
      ::getsockname(listener_.get(), raw, &size) != 0)
    return live::fail_errno("listen on", kHost);
  if (::getrandom(&nonce_, sizeof nonce_, 0) != static_cast<ssize_t>(sizeof nonce_))
    return live::fail_errno("read", "random bytes");
  if (auto ok = live::make_folders(folder_); !ok) return ok;
  return live::replace_file(address_path(), fmt::format("{} {} {}\n", kHost, ntohs(address.sin_port), nonce_));
}

bool Gang::assembled() const {
  if (world_ == 1) return true;
  const auto there = [](const Link& link) { return static_cast<bool>(link.socket); };
  return std::all_of(links_.begin() + (rank_ == 0 ? 1 : 0), links_.end(), there);
}

void Gang::assemble() {
  if (assembled()) return;
  if (rank_ != 0) return try_connect();
  accept_some();
  greet_some();
  if (!assembled()) return;
  guests_.clear();
  listener_.reset();
  (void)::unlink(address_path().c_str());  // nobody else is to come
}

std::string Gang::missing() const {
  if (rank_ != 0) return "rank 0";
  std::string out;
  for (std::size_t r = 1; r < links_.size(); ++r)
    if (!links_[r].socket) out += fmt::format("{}{}", out.empty() ? "rank " : ", ", r);
  return out;
}

void Gang::accept_some() {
  const std::size_t at_most = links_.size() + 16;
  while (guests_.size() < at_most) {
    live::Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    tune(socket.get());
    guests_.push_back({std::move(socket), {}, false});
  }
}

void Gang::greet_some() {
  for (Link& guest : guests_) {
    receive(guest);
    if (guest.in.size() < sizeof(Greeting)) continue;
    const auto hello = take_front<Greeting>(guest.in);
    const bool ours = hello.nonce == nonce_ && hello.world == world_ && hello.rank > 0 && hello.rank < world_;
    if (ours && !links_[static_cast<std::size_t>(hello.rank)].socket) {
      links_[static_cast<std::size_t>(hello.rank)] = std::move(guest);
    }
    guest.closed = true;
  }
  std::erase_if(guests_, [](const Link& guest) { return guest.closed; });
}

void Gang::try_connect() {
  if (::access(address_path().c_str(), R_OK) != 0) return;
  const auto text = live::read_file(address_path());
  if (!text) return;
  std::istringstream in(*text);
  std::string host;
  std::uint16_t port = 0;
  if (!(in >> host >> port >> nonce_)) return;
  const sockaddr_in address = loopback(port);
  live::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  tune(socket.get());
  links_[0] = {std::move(socket), {}, false};
  const Greeting hello{nonce_, rank_, world_};
  send(links_[0], &hello, sizeof hello);
}

void Gang::add_to(std::vector<pollfd>& polled) const {
  if (listener_) polled.push_back({listener_.get(), POLLIN, 0});
  for (const auto* links : {&links_, &guests_})
    for (const Link& link : *links)
      if (link.socket && !link.closed) polled.push_back({link.socket.get(), POLLIN, 0});
}

void Gang::take() {
  for (Link& link : links_)
    if (link.socket && !link.closed) receive(link);
}

void Gang::receive(Link& link) {
  std::array<char, 256> buffer{};
  while (true) {
    const ssize_t n = ::recv(link.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      link.in.append(buffer.data(), static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else {
      link.closed = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
      return;
    }
  }
}

// A few bytes, at most one message ahead of the reader: what does not fit at once means that the other side is gone.
void Gang::send(Link& link, const void* data, std::size_t size) {
  if (::send(link.socket.get(), data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) link.closed = true;
}

void Gang::offer(std::int64_t word) {
  ++round_;
  mine_ = word;
  if (rank_ == 0 || world_ == 1) return;
  const Word message{round_, word};
  send(links_[0], &message, sizeof message);
}

std::optional<std::int64_t> Gang::agreed() {
  if (world_ == 1) return mine_;
  const std::size_t first = rank_ == 0 ? 1 : 0;
  for (std::size_t r = first; r < links_.size(); ++r)
    if (links_[r].in.size() < sizeof(Word)) return std::nullopt;
  std::int64_t largest = mine_;
  for (std::size_t r = first; r < links_.size(); ++r) {
    const auto word = take_front<Word>(links_[r].in);
    if (word.round != round_) {  // not one of ours after all
      links_[r].closed = true;
      links_[r].in.clear();
      return std::nullopt;
    }
    largest = std::max(largest, word.value);
  }
  const Word message{round_, largest};
  for (std::size_t r = 1; r < links_.size(); ++r) send(links_[r], &message, sizeof message);
  return largest;
}

std::optional<int> Gang::lost() const {
  for (std::size_t r = 0; r < links_.size(); ++r)
    if (links_[r].socket && links_[r].closed && links_[r].in.size() < sizeof(Word)) return static_cast<int>(r);
  return std::nullopt;
}

}  // namespace orrery::paced
