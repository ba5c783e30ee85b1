#include "sim/models/training/multimodal_config.hpp"

#include <fmt/format.h>

#include <functional>
#include <string_view>
#include <vector>

#include "sim/core/joined.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;
constexpr std::int64_t kLargest = 1'000'000;

// For messages; what is no UTF-8 is shown as the replacement character.
std::string as_found(const Json& j) {
  return json_line(j);
}

// One object of known keys; collects every error.
class Reader {
 public:
  using Keys = std::vector<std::pair<std::string_view, std::function<void(const Json&, const std::string&)>>>;

  void object(const Json& j, const std::string& path, const Keys& keys) {
    if (!j.is_object()) return complain(path, "is not a set of keys");
    std::vector<std::string_view> names;
    for (const auto& [name, handler] : keys) {
      names.push_back(name);
      if (const auto at = j.find(name); at != j.end()) handler(*at, fmt::format("{}.{}", path, name));
    }
    for (const auto& item : j.items()) {
      const bool known = std::find(names.begin(), names.end(), item.key()) != names.end();
      if (known) continue;
      Diagnostic d{fmt::format("unknown key `{}.{}`", path, item.key())};
      const std::string_view near = closest(item.key(), names);
      if (!near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
      d.notes = {fmt::format("keys here: {}", joined(names, ", "))};
      errors_.push_back(std::move(d));
    }
  }
  auto whole(std::int64_t& into, std::int64_t least = 1) {
    return [this, &into, least](const Json& j, const std::string& path) {
      if (j.is_number_integer() && j >= least && j <= kLargest) {
        into = j;
      } else {
        complain(path, fmt::format("is {}, not a whole number from {} to {}", as_found(j), least, kLargest));
      }
    };
  }
  auto number(double& into) {
    return [this, &into](const Json& j, const std::string& path) {
      if (j.is_number() && j >= 0 && j <= 1e6) {
        into = j;
      } else {
        complain(path, fmt::format("is {}, not a number from 0 on", as_found(j)));
      }
    };
  }
  template <class Enum>
  auto choice(Enum& into, std::vector<std::string_view> names) {
    return [this, &into, names](const Json& j, const std::string& path) {
      const std::string* const name = j.get_ptr<const std::string*>();
      for (std::size_t i = 0; name != nullptr && i < names.size(); ++i)
        if (*name == names[i]) return void(into = static_cast<Enum>(i));
      complain(path, fmt::format("is {}, not one of {}", as_found(j), joined(names, ", ")));
    };
  }
  void complain(const std::string& path, std::string what) {
    errors_.push_back(Diagnostic{fmt::format("`{}` {}", path, what)});
  }
  [[nodiscard]] const std::vector<Diagnostic>& errors() const { return errors_; }

 private:
  std::vector<Diagnostic> errors_;
};

const std::vector<std::string_view> kFusionNames{"none", "concatenation", "gated", "cross_attention"};
const std::vector<std::string_view> kInputNames{"text", "image", "audio", "fused"};
const std::vector<std::string_view> kMethodNames{"full", "lora", "probe"};
const std::vector<std::string_view> kPrecisionNames{"fp32", "bf16"};

Reader::Keys stack_keys(Reader& r, StackConfig& s) {
  return {{"width", r.whole(s.width)},
          {"layers", r.whole(s.layers, 0)},
          {"heads", r.whole(s.heads)},
          {"mlp", r.whole(s.mlp)}};
}

Reader::Keys with(Reader::Keys keys, Reader::Keys more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

// What all stacks of a preset are.
std::optional<StackConfig> preset_stack(const Json& j, Reader& r, const std::string& path) {
  if (!j.is_object() || !j.contains("preset")) return StackConfig{};
  const Json& name = j["preset"];
  if (name == "tiny") return StackConfig{64, 2, 4, 4};
  if (name == "small") return StackConfig{384, 6, 6, 4};
  if (name == "base") return StackConfig{768, 12, 12, 4};
  r.complain(path + ".preset", fmt::format("is {}, not one of tiny, small, base", as_found(name)));
  return std::nullopt;
}

nlohmann::ordered_json with_stack(nlohmann::ordered_json j, const StackConfig& s) {
  j["width"] = s.width;
  j["layers"] = s.layers;
  j["heads"] = s.heads;
  j["mlp"] = s.mlp;
  return j;
}

}  // namespace

Expected<ModelConfig> read_model_config(const Json& json, const std::string& root) {
  ModelConfig m;
  Reader r;
  const StackConfig stack = preset_stack(json, r, root).value_or(StackConfig{});
  m.fusion.stack = {stack.width, 1, stack.heads, stack.mlp};
  m.embedding = stack.width;
  const auto modality = [&r, &stack](auto& slot, auto keys) {
    return [&r, &stack, &slot, keys](const Json& j, const std::string& path) {
      slot.emplace();
      slot->stack = stack;
      r.object(j, path, with(keys(*slot), stack_keys(r, slot->stack)));
    };
  };
  r.object(
      json, root,
      {{"preset", [](const Json&, const std::string&) {}},
       {"text", modality(m.text,
                         [&r](TextConfig& t) {
                           return Reader::Keys{{"vocabulary", r.whole(t.vocabulary)}, {"length", r.whole(t.length)}};
                         })},
       {"image", modality(m.image,
                          [&r](ImageConfig& i) {
                            return Reader::Keys{{"size", r.whole(i.size)},
                                                {"patch", r.whole(i.patch)},
                                                {"channels", r.whole(i.channels)}};
                          })},
       {"audio", modality(m.audio,
                          [&r](AudioConfig& a) {
                            return Reader::Keys{{"mels", r.whole(a.mels)},
                                                {"frames", r.whole(a.frames)},
                                                {"patch_mels", r.whole(a.patch_mels)},
                                                {"patch_frames", r.whole(a.patch_frames)}};
                          })},
       {"fusion",
        [&](const Json& j, const std::string& path) {
          r.object(j, path, with({{"kind", r.choice(m.fusion.kind, kFusionNames)}}, stack_keys(r, m.fusion.stack)));
        }},
       {"embedding", r.whole(m.embedding)},
       {"precision", r.choice(m.precision, kPrecisionNames)},
       {"objectives",
        [&](const Json& j, const std::string& path) {
          ObjectiveConfig& o = m.objectives;
          r.object(j, path,
                   {{"contrastive", r.number(o.contrastive)},
                    {"masked_text", r.number(o.masked_text)},
                    {"masked_image", r.number(o.masked_image)},
                    {"text_ratio", r.number(o.text_ratio)},
                    {"image_ratio", r.number(o.image_ratio)}});
        }},
       {"head",
        [&](const Json& j, const std::string& path) {
          m.head.emplace();
          r.object(j, path, {{"classes", r.whole(m.head->classes)}, {"input", r.choice(m.head->input, kInputNames)}});
        }},
       {"transfer", [&](const Json& j, const std::string& path) {
          m.transfer.emplace();
          r.object(j, path,
                   {{"method", r.choice(m.transfer->method, kMethodNames)},
                    {"rank", r.whole(m.transfer->rank)},
                    {"alpha", r.number(m.transfer->alpha)}});
        }}});
  if (!r.errors().empty()) return tl::make_unexpected(Error(r.errors()));
  if (const std::string why = why_invalid(m); !why.empty())
    return fail(fmt::format("`{}` makes no model: {}", root, why));
  return m;
}

nlohmann::ordered_json to_json(const ModelConfig& m) {
  nlohmann::ordered_json j;
  if (m.text) j["text"] = with_stack({{"vocabulary", m.text->vocabulary}, {"length", m.text->length}}, m.text->stack);
  if (m.image)
    j["image"] = with_stack({{"size", m.image->size}, {"patch", m.image->patch}, {"channels", m.image->channels}},
                            m.image->stack);
  if (m.audio)
    j["audio"] = with_stack({{"mels", m.audio->mels},
                             {"frames", m.audio->frames},
                             {"patch_mels", m.audio->patch_mels},
                             {"patch_frames", m.audio->patch_frames}},
                            m.audio->stack);
  const auto name = [](const std::vector<std::string_view>& names, auto value) {
    return std::string(names[static_cast<std::size_t>(value)]);
  };
  j["fusion"] = with_stack({{"kind", name(kFusionNames, m.fusion.kind)}}, m.fusion.stack);
  j["embedding"] = m.embedding;
  j["precision"] = name(kPrecisionNames, m.precision);
  const ObjectiveConfig& o = m.objectives;
  j["objectives"] = {{"contrastive", o.contrastive},
                     {"masked_text", o.masked_text},
                     {"masked_image", o.masked_image},
                     {"text_ratio", o.text_ratio},
                     {"image_ratio", o.image_ratio}};
  if (m.head) j["head"] = {{"classes", m.head->classes}, {"input", name(kInputNames, m.head->input)}};
  if (m.transfer)
    j["transfer"] = {
        {"method", name(kMethodNames, m.transfer->method)}, {"rank", m.transfer->rank}, {"alpha", m.transfer->alpha}};
  return j;
}

}  // namespace orrery
