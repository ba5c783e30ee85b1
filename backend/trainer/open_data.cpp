#include "backend/trainer/open_data.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "backend/data/maker.hpp"
#include "sim/core/json.hpp"
#include "sim/core/random.hpp"

namespace orrery::trainer {

Expected<OpenData> open_data(const nlohmann::json& config, const char* key, const ModelConfig& model,
                             const TaskContext& context, bool training, bool shuffle) {
  const nlohmann::json& section = config.at(key);
  if (!section.is_object()) return fail(fmt::format("`{}` is not a set of keys", key));
  // Relative folders lie beside the job's own, where other jobs find the same data.
  const std::filesystem::path beside = std::filesystem::path(context.work_folder).parent_path();
  std::string folder = section.value("folder", "");
  if (!folder.empty()) folder = (beside / folder).string();
  if (const auto make = section.find("make"); make != section.end()) {
    const auto options = data::maker_options_from_json(make->dump());
    if (!options) return tl::make_unexpected(options.error());
    if (folder.empty()) {
      const std::uint64_t hash = hash64(data::to_json(*options));
      folder = (beside /
                fmt::format("data/{}-{:016x}", data::set_kind_names()[static_cast<std::size_t>(options->kind)], hash))
                   .string();
    }
    std::filesystem::create_directories(std::filesystem::path(folder).parent_path());
    if (const auto made = data::make_dataset(folder, *options); !made) return tl::make_unexpected(made.error());
  }
  if (folder.empty()) return fail(fmt::format("`{}` has neither `folder` nor `make`", key));
  auto dataset = data::Dataset::open(folder);
  if (!dataset) return tl::make_unexpected(dataset.error());
  const auto report = [](const std::string& text) { fmt::print(stderr, "data: {}\n", text); };
  for (const std::string& damage : dataset->damage()) report(damage);
  data::Tokenizer tokenizer = dataset->tokenizer();
  data::PreprocessOptions options{model, passes(model), training && section.value("augment", false),
                                  model.head.has_value(), context.seed};
  return OpenData{
      std::make_unique<data::Loader>(std::move(*dataset), data::Preprocessor(options, std::move(tokenizer)),
                                     context.seed, shuffle, report),
      folder};
}

}  // namespace orrery::trainer
