#!/usr/bin/env python3
"""Whole runs of `orrery run`, as ratios within one run of this script, because machines are noisy.
1. A span ten times as long at the same cluster and load: at most twelve times the time.
2. A million generated jobs on 100,000 GPUs under fifo and tiresias: aim 20 s and 3 GiB each.
3. Full Philly (82,247 jobs, 512 GPUs), best of five interleaved runs: with parsing, event log, tables and invariant
   checker; and without the checker, to show its cost.
4. FIFO there against tests/bench/bare_fifo.cpp, which does the same without a simulator: user CPU, medians of seven.
Usage: bench_runs.py ORRERY BARE_FIFO"""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

orrery, bare_fifo = sys.argv[1:3]
traces = os.environ.get("ORRERY_TRACES", "../shared/traces")


def timed(*command):
    start = time.monotonic()
    subprocess.run([orrery, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def user_cpu(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def generated(folder, jobs, nodes):
    """A Poisson trace at load 0.9 on nodes x 8 GPUs and a scenario that runs it."""
    trace = f"{folder}/{jobs}.csv.zst"
    timed("trace", "gen", "poisson", "--jobs", str(jobs), "--load", "0.9", "--gpus", f"{nodes}x8", "--mean", "1h",
          "--mix", "1:0.7,2:0.1,4:0.1,8:0.1", "--overestimate", "2", "-o", trace)
    scenario = f"{folder}/{jobs}.yaml"
    pathlib.Path(scenario).write_text(
        f"version: 1\ncluster: {{groups: [{{name: n, count: {nodes}, gpus_per_node: 8}}]}}\n"
        f"workload: {{trace: {trace}}}\n"
        "compare: {policies: [{name: tiresias, limits: [1GPUh, 10GPUh]}]}\n")
    return scenario


with tempfile.TemporaryDirectory() as folder:
    short, long = generated(folder, 50_000, 64), generated(folder, 500_000, 64)
    print("\nten times the span on 64 x 8 GPUs at load 0.9: whole command without output, best of 3")
    print(f"{'policy':<13} {'1x':>8} {'10x':>8} {'ratio':>8}")
    for policy in ["fifo", "easy", "srtf", "tiresias"]:
        one, ten = (min(timed("run", s, "--policy", policy, "--no-output") for _ in range(3)) for s in (short, long))
        print(f"{policy:<13} {one:8.2f} {ten:8.2f} {ten / one:8.1f}")

    million = generated(folder, 1_000_000, 12_500)
    print("\n1,000,000 jobs on 12,500 x 8 GPUs at load 0.9: whole command without output")
    print(f"{'policy':<13} {'seconds':>8} {'GiB (largest so far)':>22}")
    for policy in ["fifo", "tiresias"]:
        seconds = timed("run", million, "--policy", policy, "--no-output")
        gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"{policy:<13} {seconds:8.2f} {gib:22.2f}")

if not pathlib.Path(traces, "philly-2017/philly.csv.gz").exists():
    print("full Philly skipped: no philly-2017/philly.csv.gz in", traces)
    sys.exit(0)
policies = ["fifo", "easy", "conservative", "srtf", "srsf", "tiresias", "gittins", "las"]
best = {}
with tempfile.TemporaryDirectory() as folder:
    for _ in range(5):
        for policy in policies:
            for flags in ((), ("--no-check",)):
                key = (policy, flags)
                seconds = timed("run", "scenarios/recorded/philly-full.yaml", "--policy", policy, *flags,
                                "-o", f"{folder}/run", "--force")
                best[key] = min(best.get(key, 1e9), seconds)
first = best[(policies[0], ())]
print("\nfull Philly, 82,247 jobs on 64 x 8 GPUs: whole command, best of 5")
print(f"{'policy':<13} {'seconds':>8} {'to fifo':>8} {'checker':>8}")
for policy in policies:
    whole, bare = best[(policy, ())], best[(policy, ("--no-check",))]
    print(f"{policy:<13} {whole:8.2f} {whole / first:8.2f} {100 * (whole / bare - 1):7.1f}%")

with tempfile.TemporaryDirectory() as folder:
    trace = f"{traces}/philly-2017/philly.csv.gz"
    pairs = [(user_cpu(orrery, "run", "scenarios/recorded/philly-full.yaml", "--policy", "fifo", "-o",
                       f"{folder}/run", "--force"),
              user_cpu(bare_fifo, trace, "512", folder)) for _ in range(7)]
ours, theirs = (statistics.median(column) for column in zip(*pairs))
print(f"\nfifo on full Philly: {ours:.3f} s of user CPU, without a simulator {theirs:.3f} s: "
      f"{ours / theirs:.1f} times")
