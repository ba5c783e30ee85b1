#!/usr/bin/env python3
"""Shortest remaining time first, with preemption, as a policy in another process.

At every decision the jobs that run and those that wait are gone through by the time that they have left; those that
fit run, the others wait. Ties: running jobs first, then by arrival. With the placement `count` the decisions are
those of the built-in `srtf`. Try it: ./scripts/orrery run scenarios/policies/external.yaml --policy srtf.py
"""

import json
import sys

FOREVER = 2**63 - 1
WAITS = {"ready", "fail", "launch_failed", "called_off"}
MOVES_ON = {"start", "resumed", "progress"}
ENDS = {"finish", "reject", "cancel"}
ENDED = {"finished", "failed", "rejected", "cancelled"}


def say(message):
    print(json.dumps(message, separators=(",", ":")), flush=True)


class Job:
    """A job with the time that it had left at `anchor`, and its speed since then, in billionths."""

    def __init__(self, spec):
        self.number = spec["id"]
        self.gpus = spec["demand"]["gpus"]
        self.runs = False
        self.left, self.anchor, self.speed = FOREVER, 0, 0

    def refresh(self, row, now):
        self.anchor = now
        self.speed = row.get("rate", 0)
        self.left = FOREVER
        if "estimate" in row:
            self.left = max(row["estimate"]["total"] - row.get("done", 0), 1)

    def rank(self, now):
        left = self.left
        if self.runs and left != FOREVER:
            left = max(left - (now - self.anchor) * self.speed // 10**9, 1)
        return (left, not self.runs, self.number)


class Srtf:
    def __init__(self):
        self.known = {}  # every job that was told
        self.jobs = {}   # those that run or wait

    def follow(self, view):
        rows = {row["id"]: row for row in view["jobs"]}
        for row in view["jobs"]:
            if "spec" in row:
                self.known[row["id"]] = Job(row["spec"])
        for event in view["events"]:
            kind, number = event["e"], event.get("job")
            if kind in ENDS or (kind in WAITS and rows[number]["state"] in ENDED):
                self.jobs.pop(number, None)
            elif kind in WAITS:
                job = self.jobs[number] = self.known[number]
                job.runs = "target" in rows[number]
                job.refresh(rows[number], view["now"])
            elif kind in MOVES_ON and number in self.jobs and self.jobs[number].runs:
                self.jobs[number].refresh(rows[number], view["now"])

    def decide(self, view):
        now = view["now"]
        free = view["free"] + sum(job.gpus for job in self.jobs.values() if job.runs)
        stops, starts = [], []
        for left, _, number in sorted(job.rank(now) for job in self.jobs.values()):
            job = self.jobs[number]
            if job.gpus <= free:
                free -= job.gpus
                if not job.runs:
                    starts.append(number)
            elif job.runs:
                stops.append([number, "preempt"])
                job.left = left
        for number, _ in stops:
            self.jobs[number].runs = False
        for number in starts:
            job = self.jobs[number]
            job.runs, job.anchor, job.speed = True, now, 0
        return {"epoch": view["epoch"], "targets": stops, "place": starts}


def main():
    sys.stdin.readline()  # `hello`
    say({"ready": 1})
    policy = Srtf()
    for line in sys.stdin:
        view = json.loads(line)
        policy.follow(view)
        say(policy.decide(view))


if __name__ == "__main__":
    main()
