// See catalogue_file.hpp.
#include "scenarios/spec/catalogue_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "scenarios/spec/yaml_walk.hpp"
#include "sim/core/json.hpp"
#include "sim/models/training/memory.hpp"
#include "sim/models/training/multimodal_config.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::int64_t kMostSteps = 10'000'000'000, kMostBatch = 10'000'000;
const char* const kTowers[] = {"text", "image", "audio", "fusion"};

class Reader {
 public:
  Reader(const std::string& file, const std::string& text, const JobLoader& load, const TrainingDevice* device)
      : file_(file),
        walk_(file, text, {}, "a catalogue is a map of keys (version, jobs)"),
        load_(load),
        device_(device),
        out_(std::make_shared<CatalogueFile>()) {
    out_->catalogue.file = file;
  }

  Expected<std::shared_ptr<const CatalogueFile>> read() {
    if (walk_.root().node.is_map()) read_root();
    if (!walk_.errors().empty()) return tl::make_unexpected(Error(std::move(walk_.errors())));
    return std::shared_ptr<const CatalogueFile>(std::move(out_));
  }

 private:
  struct Places {
    Place file{}, kind{}, share{}, after{}, live{}, cluster{};
  };

  // clang-format off
  void read_root() {
    bool versioned = false;
    Place jobs{};
    walk_.section(walk_.root(), {
        {"version", [&](const Place& p) { versioned = true; walk_.version_1(p); }},
        {"jobs", [&](const Place& p) { jobs = p; }},
    });
    if (!versioned) walk_.missing(walk_.root(), "version", "write `version: 1`");
    if (jobs.path.empty()) return walk_.missing(walk_.root(), "jobs", "the kinds of jobs, by name");
    if (jobs.node.is_map())
      for (const auto& [name, job] : jobs.node.entries())
        if (name.is_value()) all_names_.push_back(name.text());
    walk_.section(jobs, {}, [&](const std::string& name, const Place& p) { read_job(name, p); });
    if (all_names_.empty()) walk_.complain(jobs, "the catalogue has no jobs");
  }

  void read_job(const std::string& name, const Place& at) {
    const std::size_t before = walk_.errors().size();
    Places places;
    walk_.section(at, {
        {"file", [&](const Place& p) { places.file = p; }},
        {"kind", [&](const Place& p) { places.kind = p; }},
        {"share", [&](const Place& p) { places.share = p; }},
        {"after", [&](const Place& p) { places.after = p; }},
        {"live", [&](const Place& p) { places.live = p; }},
        {"cluster", [&](const Place& p) { places.cluster = p; }},
    });
    if (!at.node.is_map()) return;
    CatalogueJob job;
    job.name = name;
    if (places.kind.path.empty()) walk_.missing(at, "kind", "pretrain, transfer or eval");
    else job.kind = kind_of(walk_.choice(places.kind, {"pretrain", "transfer", "eval"}));
    if (!places.share.path.empty()) job.share = walk_.number(places.share);
    if (job.kind == JobKind::eval && job.share > 1)
      walk_.complain(places.share, fmt::format("`{}` of an evaluation is a probability", places.share.path));
    const bool parents_good = read_after(places.after, job);
    if (job.kind != JobKind::pretrain && places.after.path.empty())
      walk_.missing(at, "after", "the jobs that it can descend from");
    if (places.file.path.empty()) walk_.missing(at, "file", "the job file, which the trainer reads, too");
    if (places.live.path.empty()) walk_.missing(at, "live", "the size at which it is trained live");
    if (places.cluster.path.empty()) walk_.missing(at, "cluster", "the size at which it is simulated");
    if (walk_.errors().size() == before && parents_good) read_sizes(places, job);
    if (walk_.errors().size() == before && parents_good) good_.insert(name);
    out_->catalogue.jobs.push_back(std::move(job));
  }

  // False where a parent is wrong, so that nothing can be said of the child.
  bool read_after(const Place& at, CatalogueJob& job) {
    if (at.path.empty()) return true;
    const std::size_t before = walk_.errors().size();
    bool good = true;
    walk_.section(at, {}, [&](const std::string& name, const Place& p) {
      const Catalogue& known = out_->catalogue;
      const CatalogueJob* parent = known.find(name);
      if (parent == nullptr) return no_parent(name, p, job);
      good = good && good_.count(name) > 0;
      if (parent->kind == JobKind::eval)
        walk_.complain(walk_.key_of(p), fmt::format("`{}`: an evaluation publishes nothing to start from", p.path));
      CatalogueParent edge;
      edge.job = static_cast<std::size_t>(parent - known.jobs.data());
      walk_.section(p, {
          {"hard", [&](const Place& q) { read_points(q, edge); }},
          {"soft", [&](const Place& q) {
             edge.soft = walk_.number(q);
             if (edge.soft > 1) walk_.complain(q, fmt::format("`{}` is a probability, at most 1", q.path));
             if (job.kind == JobKind::eval)
               walk_.complain(q, fmt::format("`{}`: an evaluation waits for what it is of; give `hard`", q.path));
           }},
      });
      if (p.node.is_map() && edge.hard_per_mille.empty() && edge.soft <= 0)
        walk_.complain(p, fmt::format("`{}` says neither `hard` (a list of progress) nor `soft`", p.path));
      job.after.push_back(std::move(edge));
    });
    if (at.node.is_map() && at.node.size() == 0) walk_.complain(at, fmt::format("`{}` names no job", at.path));
    return good && walk_.errors().size() == before;
  }

  void read_points(const Place& at, CatalogueParent& edge) {
    walk_.each(at, [&](const Place& p) {
      const double progress = walk_.number(p);
      const auto per_mille = static_cast<std::int32_t>(std::min(progress, 2.0) * 1000 + 0.5);
      if (per_mille < 1 || per_mille > 1000)
        walk_.complain(p, fmt::format("`{}` is a parent's progress, from 0.001 to 1", p.path));
      edge.hard_per_mille.push_back(per_mille);
    });
    auto& points = edge.hard_per_mille;
    std::sort(points.begin(), points.end());
    if (std::adjacent_find(points.begin(), points.end()) != points.end())
      walk_.complain(at, fmt::format("`{}` has the same progress twice", at.path));
  }
  // clang-format on

  void no_parent(const std::string& name, const Place& p, const CatalogueJob& job) {
    if (name == job.name || std::find(all_names_.begin(), all_names_.end(), name) != all_names_.end())
      return walk_.complain(
          walk_.key_of(p),
          fmt::format("`{}` cannot descend from `{}`, which does not stand above it", job.name, name),
          "parents come first");
    const std::vector<std::string_view> names(all_names_.begin(), all_names_.end());
    const std::string_view near = closest(name, names);
    walk_.complain(walk_.key_of(p),
                   fmt::format("`{}` descends from `{}`, which the catalogue has not", job.name, name),
                   near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  }

  static JobKind kind_of(const std::string& word) {
    return word == "eval" ? JobKind::eval : word == "transfer" ? JobKind::transfer : JobKind::pretrain;
  }

  void read_sizes(const Places& places, CatalogueJob& job) {
    const std::string path = (fs::path(file_).parent_path() / walk_.word(places.file)).lexically_normal().string();
    auto loaded = load_(path);
    if (!loaded) {
      for (Diagnostic& d : loaded.error().items) {
        if (d.where.file.empty()) d.where = walk_.where(places.file);
        walk_.add(std::move(d));
      }
      return;
    }
    const Json task = loaded->config->value("task", Json());
    if (task != "multimodal")
      return walk_.complain(
          places.file, fmt::format("`{}` trains `{}`; a catalogue is of jobs with `task: multimodal`",
                                   places.file.path, task.is_string() ? task.get<std::string>() : task.type_name()));
    const std::size_t before = walk_.errors().size();
    JobFile live = *loaded, cluster = *std::move(loaded);
    std::vector<JobFile> grid;
    read_size(places.live, SizeName::live, job, live, &grid);
    inherit_towers(job, *cluster.config);
    read_size(places.cluster, SizeName::cluster, job, cluster);
    if (walk_.errors().size() > before) return;
    const Json& data = live.config->value("data", Json::object());
    const Json& made = data.is_object() ? data.value("make", Json::object()) : data;
    job.task = made.is_object() && made.contains("kind") && made["kind"].is_string() ? made["kind"].get<std::string>()
                                                                                     : job.name;
    check_pair(places, job);
    out_->live.emplace(job.name, std::move(live));
    if (!grid.empty()) out_->grids.emplace(job.name, std::move(grid));
  }

  // A child's towers at size `cluster` are its parents', whatever its file says.
  void inherit_towers(const CatalogueJob& job, Json& config) const {
    if (!config.contains("model") || !config["model"].is_object()) return;
    for (const char* tower : kTowers) {
      if (!config["model"].contains(tower)) continue;
      for (const CatalogueParent& p : job.after) {
        const Json parent = to_json(out_->catalogue.jobs[p.job].cluster.run.model);
        const Passes has = passes(out_->catalogue.jobs[p.job].cluster.run.model);
        const bool there = std::string_view(tower) == "fusion" ? has.fusion > 0 : parent.contains(tower);
        if (!there) continue;
        config["model"][tower] = parent[tower];
        break;
      }
    }
  }

  // `grid`: of size `live` only.
  // clang-format off
  void read_size(const Place& at, SizeName name, CatalogueJob& job, JobFile& file,
                 std::vector<JobFile>* grid = nullptr) {
    CatalogueSize& size = name == SizeName::live ? job.live : job.cluster;
    size.where = walk_.where(at);
    size.gpus.emplace_back(1, 1.0);
    const std::size_t before = walk_.errors().size();
    Place set{}, gpus{}, members{};
    YamlWalk::ReadKeys keys{
        {"gpus", [&](const Place& p) { gpus = p; size.gpus = read_gpus(p); }},
        {"set", [&](const Place& p) { set = p; read_set(p, file); }},
    };
    if (name == SizeName::live) {
      keys.push_back({"step", [&](const Place& p) { size.step = walk_.positive(p, parse_duration); }});
      keys.push_back({"grid", [&](const Place& p) { members = p; }});
    } else {
      keys.push_back({"mfu", [&](const Place& p) {
        size.run.utilisation = walk_.number(p);
        if (size.run.utilisation > 1) walk_.complain(p, fmt::format("`{}` is a share, at most 1", p.path));
      }});
      keys.push_back({"spread", [&](const Place& p) {
        size.spread = walk_.number(p);
        if (size.spread > 3) walk_.complain(p, fmt::format("`{}` is of ln(work), at most 3", p.path));
      }});
    }
    walk_.section(at, keys);
    if (walk_.errors().size() > before) return;
    if (name == SizeName::live && size.step.ns == 0)
      walk_.missing(at, "step", "what a step takes on one of this machine's slots, such as 50ms");
    if (!members.path.empty()) *grid = read_grid(members, file);
    if (walk_.errors().size() > before) return;
    read_run(set.path.empty() ? at : set, size, file);
    if (walk_.errors().size() == before && name == SizeName::cluster) check_gpus(gpus.path.empty() ? at : gpus, job);
  }

  Mix read_gpus(const Place& at) {
    if (at.node.is_value()) return Mix(1, {static_cast<std::int32_t>(walk_.integer(at, 1, 65536)), 1.0});
    Mix mix;
    walk_.section(at, {}, [&](const std::string& key, const Place& weight) {
      const auto one = parse_gpu_mix(key);
      if (!one || one->front().first < 1 || one->front().first > 65536)
        walk_.complain(walk_.key_of(weight), fmt::format("`{}` in {} is no number of GPUs", key, at.path));
      else
        mix.emplace_back(one->front().first, walk_.number(weight));
    });
    if (mix.empty()) mix.emplace_back(1, 1.0);
    return mix;
  }

  // Keys of the job file that are otherwise at this size; null takes one away.
  void read_set(const Place& at, JobFile& file) {
    change(at, {"steps", "global_batch", "micro_batch", "seed", "precision", "threads", "report_every", "save_every",
                "evaluate_every", "assess", "bucket_bytes", "optimizer", "model", "data", "evaluate"}, file);
  }

  // The members of a grid: the job as `set` makes it, but for what they try. Backbone, data and steps stay, so that
  // they may share a gang, features and run times.
  std::vector<JobFile> read_grid(const Place& at, const JobFile& file) {
    std::vector<JobFile> members;
    walk_.each(at, [&](const Place& p) {
      members.push_back(file);
      change(p, {"optimizer", "seed"}, members.back());
    });
    if (at.node.is_list() && members.empty())
      walk_.complain(at, fmt::format("`{}` has no members", at.path));
    return members;
  }

  void change(const Place& at, const std::vector<const char*>& allowed, JobFile& file) {
    const auto any = [](const Place&) {};
    YamlWalk::ReadKeys keys;
    for (const char* key : allowed) keys.push_back({key, any});
    const std::size_t before = walk_.errors().size();
    walk_.section(at, keys);
    if (walk_.errors().size() > before) return;
    auto patch = yaml_to_json(at.node.parsed(), file_);
    if (!patch) {
      for (Diagnostic& d : patch.error().items) walk_.add(std::move(d));
      return;
    }
    JsonBox config = file.config;
    config->merge_patch(*patch);
    if (auto again = job_of(std::move(config), file.path)) file = *std::move(again);
    else pass_on(at, again.error().items.front());
  }
  // clang-format on

  // What is wrong with the job that `set` makes, where `set` stands.
  void pass_on(const Place& at, const Diagnostic& d) {
    walk_.complain(at, fmt::format("`{}`: {}", at.path, d.message), d.hint, d.notes);
  }

  // What the file and `set` say of the model and of how it is trained.
  void read_run(const Place& at, CatalogueSize& size, const JobFile& file) {
    const Json& config = *file.config;
    const auto wrong = [&](const std::string& why) { walk_.complain(at, fmt::format("`{}`: {}", at.path, why)); };
    if (!config.contains("model")) return wrong("the job file has no `model`");
    auto model = read_model_config(config["model"]);
    if (!model) return pass_on(at, model.error().items.front());
    TrainingRun& run = size.run;
    run.model = *std::move(model);
    if (config.value("precision", Json("fp32")) == "bf16") run.model.precision = Precision::bf16;
    run.steps = file.steps;
    run.global_batch = file.global_batch;
    run.micro_batch = whole(config, "micro_batch");
    if (const auto data = config.find("data"); data != config.end() && data->is_object())
      if (const auto made = data->find("make"); made != data->end()) run.samples = whole(*made, "samples");
    if (run.steps > kMostSteps || run.global_batch > kMostBatch)
      return wrong(fmt::format("at most {} steps of {} samples", kMostSteps, kMostBatch));
    if (const std::string why = why_too_large(run); !why.empty()) return wrong(why);
    if (run.samples == 0 && run.model.head && run.model.transfer &&
        run.model.transfer->method == TransferMethod::probe)
      wrong("a probe's work follows from `data.make.samples`, which nothing says");
  }

  static std::int64_t whole(const Json& of, const char* key) {
    if (!of.is_object()) return 0;
    const auto at = of.find(key);
    if (at == of.end() || !at->is_number_integer()) return 0;
    return std::clamp<std::int64_t>(at->get<std::int64_t>(), 0, 1'000'000'000'000);
  }

  // A global batch is shared evenly, and what a GPU has to hold fits its memory.
  void check_gpus(const Place& at, const CatalogueJob& job) {
    const TrainingRun& run = job.cluster.run;
    for (const auto& [gpus, weight] : job.cluster.gpus) {
      if (run.global_batch % gpus != 0)
        return walk_.complain(at, fmt::format("`{}`: {} GPUs do not share a global batch of {} evenly", at.path, gpus,
                                              run.global_batch));
      if (device_ == nullptr || device_->memory_bytes <= 0) continue;
      const TrainingCost c = training_cost(run, gpus, *device_);
      if (fits_memory(c.state_bytes, c.activation_bytes, device_->memory_bytes)) continue;
      return walk_.complain(
          at,
          fmt::format("`{}`: on {} GPUs each has to hold {:.1f} GB (parameters, gradients and optimiser {:.1f} GB, "
                      "activations {:.1f} GB) and has {:.1f} GB",
                      at.path, gpus, ((c.state_bytes + c.activation_bytes) * kFragmentation + kReservedBytes) / 1e9,
                      c.state_bytes / 1e9, c.activation_bytes / 1e9, device_->memory_bytes / 1e9),
          c.activation_bytes > c.state_bytes ? "a smaller `micro_batch` keeps fewer activations" : "");
    }
  }

  // The two sizes are one architecture, and at both a child can start from its parents.
  void check_pair(const Places& places, const CatalogueJob& job) {
    if (const std::string why = why_other_architecture(job.live.run.model, job.cluster.run.model); !why.empty())
      walk_.complain(places.cluster,
                     fmt::format("`{}` is not `{}` grown: {}", places.cluster.path, places.live.path, why));
    for (const CatalogueParent& p : job.after) {
      const CatalogueJob& parent = out_->catalogue.jobs[p.job];
      for (const SizeName name : {SizeName::live, SizeName::cluster}) {
        const std::string why = why_no_child(parent.at(name).run.model, job.at(name).run.model);
        if (why.empty()) continue;
        walk_.complain(places.after, fmt::format("at size `{}`, `{}` cannot start from `{}`: {}", to_string(name),
                                                 job.name, parent.name, why));
        break;
      }
    }
  }

  const std::string& file_;
  YamlWalk walk_;
  const JobLoader& load_;
  const TrainingDevice* device_;
  std::shared_ptr<CatalogueFile> out_;
  std::vector<std::string> all_names_;  // also those further below
  std::set<std::string> good_;          // those without an error
};

}  // namespace

Expected<std::shared_ptr<const CatalogueFile>> read_catalogue_text(const std::string& file, const std::string& text,
                                                                   const JobLoader& load,
                                                                   const TrainingDevice* device) {
  return Reader(file, text, load, device).read();
}

Expected<std::shared_ptr<const CatalogueFile>> read_catalogue(const std::string& path, const TrainingDevice* device) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(text.error());
  return read_catalogue_text(path, *text, read_job_file, device);
}

}  // namespace orrery::app
