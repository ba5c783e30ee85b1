#!/usr/bin/env python3
"""Whole runs of `orrery run` on full Philly (82,247 jobs, 512 GPUs), seconds of the best of five interleaved runs:
with parsing, event log, tables and invariant checker; and without the checker, to show its cost.
Usage: bench_runs.py ORRERY"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

orrery = sys.argv[1]
traces = os.environ.get("ORRERY_TRACES", "../shared/traces")
if not pathlib.Path(traces, "philly-2017/philly.csv.gz").exists():
    print("whole runs skipped: no philly-2017/philly.csv.gz in", traces)
    sys.exit(0)
policies = ["fifo", "easy", "conservative", "srtf", "srsf", "tiresias"]
best = {}
with tempfile.TemporaryDirectory() as folder:
    for _ in range(5):
        for policy in policies:
            for flags in ((), ("--no-check",)):
                start = time.monotonic()
                subprocess.run([orrery, "run", "scenarios/philly-full.yaml", "--policy", policy, *flags,
                                "-o", f"{folder}/run"],
                               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                key = (policy, flags)
                best[key] = min(best.get(key, 1e9), time.monotonic() - start)
first = best[(policies[0], ())]
print("\nfull Philly, 82,247 jobs on 64 x 8 GPUs: whole command, best of 5")
print(f"{'policy':<13} {'seconds':>8} {'to fifo':>8} {'checker':>8}")
for policy in policies:
    whole, bare = best[(policy, ())], best[(policy, ("--no-check",))]
    print(f"{policy:<13} {whole:8.2f} {whole / first:8.2f} {100 * (whole / bare - 1):7.1f}%")
