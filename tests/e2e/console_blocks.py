#!/usr/bin/env python3
"""Runs the commands that README and docs show, and compares what they print with what is shown.

  tests/e2e/console_blocks.py ORRERY [--long] [PAGE...]    prints `ok NAME`, `FAIL NAME` or `skip NAME` per command
  tests/e2e/console_blocks.py ORRERY --long --figures PAGE    and writes what the marked commands did into PAGE
  tests/e2e/console_blocks.py --self-test                  proves on made-up pages that the rules below hold

A block ```console holds commands (`$ ./scripts/orrery ...`), each followed by what it prints on standard output.
A command without such lines may print anything. In what is shown, `...` stands for any text within a line, and for
any number of lines where it is a line of its own. A command must exit with 0, within 20 s. The commands of a page
run in order in one folder, in which `scenarios` and `traces` are those of the repository.

`<!-- long: KIND -->` before a block leaves it to `--long`. KIND says what it needs: `traces` (recorded ones),
`engine` (real processes for a minute), `torch` (LibTorch) or `slow` (more than 20 s). Commands of orrery stand in no
other kind of block, so that nothing is shown that is not run.

`--figures PAGE` replaces the table behind the line `<!-- figures -->` of PAGE: a row per marked command with the day,
the commit, the seconds and the verdict of its last run. What was not run keeps its row; a command that is no more
loses it.
"""

import argparse
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KINDS = ("traces", "engine", "torch", "slow")
COMMAND = "./scripts/orrery "
FENCE = re.compile(r"^```(\w*)\s*$")
MARK = re.compile(r"^<!-- long: (\S+) -->$")
QUICK_S, LONG_S = 20, 1800
FIGURES = "<!-- figures -->\n"
FIGURES_HEAD = "| command | of | day | commit | seconds | |\n|---|---|---|---|---|---|\n"
NEVER = ("", "", "", "not run yet")


class Step:
    """One command of a page: where it stands, what it prints (None = anything), and what it needs."""

    def __init__(self, page, line, command, kind):
        self.page, self.line, self.command, self.kind = page, line, command, kind
        self.shown = None
        self.figure = None  # of a marked command that was run: day, commit, seconds, verdict

    def words(self):
        return re.sub(r"\s+#.*", "", self.command.removeprefix(COMMAND))

    def name(self):
        return f"{self.page}:{self.line}: {self.words()}"


def read_page(page, text):
    """The steps of a page and its mistakes, as (line, message)."""
    steps, wrong, kind, mark, fence = [], [], None, None, None
    for number, line in enumerate(text.split("\n"), 1):
        opened = FENCE.match(line)
        if fence is None and opened:
            fence, kind, mark = opened.group(1) or "text", mark, None
            first = len(steps)
            continue
        if fence is None:
            if line.strip():
                mark = MARK.match(line).group(1) if MARK.match(line) else None
                if mark is not None and mark not in KINDS:
                    wrong.append((number, f"`long: {mark}` is none of {', '.join(KINDS)}"))
            continue
        if line.startswith("```"):
            if fence == "console" and len(steps) == first:
                wrong.append((number, "a console block without a command"))
            fence = None
        elif fence != "console":
            if re.match(r"(\$ |\./scripts/orrery |orrery )", line):
                wrong.append((number, "a command outside of a console block: nothing runs it"))
        elif line.startswith("$ "):
            steps.append(Step(page, number, line[2:], kind))
            if not line.startswith("$ " + COMMAND):
                wrong.append((number, f"a command of a console block begins with {COMMAND}"))
        elif len(steps) == first:
            wrong.append((number, "a console block begins with a command"))
        else:
            steps[-1].shown = (steps[-1].shown or []) + [line]
    if fence is not None:
        wrong.append((text.count("\n") + 1, "a block that nothing ends"))
    return steps, wrong


def differs(shown, printed):
    """The first difference, in words; None when the lines are as shown."""
    pattern = []
    for line in shown:
        piece = ".*?".join(re.escape(p) for p in line.rstrip().split("..."))
        pattern.append(r"(?:[^\n]*\n)*?" if line.strip() == "..." else piece.replace(".*?", r"[^\n]*?") + "\n")
    text = "".join(line.rstrip() + "\n" for line in printed)
    if re.fullmatch("".join(pattern), text):
        return None
    for count in range(len(pattern), 0, -1):
        if re.match("".join(pattern[:count]), text):
            return f"shown and not printed: {shown[count]}" if count < len(shown) else "more is printed than shown"
    return f"shown and not printed: {shown[0]}"


def missing(kind, orrery, traces):
    """What a kind of block needs and is not here; None when all is there."""
    beside = orrery.parent
    return {"traces": None if traces else "no recorded traces",
            "engine": None if (beside / "orrery-paced").exists() else "no paced worker",
            "torch": None if (beside / "orrery-trainer").exists() else "no trainer"}.get(kind)


def run_page(steps, orrery, long, traces):
    """Prints the verdicts; how many are FAIL."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder, "orrery")
        (here / "scripts").mkdir(parents=True)
        for name in ("scenarios", "traces"):
            (here / name).symlink_to(ROOT / name)
        command = here / "scripts" / "orrery"
        command.write_text(f'#!/bin/sh\nexec "{orrery}" "$@"\n')
        command.chmod(0o755)
        if traces:
            pathlib.Path(folder, "shared").mkdir()
            pathlib.Path(folder, "shared", "traces").symlink_to(traces)
        for step in steps:
            if step.kind and not long:
                continue
            lacks = missing(step.kind, orrery, traces)
            if lacks:
                print(f"skip {step.name()} ({lacks})")
                continue
            began = time.monotonic()
            problem = run_step(step, here)
            step.figure = (datetime.date.today().isoformat(), commit_of(orrery), f"{time.monotonic() - began:.0f}",
                           "failed" if problem else "passed")
            print(f"FAIL {step.name()}\n{problem}" if problem else f"ok {step.name()}", flush=True)
            failed += bool(problem)
    return failed


def run_step(step, here):
    """What went wrong; None when nothing did."""
    limit = LONG_S if step.kind else QUICK_S
    environment = {k: v for k, v in os.environ.items() if k != "ORRERY_TRACES"}
    try:
        done = subprocess.run(["bash", "-c", step.command], cwd=here, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"it takes more than {limit} s" + ("" if step.kind else "; mark its block with <!-- long: slow -->")
    if done.returncode != 0:
        return f"exit {done.returncode}\n{done.stderr}"
    if step.shown is None:
        return None
    difference = differs(step.shown, done.stdout.splitlines())
    return difference and f"{difference}\nit prints:\n{done.stdout}"


def commit_of(orrery):
    """The commit that a program was built from, as it says itself."""
    said = subprocess.run([orrery, "--version"], capture_output=True, text=True).stdout
    named = re.search(r"\((\w+)", said)
    return named.group(1)[:7] + ("-dirty" if "-dirty" in said else "") if named else "unknown"


def with_figures(text, steps):
    """The text of a page with the table of figures made anew; None where the page has no place for it."""
    before, mark, behind = text.partition(FIGURES)
    if not mark:
        return None
    table = re.match(r"(?:\|.*\n)*", behind).group()
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()[2:]]
    known = {(row[0], row[1]): tuple(row[2:]) for row in rows if len(row) == 6}
    out = ""
    for step in steps:
        key = (f"`{step.words()}`", step.page)
        figure = step.figure or known.get(key, NEVER)
        out += f"| {' | '.join(key + figure)} |\n"
    return before + mark + FIGURES_HEAD + out + behind[len(table):]


def self_test():
    page = ("<!-- long: traces -->\n\n```console\n$ ./scripts/orrery a  # why\nb ... c\n...\n"
            "$ ./scripts/orrery d\n```\n")
    steps, wrong = read_page("p.md", page)
    assert [(s.kind, s.shown) for s in steps] == [("traces", ["b ... c", "..."]), ("traces", None)] and not wrong
    assert steps[0].name() == "p.md:4: a"
    run = "$ ./scripts/orrery a\n"
    assert read_page("p", f"<!-- long: slow -->\ntext\n```console\n{run}```\n")[0][0].kind is None
    for text, line in [("```console\n$ ls\n```\n", 2), (f"```\n{run}```\n", 2), ("```console\n```\n", 2),
                       ("```sh\norrery a\n```\n", 2), (f"```console\nx\n{run}```\n", 2),
                       ("<!-- long: moon -->\n", 1), (f"```console\n{run}", 3)]:
        assert line in [n for n, _ in read_page("p", text)[1]], text
    assert differs(["a", "...", "b 1... s"], ["a", "x", "y", "b 12.5 s"]) is None
    assert differs(["a", "..."], ["a"]) is None
    assert differs(["a.c"], ["abc"]) == "shown and not printed: a.c"
    assert differs(["a"], ["a", "b"]) == "more is printed than shown"
    assert differs(["a", "b"], ["a", "c"]) == "shown and not printed: b"
    assert differs(["a", "...", "c"], ["a", "b"]) == "shown and not printed: c"
    ran, kept = (Step("p.md", 1, COMMAND + words, "slow") for words in ("a", "b"))
    ran.figure = ("2026-02-02", "cafe", "31", "passed")
    row = "| `{}` | p.md | 2026-01-01 | beef | 9 | failed |\n"
    head = FIGURES + FIGURES_HEAD
    old = "x\n" + head + row.format("a") + row.format("gone") + row.format("b") + "\ny\n"
    new = "x\n" + head + "| `a` | p.md | 2026-02-02 | cafe | 31 | passed |\n" + row.format("b") + "\ny\n"
    assert with_figures(old, [ran, kept]) == new
    assert with_figures(FIGURES, [kept]) == head + "| `b` | p.md |  |  |  | not run yet |\n"
    assert with_figures("x\n", [ran]) is None
    print("ok console blocks: the rules hold on made-up pages")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("orrery", nargs="?", type=pathlib.Path)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--figures", type=pathlib.Path, metavar="PAGE")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_intermixed_args()
    if options.self_test:
        return self_test()
    if options.orrery is None:
        parser.error("which orrery?")
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True,
                            text=True).stdout.split()
    folder = pathlib.Path(os.environ.get("ORRERY_TRACES") or ROOT.parent / "shared" / "traces")
    traces = folder.resolve() if folder.is_dir() else None
    failed = count = 0
    marked = []
    every = sorted(p for p in listed if (ROOT / p).is_file())
    for page in every if options.figures else options.pages or every:
        steps, wrong = read_page(page, (ROOT / page).read_text(encoding="utf-8"))
        marked += [s for s in steps if s.kind]
        if options.pages and page not in options.pages:
            continue
        for line, message in wrong:
            print(f"FAIL {page}:{line}: {message}")
        # With --long, a page without a long block has nothing new to say.
        if options.long and not any(s.kind for s in steps):
            continue
        failed += len(wrong) + run_page(steps, options.orrery.resolve(), options.long, traces)
        count += len(steps)
    if options.figures:
        text = with_figures(options.figures.read_text(encoding="utf-8"), marked)
        if text is None:
            print(f"FAIL {options.figures}: no line `{FIGURES.strip()}`")
            return 1
        options.figures.write_text(text, encoding="utf-8")
    if not options.pages and count < 10:
        print(f"FAIL console blocks: only {count} commands found")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
