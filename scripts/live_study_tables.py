"""What scripts/lineage_live_study reads of run folders, its statistics, and the tables that it writes."""

import collections
import csv
import json
import math
import pathlib
import re
import statistics
import sys
import types

from of_script import of_script

ROOT = pathlib.Path(__file__).resolve().parent.parent

Child = collections.namedtuple("Child", "name model gpus parents")  # parents: [(name, progress waited for; 0 = soft)]


# ---- statistics ----------------------------------------------------------------------------------------------------

def ratio_over_runs(x, y):
    """Geometric mean of x/y, paired: (ratio, low, high); the ends need two pairs."""
    logs = [math.log(a / b) for a, b in zip(x, y)]
    middle = statistics.mean(logs)
    if len(logs) < 2:
        return math.exp(middle), None, None
    t_quantile = of_script("lineage_study").t_quantile
    half = t_quantile(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def worse_than_alone(live, alone):
    return statistics.mean(live) < statistics.mean(alone) - (max(alone) - min(alone)) - 1e-12


def steps_to(target, curve):
    """Of the first evaluation at or above the target; None: there is none. `curve`: [(step, accuracy)]."""
    return next((step for step, value in sorted(curve) if value >= target), None)


def last(curve):
    return max(curve)[1] if curve else None


# ---- reading -------------------------------------------------------------------------------------------------------

def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def trace_of(scenario):
    found = re.search(r"(?m)^\s+trace:\s*(\S+)", scenario.read_text())
    if not found:
        sys.exit(f"lineage_live_study: {scenario} names no trace")
    return scenario.parent / found[1]


def children_of(rows):
    children = []
    for row in rows:
        edges = [edge for edge in (row.get("after") or "").split(";") if edge]
        parents = []
        for edge in edges:
            name, how = edge.split("@")
            kind, _, progress = how.partition(":")
            parents.append((name, 0.0 if kind == "soft" else float(progress or 1)))
        if parents:
            children.append(Child(row["job_id"], row["model"], int(row["gpus"]), parents))
    return children


def curve_in(folder):
    """[(step, accuracy)] of all launches of a job, a later one before an earlier one."""
    seen = {}
    launches = sorted(folder.glob("launch-*/metrics.jsonl"), key=lambda p: int(p.parent.name.split("-")[1]))
    for path in launches:
        for line in path.read_text().splitlines():
            numbers = json.loads(line)
            if "eval_accuracy" in numbers:
                seen[numbers["step"]] = numbers["eval_accuracy"]
    return sorted(seen.items())


# ---- tables --------------------------------------------------------------------------------------------------------

def line(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [line(cells), "|" + "---|" * len(cells)]


def spread(values, digits=1):
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def number(value):
    return "-" if value is None else f"{value:g}"


def metric(run, name):
    return run["summary"]["metrics"][name]["value"]


def policies_table(study, live):
    out = head(["policy", "mean JCT, s", "of children", "of parents", "beside", "makespan, s", "lineage makespan, s",
                "preemptions", "decisions replayed",
                "simulated on measured times: largest error of mean JCT, of makespan", "CPU of others"])
    children = {c.name for c in study.children}
    parents = {name for c in study.children for name, _ in c.parents}
    groups = [children, parents, set(study.names) - children - parents]
    for policy, runs in live.items():
        of = [spread([statistics.mean(r["jct_s"][n] for n in sorted(g)) for r in runs]) if g else "-" for g in groups]
        worst = [max((abs(r["replayed"][key]) for r in runs)) for key in ("mean_jct_error_pct", "makespan_error_pct")]
        replayed, decisions = (sum(r[key] for r in runs) for key in ("decisions_replayed", "decisions"))
        out.append(line([f"`{policy}`", spread([r["mean_jct_s"] for r in runs]), *of,
                         spread([r["makespan_s"] for r in runs]),
                         spread([metric(r, "lineage_makespan_s") for r in runs]),
                         spread([metric(r, "preemptions") for r in runs], 0), f"{replayed} of {decisions}",
                         f"{worst[0]:.2f} %, {worst[1]:.2f} %",
                         f"{max(r['others_cpu_pct'] for r in runs):.1f} %"]))
    return out


def gains_table(study, live, foretold):
    base = study.options.baseline
    out = head([f"mean JCT over that of `{base}`", "live", "foretold from the catalogue's steps",
                "from calibrated steps", "simulated on measured times"])
    for policy, runs in live.items():
        if policy == base:
            continue
        theirs = live[base]
        ratio, low, high = ratio_over_runs([r["mean_jct_s"] for r in runs], [r["mean_jct_s"] for r in theirs])
        cells = [f"{ratio:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]"),
                 f"{foretold[policy] / foretold[base]:.3f}"]
        for which in ("profiled", "replayed"):
            means = [statistics.mean(r[which]["mean_jct_s"] for r in rows) for rows in (runs, theirs)]
            cells.append(f"{means[0] / means[1]:.3f}")
        out.append(line([f"`{policy}`", *cells]))
    return out


def targets_of(study, alone):
    best = collections.defaultdict(float)
    for c in study.children:
        best[c.model] = max(best[c.model], statistics.mean(last(curve) for curve in alone[c.name].values()))
    return {model: round(study.options.target * value, 3) for model, value in best.items()}


def children_table(study, live, alone, targets):
    out = head(["child", "target", "alone: accuracy", "steps to target", *(
        text for p in live for text in (f"`{p}`: accuracy", "steps to target"))])
    verdict = {policy: {"worse": [], "equal": 0, "of": 0} for policy in live}
    for c in study.children:
        target = targets[c.model]

        def cells(curves):
            steps = [steps_to(target, curve) for curve in curves]
            return [spread([last(curve) for curve in curves], 3), ", ".join(map(number, steps))]

        own = alone[c.name]
        row = [c.name, f"{target:g}", *cells(list(own.values()))]
        for policy, runs in live.items():
            curves = [r["curves"][c.name] for r in runs]
            bad = worse_than_alone([last(curve) for curve in curves], [last(curve) for curve in own.values()])
            v = verdict[policy]
            v["worse"] += [c.name] if bad else []
            for run, curve in enumerate(curves, 1):
                v["of"] += str(run) in own
                v["equal"] += str(run) in own and last(own[str(run)]) == last(curve)
            accuracy, steps = cells(curves)
            row += [accuracy + (" **worse**" if bad else ""), steps]
        out.append(line(row))
    return out, verdict


def self_test():
    ratio, low, high = ratio_over_runs([80.0, 80.0], [100.0, 100.0])
    assert max(abs(v - 0.8) for v in (ratio, low, high)) < 1e-12, (ratio, low, high)
    # ln 0.8, ln 0.9: mean -0.16425, sd 0.083286, t(1) 12.7062: half = 0.74828
    ratio, low, high = ratio_over_runs([80.0, 90.0], [100.0, 100.0])
    assert abs(ratio - 0.848528) < 1e-6 and abs(low - 0.401510) < 1e-4 and abs(high - 1.793242) < 1e-3, (low, high)
    assert ratio_over_runs([1.0], [2.0]) == (0.5, None, None)
    # Alone 0.70, 0.74, 0.78: mean 0.74, spread 0.08. At 0.66 a child is as good, below it is not.
    assert not worse_than_alone([0.66], [0.70, 0.74, 0.78]) and worse_than_alone([0.659], [0.70, 0.74, 0.78])
    assert steps_to(0.5, [(40, 0.6), (20, 0.5), (10, 0.4)]) == 20 and steps_to(0.7, [(10, 0.4)]) is None
    assert last([(10, 0.9), (20, 0.4)]) == 0.4 and last([]) is None
    rows = [{"job_id": "p", "model": "m", "gpus": "1", "after": ""},
            {"job_id": "c", "model": "n", "gpus": "2", "after": "p@hard:0.5;q@soft"},
            {"job_id": "d", "model": "n", "gpus": "1", "after": "p@hard"}]
    assert children_of(rows) == [Child("c", "n", 2, [("p", 0.5), ("q", 0.0)]), Child("d", "n", 1, [("p", 1.0)])]
    made_up_tables()


def made_up_tables():
    """Two jobs, one a child, two policies, one run: each cell by hand."""
    options = types.SimpleNamespace(baseline="a", target=0.5)
    study = types.SimpleNamespace(children=[Child("c", "m", 1, [("p", 1.0)])], names=["p", "c"], options=options)

    def run(jct, makespan, accuracy):
        error = {"mean_jct_s": jct, "mean_jct_error_pct": -1.5, "makespan_error_pct": 0.5}
        return {"mean_jct_s": jct, "makespan_s": makespan, "jct_s": {"p": jct + 1, "c": jct - 1}, "replayed": error,
                "profiled": error, "decisions": 5, "decisions_replayed": 5, "others_cpu_pct": 2.0,
                "summary": {"metrics": {"lineage_makespan_s": {"value": makespan}, "preemptions": {"value": 3}}},
                "curves": {"c": [[10, 0.2], [20, accuracy]]}}

    live = {"a": [run(10.0, 30.0, 0.6)], "b": [run(8.0, 20.0, 0.3)]}
    alone = {"c": {"1": [[10, 0.4], [20, 0.6]], "2": [[10, 0.3], [20, 0.8]]}}
    assert policies_table(study, live)[2] == ("| `a` | 10.0 | 9.0 | 11.0 | - | 30.0 | 30.0 | 3 | 5 of 5 | "
                                              "1.50 %, 0.50 % | 2.0 % |"), policies_table(study, live)[2]
    assert gains_table(study, live, {"a": 4.0, "b": 3.0})[2:] == ["| `b` | 0.800 | 0.750 | 0.800 | 0.800 |"]
    targets = targets_of(study, alone)
    assert targets == {"m": 0.35}, targets  # half of the mean of 0.6 and 0.8
    table, verdict = children_table(study, live, alone, targets)
    assert table[2] == ("| c | 0.35 | 0.700 ± 0.141 | 10, 20 | 0.600 | 20 | 0.300 **worse** | - |"), table[2]
    assert verdict == {"a": {"worse": [], "equal": 1, "of": 1}, "b": {"worse": ["c"], "equal": 0, "of": 1}}, verdict
