"""Proves the rules of scripts/tidy: each fires on a made-up tree, and stays silent on one that only looks like it."""

import pathlib
import sys
import tempfile

H = "// A header.\n#pragma once\n"
HOME = "/" + "home/somebody/traces"  # in two pieces, or this file would break the rule it tests
LISTED = "// Listed.\nP(fifo)\nP(size)\n"
ROWS = "const PolicyInfo fifo_policy = {};\nconst PolicyInfo size_policy = {};\n"

# (rule, files, lines where it must fire). No lines: the tree must pass every rule.
CASES = [
    ("layers", {"sim/core/a.cpp": '#include "sim/api/view.hpp"\n'}, [1]),
    ("layers", {"sim/models/a.cpp": '#include "sim/core/a.hpp"\n#include "sim/world/q.hpp"\n'}, [2]),
    ("layers", {"sim/control/a.cpp": '#include "sim/api/policy.hpp"\n#include "policies/registry.hpp"\n'}, [2]),
    ("layers", {"policies/parts/a.cpp": '#include "sim/control/a.hpp"\n'}, [1]),
    ("layers", {"sim/observe/log/a.cpp": '#include "sim/world/a.hpp"\n'}, [1]),
    ("layers", {"sim/world/a.cpp": '#include "sim/observe/log/a.hpp"\n'}, [1]),
    ("layers", {"scenarios/report/a.cpp": '#include "sim/observe/a.hpp"\n#include "sim/world/a.hpp"\n'}, [2]),
    ("layers", {"scenarios/spec/a.cpp": '#include "scenarios/run/a.hpp"\n'}, [1]),
    ("layers", {"scenarios/run/a.cpp": '#include "scenarios/spec/a.hpp"\n#include "scenarios/app/a.hpp"\n'}, [2]),
    ("layers", {"backend/protocol/a.cpp": '#include "backend/engine/a.hpp"\n'}, [1]),
    ("layers", {"backend/live/a.cpp": '#include "sim/models/a.hpp"\n#include "sim/world/a.hpp"\n'}, [2]),
    ("layers", {"traces/edit/a.cpp": '#include "sim/world/a.hpp"\n'}, [1]),
    ("layers", {"scenarios/app/a.cpp": '#include "tests/support/world.hpp"\n'}, [1]),
    ("layers", {"scenarios/app/a.cpp": '#include "backend/engine/b/process.hpp"\n'
                                       '#include "backend/engine/b/b_engine.hpp"\n',
                "backend/engine/b/b.cpp": '#include "backend/engine/b/b_engine.hpp"\n',
                "tests/a.cpp": '#include "backend/engine/b/b_engine.hpp"\n'}, [2]),
    ("layers", {"sim/core/a.cpp": '#include "b.hpp"\n#include "../b.hpp"\n'}, [1, 2]),
    ("layers", {"tests/a.cpp": '#include "sim/world/a.hpp"\n#include "backend/live/a.hpp"\n',
                "scenarios/app/a.cpp": '#include "traces/a.hpp"\n#include "orrery_version.hpp"\n'}, []),
    ("truth", {"policies/parts/a.cpp": '#include "sim/core/truth.hpp"\n'}, [1]),
    ("truth", {"sim/control/a.cpp": '#include "sim/core/b.hpp"\n',
               "sim/core/b.hpp": H + '#include "sim/core/truth.hpp"\n'}, [1]),
    ("truth", {"sim/world/a.cpp": '#include "sim/core/truth.hpp"\n'}, []),
    ("truth", {"policies/order/a.cpp": '#include "sim/api/known_gains.hpp"\n'}, [1]),
    ("truth", {"sim/control/a.cpp": '#include "sim/api/known_gains.hpp"\n'}, [1]),
    ("truth", {"policies/transfer/lineage_gains.hpp": H + '#include "sim/api/known_gains.hpp"\n'}, []),
    ("banned", {"sim/core/a.cpp": "#include <chrono>\nauto t = std::chrono::seconds(1);\n"}, [1, 2]),
    ("banned", {"policies/parts/a.cpp": "auto t = time(nullptr);\nauto u = std::time(&x);\nclock_gettime(a, b);\n"},
     [1, 2, 3]),
    ("banned", {"sim/core/a.cpp": 'f(std::getenv("X"));\ngettimeofday(a, b);\n'}, [1, 2]),
    ("banned", {"sim/core/a.cpp": "x = rand();\nstd::random_device d;\nstd::mt19937_64 g;\n"}, [1, 2, 3]),
    ("banned", {"sim/core/a.cpp": "std::uniform_int_distribution<int> d;\nstd::shuffle(a, b, g);\n"}, [1, 2]),
    ("banned", {"sim/core/a.cpp": "std::unordered_map<int, int> m;\n#include <unordered_set>\n"}, [1, 2]),
    ("banned", {"sim/core/a.cpp": "auto v = x | std::views::filter(f);\n"}, [1]),
    ("banned", {"sim/core/a.cpp": "std::unordered_map<int, int> m;  // tidy: allow\n"}, [1]),
    ("banned", {"sim/core/a.cpp": '// rand() and std::chrono\nf("getenv(");\n/* std::views\n time(0) */\n'
                                  "const Time next_time() const;\nx = gpu_time(0) + q.time(0);\n"
                                  "std::unordered_map<int, int> m;  // tidy: allow looked up, never walked\n",
                "scenarios/app/a.cpp": "std::chrono::seconds s;\n"}, []),
    ("libm", {"sim/models/a.cpp": "x = std::log(y);\nz = std::pow(a, b);\n"}, [1, 2]),
    ("libm", {"sim/core/random.cpp": "x = std::log(y);\n", "sim/models/a.cpp": "x = std::sqrt(y) + std::logic(1);\n"},
     []),
    ("private-names", {"sim/core/a.cpp": "namespace o {\nnamespace {\nint f(int x) { return x; }\n"
                                         "struct S {};\n}\n}\n",
                       "sim/core/b.cpp": "namespace o {\nnamespace {\nint f(int y = 2) {\n  if (y) return 1;\n}\n"
                                         "class S final : public T {\n  int f(int);\n};\n}\n}\n"}, [3, 6]),
    ("private-names", {"tests/a/a.cpp": "namespace {\nconstexpr int kA[] = {1, 2}, kB = 3;\nusing Z = int;\n}\n",
                       "tests/b/b.cpp": "static const auto kA = [] { return 1; }();\nnamespace {\nusing Z = long;\n"
                                        "template <class T>\nT g(T t) { return t; }\n}\n",
                       "tests/c/c.cpp": "namespace {\ntemplate <class T>\nT g(T other);\n}\n"}, [1, 2, 3]),
    ("private-names", {"sim/core/a.cpp": "namespace o {\nnamespace {\nint f(int x) { return x; }\n"
                                         "struct S {};\nusing J = a::b;\n}\n"
                                         "struct P { int f(int); };\nint P::f(int x) { return x; }\n}\n",
                       "sim/core/b.cpp": "namespace o {\nnamespace {\n"
                                         "int f(const std::string& x) { return 1; }\nusing J = a::b;\n"
                                         "struct S;\n}\nint P::g(int x) { return f(x); }\n}\n",
                       "sim/api/a.cpp": "namespace o {\nnamespace {\nint f(int x) { return x; }\n}\n}\n",
                       "tests/bench/a.cpp": "namespace {\nint h() { return 1; }\n}\n",
                       "tests/bench/b.cpp": "namespace {\nint h() { return 1; }\n}\n"}, []),
    ("private-names", {"CMakeLists.txt": 'orrery_layers(two "sim/core;sim/api" x)\norrery_layers(one sim/models x)\n',
                       "sim/core/a.cpp": "namespace o {\nnamespace {\nint f(int x) { return x; }\n}\n}\n",
                       "sim/api/a.cpp": "namespace o {\nnamespace {\nint f(int x) { return x; }\n}\n}\n",
                       "sim/models/a.cpp": "namespace o {\nnamespace {\nint f(int x) { return x; }\n}\n}\n"}, [3]),
    ("using", {"tests/a.hpp": H + "using namespace std;\n"}, [3]),
    ("using", {"tests/a.hpp": H + "using Time = int;\n", "tests/a.cpp": "using namespace orrery;\n"}, []),
    ("fast-math", {"CMakeLists.txt": "add_compile_options(-O2\n  -f" + "fast-math)\n"}, [2]),
    ("emulation", {"sim/world/a.cpp": "o.pause_per_event = 1;\nx = v.reported + w->reported;\n",
                   "tests/a.cpp": 'if (s.emulate == "muri") f(SplitRule::titan);\nDuration muri_toll();\n'},
     [1, 1, 2, 2]),
    ("emulation", {"policies/reference/a.hpp": H + "bool merge_ends;  // v.reported\n",
                   "sim/world/a.cpp": '// any_size\nif (s.emulate == "none") g("merge_ends", reported_);\n'}, []),
    ("registration", {"policies/registry.inc": LISTED, "policies/order/a.cpp": ROWS, "tests/a.cpp": 'run("fifo");\n'},
     [3]),
    ("registration", {"policies/registry.inc": LISTED + "P(new)\n", "policies/order/a.cpp": ROWS,
                      "tests/a.cpp": 'run("fifo", "size", "new");\n'}, [4]),
    ("registration", {"policies/registry.inc": LISTED,
                      "policies/order/a.cpp": ROWS + "const PolicyInfo z_policy = {};\n",
                      "tests/a.cpp": 'run("fifo", "size");\n'}, [3]),
    ("registration", {"policies/order/lonely.cpp": "int x;\n"}, [1]),
    ("registration", {"policies/registry.inc": LISTED, "policies/order/fifo.cpp": ROWS,
                      "policies/parts/a.cpp": "int x;\n", "sim/api/options.cpp": "int x;\n",
                      "tests/a.yaml": "policies: [fifo, size]\n"}, []),
    ("header", {"sim/core/a.hpp": "#pragma once\nint x;\n"}, [1]),
    ("header", {"sim/core/a.hpp": "// A header.\nint x;  // #pragma once\n"}, [1]),
    ("form", {"sim/core/a.cpp": "int x;\n" * 400}, [400]),
    ("form", {"scripts/a.py": "x = '" + "a" * 114 + "'\n"}, [1]),
    ("form", {"a.md": "one\n\ttwo\nthree \nfour"}, [2, 3, 4]),
    ("form", {"sim/core/a.cpp": "int x;\n" * 399, "scripts/a.py": "x = '" + "a" * 112 + "'\n",
              "a.md": "word " * 60 + "end\n", "tests/golden/a.txt": "a\tb \n"}, []),
    ("paths", {"a.md": f"Traces lie in {HOME}.\nSee http://" + "localhost:80/x.\n"}, [1, 2]),
    ("paths", {"a.md": "The folder tests/home/x, the ratio CPU/work and https://example.org/home.\n"}, []),
    ("documents", {"docs/a.md": "See [b](b.md), `docs/c.md` and\n[d](../d.md#part).\n", "d.md": "x\n", "b.md": "x\n"},
     [1, 1]),
    ("documents", {"sim/core/a.cpp": "// See notes.md 1.2.\nf(\"notes.md\");\n"}, [1]),
    ("documents", {"docs/a.md": "See [b](b.md#x), docs/b.md, [r](../README.md); https://example.org/z.md\n",
                   "docs/b.md": "a.md, `runs/x/compare.md` <!-- tidy: allow it is written by compare -->\n",
                   "README.md": "docs/a.md\n", "scripts/a": "x=$tmp/out.md\nf(\"compare.md\")  # docs/b.md\n"}, []),
    ("architecture", {"docs/architecture.md": "x\n```layers\nsim/none  sim/core : a\nsim/models : b\n```\n",
                      "sim/core/a.cpp": "int x;\n", "sim/models/a.cpp": "int x;\n", "traces/a.cpp": "int x;\n"},
     [3, 3, 4]),
    ("architecture", {"docs/architecture.md": "no picture\n", "sim/core/a.cpp": "int x;\n"}, [1]),
    ("architecture", {"docs/architecture.md": "```layers\nsim/models : sim/none is said only\nsim/core\n```\n",
                      "sim/core/a.cpp": "int x;\n", "sim/models/a.cpp": "int x;\n"}, []),
    ("tracked", {"a.csv": "1,2,3\n" * 100_000}, [1]),
    ("tracked", {"a.so": "x", "b.zst": "x"}, [1, 1]),
]


def run(check, rules):
    """Builds every tree in a temporary folder; prints what went wrong; 0 when nothing did."""
    wrong = [f"no case shows that rule {rule} fires" for rule in rules
             if not any(r == rule and lines for r, _, lines in CASES)]
    for number, (rule, files, lines) in enumerate(CASES):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            found = check(folder)
        if sorted(line for r, _, line, _ in found if r == rule) != lines or (not lines and found):
            wrong.append(f"case {number} ({rule}, {', '.join(files)}): expected lines {lines}, got {found}")
    for text in wrong:
        print(text)
    print(f"tidy --self-test: {len(CASES)} cases of {len(rules)} rules, {len(wrong)} wrong", file=sys.stderr)
    return 1 if wrong else 0
