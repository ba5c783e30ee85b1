// See rendezvous.hpp.
#include "backend/trainer/rendezvous.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <sstream>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>

#include "backend/trainer/c10d_communicator.hpp"
#include "backend/trainer/gloo_backend.hpp"

namespace orrery::trainer {
namespace {

constexpr const char* kHost = "127.0.0.1";
constexpr std::chrono::seconds kStoreTimeout{30};

c10::intrusive_ptr<c10d::Store> open_store(bool serve, const std::string& host, std::uint16_t port) {
  c10d::TCPStoreOptions options;
  options.isServer = serve;
  options.port = port;
  options.waitWorkers = false;
  options.timeout = kStoreTimeout;
  return c10::make_intrusive<c10d::TCPStore>(host, options);
}

}  // namespace

Rendezvous::Rendezvous(const live::Start& start, int rank)
    : rank_(rank),
      world_(static_cast<int>(start.world)),
      folder_(
          fmt::format("{}/rendezvous/{}/{}/{}", start.run_folder, start.job, start.incarnation, start.generation)),
      prefix_(fmt::format("{}/{}/{}", start.job, start.incarnation, start.generation)) {}

std::string Rendezvous::address_path() const {
  return folder_ + "/store";
}

Expected<live::Ok> Rendezvous::open() {
  if (rank_ != 0 || world_ == 1) return live::Ok{};
  std::uint16_t port = 0;
  try {
    auto tcp = open_store(true, kHost, 0);
    port = static_cast<c10d::TCPStore&>(*tcp).getPort();
    store_ = c10::make_intrusive<c10d::PrefixStore>(prefix_, std::move(tcp));
  } catch (const std::exception& e) {
    return fail(fmt::format("cannot open a store on {}: {}", kHost, e.what()));
  }
  if (auto ok = live::make_folders(folder_); !ok) return ok;
  return live::replace_file(address_path(), fmt::format("{} {}\n", kHost, port));
}

Expected<bool> Rendezvous::assembled() {
  if (world_ == 1) return true;
  try {
    if (!store_) {
      if (::access(address_path().c_str(), R_OK) != 0) return false;
      const auto text = live::read_file(address_path());
      if (!text) return false;
      std::istringstream in(*text);
      std::string host;
      std::uint16_t port = 0;
      if (!(in >> host >> port)) return false;
      store_ = c10::make_intrusive<c10d::PrefixStore>(prefix_, open_store(false, host, port));
    }
    if (!std::exchange(signed_in_, true)) store_->add("ranks", 1);
    return store_->add("ranks", 0) >= world_;
  } catch (const std::exception& e) {
    return fail(fmt::format("the store of rank 0 is gone: {}", e.what()));
  }
}

std::unique_ptr<Communicator> make_gloo_communicator(const c10::intrusive_ptr<c10d::Store>& store,
                                                     const std::string& name, int rank, int world, int rendezvous_s) {
  if (world == 1) return make_lonely_communicator();
  const auto own = c10::make_intrusive<c10d::PrefixStore>(name, store);
  return make_c10d_communicator(make_gloo(own, rank, world, rendezvous_s), rank, world, at::kCPU);
}

}  // namespace orrery::trainer
