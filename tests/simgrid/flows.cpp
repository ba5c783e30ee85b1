// What SimGrid says of flows that share links: a program of its own, because SimGrid takes over a process (signals,
// contexts). Reads `link <bytes/s>` and `flow <bytes> <cap or 0> <link>...` lines; writes the second at which each
// flow ends, one a line. The plain fluid model: no latency, no TCP factors, no traffic of acknowledgements.
#include <simgrid/s4u.hpp>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace s4u = simgrid::s4u;

int main(int argc, char** argv) {
  s4u::Engine engine(&argc, argv);
  for (const char* option : {"network/model:CM02", "network/crosstraffic:0", "network/TCP-gamma:0",
                             "network/weight-S:0", "network/latency-factor:1", "network/bandwidth-factor:1"})
    s4u::Engine::set_config(option);
  s4u::NetZone* zone = s4u::create_full_zone("world");
  std::vector<s4u::Link*> links;
  struct Flow {
    s4u::Host *from, *to;
    double bytes, cap, end;
  };
  std::vector<Flow> flows;
  std::vector<std::vector<s4u::LinkInRoute>> routes;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string word;
    double number = 0;
    in >> word >> number;
    if (word == "link") {
      links.push_back(zone->create_link("l" + std::to_string(links.size()), number));
      links.back()->set_latency(0);
      links.back()->seal();
      continue;
    }
    const std::string n = std::to_string(flows.size());
    Flow flow{zone->create_host("a" + n, 1e9), zone->create_host("b" + n, 1e9), number, 0, 0};
    flow.from->seal();
    flow.to->seal();
    in >> flow.cap;
    flows.push_back(flow);
    auto& route = routes.emplace_back();
    for (std::size_t l = 0; in >> l;) route.emplace_back(links.at(l));
  }
  for (std::size_t i = 0; i < flows.size(); ++i)
    zone->add_route(flows[i].from->get_netpoint(), flows[i].to->get_netpoint(), nullptr, nullptr, routes[i], false);
  zone->seal();
  for (Flow& flow : flows) {
    s4u::Mailbox* box = s4u::Mailbox::by_name(flow.from->get_name());
    s4u::Actor::create("to", flow.to, [box] { box->get<Flow>(); });
    s4u::Actor::create("from", flow.from, [box, &flow] {
      const auto comm = box->put_init(&flow, static_cast<uint64_t>(flow.bytes));
      if (flow.cap > 0) comm->set_rate(flow.cap);
      comm->wait();
      flow.end = s4u::Engine::get_clock();
    });
  }
  engine.run();
  for (const Flow& flow : flows) std::printf("%.12g\n", flow.end);
  return 0;
}
