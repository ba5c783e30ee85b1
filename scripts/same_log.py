#!/usr/bin/env python3
"""Shows that two event logs say the same: one of form 1 (`v`, `v2`), one of form 2 (a name for every value).

    scripts/same_log.py OLD NEW      # events.jsonl.zst, or plain JSON lines

Every line of the old log is translated and must equal the new log's line. What form 1 said without a meaning is not
in form 2: the `v` of `launch` (always 0 in a run), of `suspended` and of `command_failed` (work done so far, as the
progress reports around them say).
"""

import itertools
import json
import subprocess
import sys

COMMON = ("t_ns", "e", "job", "id", "inc", "gang")


def lines(path):
    if not path.endswith(".zst"):
        with open(path, encoding="utf-8") as file:
            yield from file
        return
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE, encoding="utf-8") as unpack:
        yield from unpack.stdout
    if unpack.returncode != 0:
        sys.exit(f"cannot unpack `{path}`")


def failed(v, v2, node):
    told = {"committed": v}
    if v2 < 0:
        told["broken_off"] = -v2
    if node is not None:
        told["node"] = node
    if v2 == 1:
        told["for_good"] = True
    return told


def some(**named):
    """Only those that are not 0."""
    return {name: value for name, value in named.items() if value != 0}


def translated(old, names):
    """What the old line says, in form 2; `names` of jobs by their number."""
    kind = old["e"]
    if kind == "submit":
        names[old["id"]] = old["job"]
    new = {key: old[key] for key in COMMON if key in old}
    rest = {key: value for key, value in old.items() if key not in COMMON}
    v, v2, node = rest.pop("v", 0), rest.pop("v2", 0), rest.pop("node", None)
    if kind == "capacity":
        new |= {"node": node, "usable": v}
    elif kind == "progress":
        new |= {"done": v}
    elif kind == "checkpointed":
        new |= {"committed": v} | some(stood_still=v2)
    elif kind == "published":
        new |= {"version": v, "per_mille": v2}
    elif kind == "stopped":
        new |= {"committed": v} | some(broken_off=v2)
    elif kind == "suspended":
        new |= some(broken_off=v2)
    elif kind in ("fail", "launch_failed"):
        new |= failed(v, v2, node)
    elif kind == "called_off":
        new |= {"node": node}
    elif kind == "inherited":
        new |= {"parent": names[v], "saved": v2}
    elif kind == "slowed":
        new |= {"node": node, "millionths": v}
    elif kind == "preprocessing":
        new |= {"cpu_per_sample": v}
    elif kind == "reject":
        new |= {"why": rest.pop("code")}
    elif kind == "reason":
        new |= {"code": rest.pop("code"), "argument": rest.pop("arg")}
    elif kind not in ("launch", "command_failed") and (v, v2, node) != (0, 0, None):
        raise ValueError(f"`{kind}` says {v}, {v2}, {node}")
    return new | rest


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    names = {}
    count = 0
    for count, (old_text, new_text) in enumerate(itertools.zip_longest(lines(sys.argv[1]), lines(sys.argv[2])), 1):
        if old_text is None or new_text is None:
            sys.exit(f"line {count}: only one of them goes on: {(old_text or new_text).rstrip()}")
        old, new = json.loads(old_text), json.loads(new_text)
        if count == 1:
            if (old.pop("schema"), new.pop("schema")) != (1, 2):
                sys.exit("the first must be of form 1 and the second of form 2")
            told = old
        else:
            told = translated(old, names)
        if told != new:
            sys.exit(f"line {count} differs\n  {old_text.rstrip()}, so\n  {json.dumps(told)}\n  {new_text.rstrip()}")
    print(f"{count} lines say the same")


if __name__ == "__main__":
    main()
