// See new_policy.hpp.
#include "scenarios/run/new_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <utility>

#include "backend/protocol/files.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/new_policy_texts.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;
constexpr const char* kRegistry = "policies/registry.inc";

struct NewFile {
  std::string path;
  std::string text;
};

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

// Names that would stand for something else in what is written: modules that the Python programs load and would find
// beside themselves, targets that CMake makes, names of the tree.
constexpr std::array kPythonModules{
    "abc",         "argparse",  "ast",        "base64",      "binascii", "bisect",    "bz2",       "codecs",
    "collections", "copyreg",   "csv",        "contextlib",  "dis",      "encodings", "enum",      "errno",
    "fcntl",       "fnmatch",   "functools",  "genericpath", "glob",     "heapq",     "importlib", "inspect",
    "io",          "ipaddress", "itertools",  "json",        "keyword",  "linecache", "locale",    "lzma",
    "math",        "ntpath",    "opcode",     "operator",    "os",       "pathlib",   "posixpath", "random",
    "re",          "reprlib",   "select",     "selectors",   "shutil",   "signal",    "site",      "stat",
    "string",      "struct",    "subprocess", "sys",         "tempfile", "threading", "time",      "token",
    "tokenize",    "traceback", "types",      "typing",      "urllib",   "warnings",  "weakref",   "zipfile",
    "zipimport",   "zlib"};
constexpr std::array kCmakeTargets{"all",     "clean",          "edit_cache", "help",          "install",
                                   "package", "package_source", "preinstall", "rebuild_cache", "test"};
constexpr std::array kTreeNames{"emulated", "find", "make"};

// "by_age" is a class ByAgePolicy, which nothing of Orrery is called.
std::string class_name(const std::string& name) {
  std::string out;
  bool upper = true;
  for (const char c : name) {
    if (c != '_') out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = c == '_';
  }
  return out + "Policy";
}

std::string filled(std::string_view text, const std::string& name) {
  std::string out = replaced(std::string(text), "BODY", kNewClass);
  out = replaced(std::move(out), "ROW", kNewRow);
  out = replaced(std::move(out), "SUPPORT", "\"tests/support/world.hpp\"");
  out = replaced(std::move(out), "CLASS", class_name(name));
  return replaced(std::move(out), "NAME", name);
}

std::string this_program() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).string();
}

// What the name is already where a policy of that kind would have it; empty: nothing.
std::string taken_by(const std::string& name, NewPolicyKind kind) {
  const auto is_of = [&name](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (kind == NewPolicyKind::python && is_of(kPythonModules)) return "a module of Python, which its programs load";
  if (kind == NewPolicyKind::library && is_of(kCmakeTargets)) return "a target of CMake";
  if (kind == NewPolicyKind::tree && is_of(kTreeNames)) return "what something of the tree begins with";
  return {};
}

// As it can be typed from here: who runs it by a script, or from a build, may have no `orrery` to call.
std::string how_to_call() {
  std::error_code ignored;
  const std::string program = this_program();
  const std::string from_here = fs::proximate(program, ignored).string();
  return from_here.empty() || from_here.starts_with("..") ? program : from_here;
}

Expected<void> check_name(const std::string& name, NewPolicyKind kind) {
  bool good = !name.empty() && name.front() >= 'a' && name.front() <= 'z' && name.size() <= 40;
  for (const char c : name) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
  if (!good) {
    Diagnostic d{fmt::format("`{}` is no name for a policy", name)};
    d.hint = "small letters, digits and `_`, a letter first";
    return fail(std::move(d));
  }
  if (find_policy(name) != nullptr || name == kExternal)
    return fail(Diagnostic{fmt::format("there is a policy `{}` already", name)});
  if (const std::string what = taken_by(name, kind); !what.empty()) {
    Diagnostic d{fmt::format("`{}` is {}", name, what)};
    d.hint = fmt::format("such as `by_{}`", name);
    return fail(std::move(d));
  }
  return {};
}

// Writes all or, where one is there, none.
Expected<void> write_new(const std::vector<NewFile>& files) {
  std::error_code error;
  for (const NewFile& f : files)
    if (fs::exists(f.path, error)) return fail(Diagnostic{fmt::format("`{}` is there already, and is kept", f.path)});
  for (const NewFile& f : files) {
    if (const std::string folder = fs::path(f.path).parent_path().string(); !folder.empty())
      if (auto ok = live::make_folders(folder); !ok) return tl::make_unexpected(std::move(ok.error()));
    if (auto ok = write_text_file(f.path, f.text); !ok) return ok;
  }
  return {};
}

std::string list_of(const std::vector<NewFile>& files) {
  std::string out;
  for (const NewFile& f : files) out += fmt::format("  {}\n", f.path);
  return out;
}

std::vector<NewFile> outside_files(const std::string& name, const std::string& folder, std::string_view policy) {
  const std::string scenario = filled(replaced(std::string(kNewScenario), "POLICY", policy), name);
  const std::string test = replaced(filled(kNewTest, name), "PROGRAM", this_program());
  return {{folder + "/" + name + ".yaml", scenario},
          {folder + "/jobs.csv", std::string(kNewJobs)},
          {folder + "/" + name + "_test.py", test}};
}

Expected<std::string> new_python(const std::string& name, const std::string& folder) {
  std::vector<NewFile> files = outside_files(name, folder, kPythonPolicy);
  files.insert(files.begin(), {folder + "/" + name + ".py", filled(kNewPython, name)});
  if (auto ok = write_new(files); !ok) return tl::make_unexpected(std::move(ok.error()));
  return fmt::format(
      "{0}the policy is {1}/{2}.py; to run it:\n  {3} compare {1}/{2}.yaml\nits test:\n"
      "  python3 {1}/{2}_test.py\n",
      list_of(files), folder, name, how_to_call());
}

Expected<std::string> new_library(const std::string& name, const std::string& folder) {
  std::vector<NewFile> files = outside_files(name, folder, kLibraryPolicy);
  files.insert(files.begin(), {folder + "/CMakeLists.txt", filled(kNewCmake, name)});
  files.insert(files.begin(), {folder + "/" + name + ".cpp", filled(kNewLibrary, name)});
  if (auto ok = write_new(files); !ok) return tl::make_unexpected(std::move(ok.error()));
  return fmt::format(
      "{0}the policy is {1}/{2}.cpp; to build it (PREFIX: where Orrery is installed) and run it:\n"
      "  cmake -S {1} -B {1}/build -DCMAKE_PREFIX_PATH=PREFIX && cmake --build {1}/build\n"
      "  orrery compare {1}/{2}.yaml\nits test:\n  python3 {1}/{2}_test.py\n",
      list_of(files), folder, name);
}

Expected<std::string> new_in_tree(const std::string& name) {
  const auto registry = read_text_file(kRegistry);
  if (!registry) {
    Diagnostic d{fmt::format("there is no `{}` here: --tree writes into Orrery's own tree", kRegistry)};
    d.hint = "change to its root, or leave out --tree";
    return fail(std::move(d));
  }
  const std::string line = fmt::format("P({})\n", name);
  if (registry->find("\n" + line) != std::string::npos)
    return fail(Diagnostic{fmt::format("{} lists `{}` already", kRegistry, name)});
  const std::vector<NewFile> files{{fmt::format("policies/order/{}.cpp", name), filled(kNewInTree, name)},
                                   {fmt::format("tests/policies/{}_test.cpp", name), filled(kNewTreeTest, name)},
                                   {fmt::format("scenarios/policies/{}.yaml", name), filled(kNewTreeScenario, name)}};
  if (auto ok = write_new(files); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = write_text_file(kRegistry, *registry + line); !ok) return tl::make_unexpected(std::move(ok.error()));
  return fmt::format(
      "{0}  {1} (one line more)\nthe policy is policies/order/{2}.cpp; to build and run it:\n"
      "  ./scripts/orrery compare scenarios/policies/{2}.yaml\nits test:\n"
      "  scripts/build release orrery_tests && build/release/orrery_tests '[{2}]'\n"
      "policies/README.md says what else belongs to a policy of the tree\n",
      list_of(files), kRegistry, name);
}

}  // namespace

Expected<std::string> write_new_policy(const std::string& name, NewPolicyKind kind, const std::string& folder) {
  if (auto ok = check_name(name, kind); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (kind == NewPolicyKind::tree) return new_in_tree(name);
  return kind == NewPolicyKind::library ? new_library(name, folder) : new_python(name, folder);
}

}  // namespace orrery::app
