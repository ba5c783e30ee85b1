#!/usr/bin/env python3
"""First in, first out, as a policy in another process: starts jobs in order of arrival while they fit.

Orrery writes a line of JSON for every decision, this program answers with one (docs/wire.md). The answers are those
of the built-in `fifo`. Try it: ./scripts/orrery run scenarios/policies/external.yaml
"""

import heapq, json, sys

ENDED = {"finished", "failed", "rejected", "cancelled"}


def say(message):
    print(json.dumps(message, separators=(",", ":")), flush=True)


class Queue:  # jobs that wait, by their numbers, which are their order of arrival
    def __init__(self):
        self.waiting = set()
        self.heap = []
        self.gpus = {}  # whole ones that a job wants; 0 where it wants a part of one

    def update(self, job):
        number = job["id"]
        if "spec" in job:  # the first time that the job is told
            demand = job["spec"]["demand"]
            self.gpus[number] = demand["gpus"] if demand.get("milli_per_gpu", 1000) == 1000 else 0
        if job.get("ready") and "target" not in job and job["state"] not in ENDED:
            if number not in self.waiting:
                self.waiting.add(number)
                heapq.heappush(self.heap, number)
        else:
            self.waiting.discard(number)

    def first(self, free):  # up to the job that is too much for `free` GPUs
        jobs = []
        while self.heap and free >= 0:
            number = heapq.heappop(self.heap)
            if number in self.waiting and number not in jobs[-1:]:
                jobs.append(number)
                free -= self.gpus[number]
        for number in jobs:  # they wait until the next line says that they do not
            heapq.heappush(self.heap, number)
        return jobs


def main():
    sys.stdin.readline()  # `hello`: the cluster and the seed, which this policy does not need
    say({"ready": 1})
    queue = Queue()
    for line in sys.stdin:
        view = json.loads(line)
        for job in view["jobs"]:
            queue.update(job)
        say({"epoch": view["epoch"], "place": queue.first(view["free"]), "in_order": True})


if __name__ == "__main__":
    main()
