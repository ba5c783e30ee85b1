// A small catalogue of jobs for tests, with its job files in memory, and the one that the project ships.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>

#include "orrery_paths.hpp"
#include "scenarios/spec/catalogue_file.hpp"
#include "sim/core/json.hpp"

namespace orrery::test {

inline const std::string kShippedCatalogue = std::string(ORRERY_SOURCE_DIR) + "/scenarios/jobs/catalogue.yaml";

inline Expected<app::JobFile> load_small(const std::string& path) {
  const std::string image = "model: { preset: tiny, image: { size: 32, patch: 8 }, ";
  const std::map<std::string, std::string> files{
      {"masked.yaml",
       "task: multimodal\nsteps: 100\nglobal_batch: 32\n" + image + "objectives: { masked_image: 1 } }\n"},
      {"full.yaml", "task: multimodal\nsteps: 50\n" + image + "head: { classes: 5 }, transfer: { method: full } }\n"},
      {"probe.yaml", "task: multimodal\nsteps: 50\n" + image +
                         "head: { classes: 4 }, transfer: { method: probe } }\ndata: { make: { samples: 256 } }\n"},
      {"toy.yaml", "task: toy\nsteps: 400\n"}};
  const auto at = files.find(path);
  if (at == files.end()) {
    Diagnostic d{fmt::format("cannot read {}", path)};
    d.hint = "it is not there";
    return fail(std::move(d));
  }
  auto json = app::yaml_to_json(at->second, path);
  if (!json) return tl::make_unexpected(std::move(json.error()));
  return app::job_of(*std::move(json), path);
}

inline const std::string kSmallCatalogue =
    "version: 1\n"
    "jobs:\n"
    "  base:\n"
    "    file: masked.yaml\n"
    "    kind: pretrain\n"
    "    live: { gpus: 2, step: 50ms, set: { steps: 20 } }\n"
    "    cluster: { gpus: { 8: 1, 16: 3 }, mfu: 0.5, spread: 0.4, set: { steps: 5000, global_batch: 256,\n"
    "      model: { image: { size: 64, width: 256, layers: 4 } } } }\n"
    "  tune:\n"
    "    file: full.yaml\n"
    "    kind: transfer\n"
    "    share: 4\n"
    "    after: { base: { hard: [0.5, 1], soft: 0.3 } }\n"
    "    live: { step: 20ms }\n"
    "    cluster: { gpus: 2 }\n"
    "  look:\n"
    "    file: probe.yaml\n"
    "    kind: eval\n"
    "    share: 0.5\n"
    "    after: { base: { hard: [0.25, 1] }, tune: { hard: [1] } }\n"
    "    live: { step: 5ms }\n"
    "    cluster: { gpus: 1 }\n";

inline Expected<std::shared_ptr<const app::CatalogueFile>> read_small(const std::string& text = kSmallCatalogue) {
  return app::read_catalogue_text("c.yaml", text, load_small, &kH200Node);
}

// As the generator wants it.
inline std::shared_ptr<const Catalogue> shipped_catalogue() {
  const auto file = app::read_catalogue(kShippedCatalogue).value();
  return {file, &file->catalogue};
}

}  // namespace orrery::test
