#!/usr/bin/env bash
# The `orrery` command as a user meets it: tests/e2e/run.sh ORRERY. Prints `ok NAME`, `FAIL NAME` or `skip NAME`.
set -uo pipefail
orrery=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

ok() { echo "ok $1"; }
bad() { echo "FAIL $1"; failed=1; }
check() { local name=$1; shift; if "$@"; then ok "$name"; else bad "$name"; fi; }
# exits NAME CODE TEXT COMMAND...: the exit code, and a text on stderr.
exits() {
  local name=$1 want=$2 text=$3 got=0
  shift 3
  "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
  if ((got == want)) && grep -qF -- "$text" "$tmp/err"; then
    ok "$name"
  else
    bad "$name (exit $got)"
    cat "$tmp/err"
  fi
}
mkfifo "$tmp/nothing" && exec {nothing}<>"$tmp/nothing"
# waits_for NAME COMMAND...: until the command succeeds. What has not come within a minute will not come.
waits_for() {
  local name=$1 until=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= until)); then
      bad "$name did not come"
      return 1
    fi
    read -rt 0.01 -u "$nothing"
  done
}
digest() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["result_digest"])' "$1/run.json"; }

# ---- the commands that README and docs show, with what they show of their output
python3 tests/e2e/console_blocks.py --self-test || bad "console blocks: the rules hold on made-up pages"
python3 tests/e2e/console_blocks.py "$orrery" || failed=1

# ---- docs/reference is what the command's own tables say
check "docs/reference is what scripts/reference writes" scripts/reference --check "$orrery"

# ---- what the programs need where they run
needs() { readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p'; }
check "orrery links no LibTorch, CUDA or NCCL" bash -c '! grep -E "torch|c10|cuda|nccl|gloo"' <<<"$(needs "$orrery")"
trainer=$(dirname "$orrery")/orrery-trainer
libc='^(libc|libm|libstdc\+\+|libgcc_s|ld-linux-x86-64)\.so'
if [[ -x $trainer ]]; then
  check "orrery-trainer needs LibTorch and libc only" \
    bash -c '! grep -vE "$1|$2"' - "$libc" '^(libtorch|libtorch_cpu|libc10)\.so' <<<"$(needs "$trainer")"
else
  echo "skip orrery-trainer needs LibTorch and libc only (there is no LibTorch)"
fi

"$orrery" compare scenarios/quickstart.yaml >"$tmp/table" 2>/dev/null
check "compare prints one row per policy" [ "$(grep -cE '^  (fifo|easy|srtf|srsf|tiresias) ' "$tmp/table")" = 5 ]
check "no escape codes off a terminal" bash -c "! grep -q $'\e' '$tmp/table'"
for kind in json csv markdown; do
  "$orrery" compare scenarios/quickstart.yaml --$kind >"$tmp/compare.$kind" 2>/dev/null
done
check "compare --json has the promised keys" python3 - "$tmp/compare.json" <<'P'
import json, sys
rows = json.load(open(sys.argv[1]))
keys = ("policy seed jobs rejected mean_jct_s p50_jct_s p99_jct_s mean_wait_s makespan_s gpu_util_ratio "
        "preemptions mean_jct_low_s mean_jct_high_s ratio ratio_low ratio_high").split()
assert len(rows) == 5 and all(k in r for r in rows for k in keys)
assert all(r["mean_jct_low_s"] < r["mean_jct_s"] < r["mean_jct_high_s"] for r in rows)
assert all(r["ratio"] == r["mean_jct_s"] / rows[0]["mean_jct_s"] for r in rows)
P
check "compare --csv has a header and five rows" [ "$(wc -l <"$tmp/compare.csv")" = 6 ]
check "every form of the table has its intervals" bash -c "
  grep -q '^  easy .* \[.*s\?, .*\] .* \[0\.' '$tmp/table' && grep -q ',ratio_low,ratio_high,' '$tmp/compare.csv' &&
  grep -q '^. easy | .* \[.*, .*\] | .* \[0\.' '$tmp/compare.markdown'"
check "compare --markdown is a table" grep -q '^| *fifo' "$tmp/compare.markdown"
check "the table says which estimates were used" \
  bash -c "grep -q '^  estimates: user' '$tmp/table' && grep -q '^estimates: user' '$tmp/compare.markdown'"
for source in user history oracle; do
  "$orrery" run scenarios/quickstart.yaml --policy easy --set workload.estimates=$source --no-output --json \
    2>/dev/null >"$tmp/$source.run"
done
check "easy plans with the users' estimates, with history or with the truth" bash -c "
  [ \"\$(cat '$tmp'/{user,history,oracle}.run | grep mean_jct_s | sort -u | wc -l)\" = 3 ]"

# ---- run folders
"$orrery" run scenarios/quickstart.yaml --policy srtf -o "$tmp/a" >/dev/null 2>&1
"$orrery" run scenarios/quickstart.yaml --policy srtf -o "$tmp/b" >/dev/null 2>&1
for file in run.json scenario.yaml summary.json jobs.csv samples.csv events.jsonl.zst; do
  check "the run folder has $file" [ -s "$tmp/a/$file" ]
done
check "equal runs in two processes have equal digests" [ "$(digest "$tmp/a")" = "$(digest "$tmp/b")" ]
check "the digest is sha256 over the tables and events" bash -c "
  cd '$tmp/a' && zstd -qdf events.jsonl.zst -o events.jsonl &&
  [ \"\$(sha256sum jobs.csv samples.csv events.jsonl | sha256sum | cut -d' ' -f1)\" = '$(digest "$tmp/a")' ]"
check "jobs.csv has the promised columns" python3 - "$tmp/a/jobs.csv" <<'P'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
keys = "job_id gpus submit_s first_start_s finish_s jct_s wait_s service_gpu_s preemptions state cpu_per_sample_s"
keys = keys.split()
assert len(rows) == 200 and all(k in rows[0] for k in keys)
assert all(abs(float(r["finish_s"]) - float(r["submit_s"]) - float(r["jct_s"])) < 1e-6 for r in rows)
assert not any(r["cpu_per_sample_s"] for r in rows)  # measured by live jobs only
P
(cd "$tmp" && "$orrery" run "$tmp/a/scenario.yaml" -o "$tmp/c" >/dev/null 2>&1)
check "a run folder's scenario.yaml runs again as is" [ "$(digest "$tmp/a")" = "$(digest "$tmp/c")" ]
"$orrery" run scenarios/quickstart.yaml --print-config >"$tmp/config.yaml"
"$orrery" run "$tmp/config.yaml" --print-config >"$tmp/config2.yaml"
check "--print-config is a fixed point" cmp "$tmp/config.yaml" "$tmp/config2.yaml"
for threads in 1 3; do
  "$orrery" compare scenarios/quickstart.yaml -j $threads -o "$tmp/j$threads" --json >"$tmp/j$threads.json" \
    2>/dev/null
done
check "the number of threads changes nothing" cmp "$tmp/j1.json" "$tmp/j3.json"
check "nor in the run folders" [ "$(digest "$tmp/j1/tiresias-s1")" = "$(digest "$tmp/j3/tiresias-s1")" ]
"$orrery" run scenarios/quickstart.yaml --policy fifo --json >"$tmp/one.json" 2>/dev/null
check "run --json prints one object" \
  python3 -c "import json; assert json.load(open('$tmp/one.json'))['policy'] == 'fifo'"
rm -rf runs/quickstart-fifo-s1; rmdir runs 2>/dev/null

# ---- what is there is kept
exits "a finished run is not replaced" 2 "holds a finished run, which is kept" \
  "$orrery" run scenarios/quickstart.yaml --policy fifo -o "$tmp/a"
check "it is the one it was" [ "$(digest "$tmp/a")" = "$(digest "$tmp/b")" ]
mkdir "$tmp/a.tmp-1-0" "$tmp/mine.tmp-1-0" && touch "$tmp/a.tmp-1-0/jobs.csv" "$tmp/mine.tmp-1-0/notes"
"$orrery" run scenarios/quickstart.yaml --policy fifo -o "$tmp/a" --force >/dev/null 2>&1
check "but by --force" [ "$(digest "$tmp/a")" != "$(digest "$tmp/b")" ]
check "what a killed run left aside goes with the next one, and nothing else" \
  bash -c "[ ! -e '$tmp/a.tmp-1-0' ] && [ -e '$tmp/mine.tmp-1-0/notes' ]"
exits "another comparison does not get into a folder of one" 2 "holds another comparison, which is kept" \
  "$orrery" compare scenarios/quickstart.yaml --policies fifo,las -o "$tmp/j1"
check "nothing came of it" bash -c "[ ! -e '$tmp/j1/las-s1' ] && [ -e '$tmp/j1/tiresias-s1' ]"
"$orrery" compare scenarios/quickstart.yaml -o "$tmp/j1" >/dev/null 2>&1
check "the same comparison may be made again" [ $? = 0 ]
"$orrery" compare scenarios/quickstart.yaml --policies fifo,las -o "$tmp/j1" --force >/dev/null 2>&1
check "--force replaces the whole" bash -c "[ -e '$tmp/j1/las-s1' ] && [ ! -e '$tmp/j1/tiresias-s1' ]"
exits "a run is no folder of compare" 2 "is not a folder of" "$orrery" compare scenarios/quickstart.yaml -o "$tmp/b"

# ---- jobs that can never fit are rejected at admission, and counted
printf 'job_id,submit_s,gpus,duration_s\nsmall,0,1,60\nhuge,1,65,60\nlater,2,1,60\n' >"$tmp/huge.csv"
"$orrery" run scenarios/quickstart.yaml --set "workload.trace=$tmp/huge.csv" --json -o "$tmp/huge" \
  >"$tmp/huge.json" 2>/dev/null
check "a job that can never fit is rejected and counted, the others run" python3 - "$tmp/huge.json" "$tmp/huge" <<'P'
import csv, json, sys
r = json.load(open(sys.argv[1]))
assert (r["jobs"], r["finished"], r["rejected"]) == (3, 2, 1), r
rows = {r["job_id"]: r for r in csv.DictReader(open(sys.argv[2] + "/jobs.csv"))}
assert rows["huge"]["state"] == "rejected" and rows["huge"]["finish_s"] == "" and rows["later"]["finish_s"] != ""
P
check "with the reason, in jobs.csv and in the log" bash -c "
  grep -q '^huge,.*,rejected,infeasible$' '$tmp/huge/jobs.csv' &&
  zstd -qdc '$tmp/huge/events.jsonl.zst' | grep -q '\"reject\",\"job\":\"huge\",\"why\":\"infeasible\"'"
"$orrery" run scenarios/quickstart.yaml --set "workload.trace=$tmp/huge.csv" --no-output >"$tmp/out" 2>/dev/null
check "and on the screen" \
  grep -q '1 job rejected (infeasible): `huge`: it asks for 65 GPUs, the cluster has 32' "$tmp/out"
printf 'job_id,submit_s,gpus,duration_s\nhuge,1,65,60\n' >"$tmp/none.csv"
for verb in "run --no-output" "compare --policies fifo,srtf"; do
  # shellcheck disable=SC2086
  exits "all jobs rejected: $verb" 5 "" "$orrery" $verb scenarios/quickstart.yaml --set "workload.trace=$tmp/none.csv"
done
check "the table says how many were rejected" \
  bash -c "'$orrery' compare scenarios/quickstart.yaml --set 'workload.trace=$tmp/huge.csv' 2>/dev/null |
    grep -q 'finished  rejected'"

# ---- the event log is on by default below 200,000 jobs; a run that is killed leaves nothing that looks finished
for jobs in 199999 200000; do
  "$orrery" trace gen poisson --jobs $jobs --load 0.5 --gpus 64x8 -o "$tmp/$jobs.csv.zst" >/dev/null
done
many=(run scenarios/quickstart.yaml --set cluster.groups.0.count=64)
"$orrery" "${many[@]}" --set "workload.trace=$tmp/199999.csv.zst" -o "$tmp/with" >/dev/null 2>&1
check "199,999 jobs have an event log" [ -s "$tmp/with/events.jsonl.zst" ]
"$orrery" "${many[@]}" --set "workload.trace=$tmp/200000.csv.zst" -o "$tmp/without" >/dev/null 2>&1
check "200,000 jobs have none" bash -c "[ -s '$tmp/without/jobs.csv' ] && [ ! -e '$tmp/without/events.jsonl.zst' ]"
"$orrery" "${many[@]}" --set "workload.trace=$tmp/199999.csv.zst" -o "$tmp/murdered" >/dev/null 2>&1 &
pid=$!
waits_for "the event log of a run" compgen -G "$tmp/murdered*/events.jsonl.zst"
kill -KILL $pid
wait $pid 2>/dev/null
check "a run that is killed leaves nothing that looks finished" bash -c "
  compgen -G '$tmp/murdered.tmp*' >/dev/null && [ ! -e '$tmp/murdered' ] && ! compgen -G '$tmp/murdered*/run.json'"
rm -rf "$tmp"/murdered* "$tmp/with" "$tmp/without"

# ---- colours and progress are for terminals: stdout or stderr of the command is one
terminal() { # FD COMMAND...: what it writes to a terminal that is its stdout (1) or stderr (2)
  python3 - "$@" <<'P'
import os, pty, subprocess, sys
fd, command = int(sys.argv[1]), sys.argv[2:]
inside, outside = pty.openpty()
child = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                         stdout=outside if fd == 1 else subprocess.DEVNULL,
                         stderr=outside if fd == 2 else subprocess.DEVNULL)
os.close(outside)
try:
    while piece := os.read(inside, 65536):
        sys.stdout.buffer.write(piece)
except OSError:
    pass
sys.exit(child.wait())
P
}
escape=$'\e'
TERM=xterm terminal 1 "$orrery" compare scenarios/quickstart.yaml >"$tmp/colour"
check "a terminal gets colours" grep -q "$escape\[32m" "$tmp/colour"
NO_COLOR=1 TERM=xterm terminal 1 "$orrery" compare scenarios/quickstart.yaml >"$tmp/plain"
check "but not with NO_COLOR" bash -c "grep -q ' fifo ' '$tmp/plain' && ! grep -q '$escape' '$tmp/plain'"
TERM=xterm terminal 2 "$orrery" compare scenarios/quickstart.yaml >"$tmp/progress"
check "a terminal gets progress on stderr" grep -q '1/5  ' "$tmp/progress"
check "other files get none" bash -c "! '$orrery' compare scenarios/quickstart.yaml 2>&1 >/dev/null | grep -q '1/5'"

"$orrery" run scenarios/quickstart.yaml --policy tiresias --set cluster.groups.0.count=2 \
  --set 'policy.limits=[1GPUh]' -o "$tmp/set" >/dev/null 2>&1
check "--set reaches cluster and policy" grep -q 'count: 2.*' "$tmp/set/scenario.yaml"
check "--set reaches the policy named by --policy" grep -q 'limits: \[1GPUh\]' "$tmp/set/scenario.yaml"

# ---- traces
"$orrery" trace gen poisson --jobs 50 --rate 12/h --seed 3 -o "$tmp/g.csv" >/dev/null
"$orrery" trace gen poisson --jobs 50 --rate 12/h --seed 3 -o "$tmp/g2.csv" >/dev/null
check "the same seed gives the same bytes" cmp "$tmp/g.csv" "$tmp/g2.csv"
sample_command=$(sed -n 's/^# generated, seed [0-9]*: orrery //p' traces/samples/quickstart.csv)
# shellcheck disable=SC2086
"$orrery" $sample_command -o "$tmp/sample.csv" >/dev/null
check "the shipped sample is what its header says" cmp traces/samples/quickstart.csv "$tmp/sample.csv"
for ending in csv csv.gz csv.zst; do
  "$orrery" trace import auto "$tmp/g.csv" -o "$tmp/i.$ending" >/dev/null
  check "trace check reads $ending" bash -c "'$orrery' trace check '$tmp/i.$ending' | grep -qx ok"
done
printf 'name,time,application,num_replicas,batch_size\nbert-0,1,bert,2,32\n' >"$tmp/profiled.csv"
"$orrery" trace import pollux "$tmp/profiled.csv" -o "$tmp/profiled-i.csv" >/dev/null
for file in profiled profiled-i; do
  check "trace check takes run times that follow from profiles: $file" \
    bash -c "'$orrery' trace check '$tmp/$file.csv' | grep -qx ok"
done
philly=${ORRERY_TRACES:-../shared/traces}/philly-2017/philly.csv.gz
if [[ -f $philly ]]; then
  "$orrery" trace import philly "$philly" -o "$tmp/p.csv.zst" >"$tmp/report"
  check "philly import keeps 82,247 jobs" grep -q 'kept 82247, dropped 0' "$tmp/report"
  "$orrery" trace stats "$tmp/p.csv.zst" --gpus 64x8 >"$tmp/stats"
  check "its statistics survive the import" grep -q 'mean 13135.9 s, median 1144 s' "$tmp/stats"
  "$orrery" compare scenarios/recorded/philly.yaml --policies fifo,srtf --json >"$tmp/foreign.json" 2>/dev/null
  check "a foreign trace is taken directly" \
    python3 -c "import json; assert json.load(open('$tmp/foreign.json'))[0]['mean_jct_s'] == 30511.264"
else
  echo "skip philly import (no recorded traces)"
fi

# ---- traces from and for other simulators, and traces made of traces
"$orrery" trace gen poisson --jobs 60 --load 0.9 --gpus 4x8 --tenants 3 --overestimate 3 -o "$tmp/u.csv" >/dev/null
"$orrery" trace export swf "$tmp/u.csv" -o "$tmp/u.swf.gz" --gpus 4x8 >"$tmp/report"
check "export to SWF says that ids become numbers" grep -q 'job ids are numbers there: 1 to 60' "$tmp/report"
"$orrery" trace export batsim "$tmp/u.swf.gz" -o "$tmp/u.json" --gpus 4x8 >"$tmp/report"
check "export to Batsim says what is lost" grep -qx '  lost columns: tenant' "$tmp/report"
check "its JSON is JSON with one profile for each run time" python3 - "$tmp/u.json" <<'P'
import json, sys
w = json.load(open(sys.argv[1]))
assert w["nb_res"] == 32 and len(w["jobs"]) == 60
assert {j["profile"] for j in w["jobs"]} == set(w["profiles"])
P
for file in u.csv u.swf.gz u.json; do
  "$orrery" trace import auto "$tmp/$file" -o "$tmp/back.csv" >/dev/null
  grep -v '^#' "$tmp/back.csv" | python3 -c '
import csv, sys
for r in csv.DictReader(sys.stdin): print(r["submit_s"], r["gpus"], r["duration_s"], r["estimate_s"])
' >"$tmp/$file.jobs"
done
check "SWF and Batsim hold times, GPUs and estimates exactly" \
  bash -c "cmp '$tmp/u.csv.jobs' '$tmp/u.swf.gz.jobs' && cmp '$tmp/u.csv.jobs' '$tmp/u.json.jobs'"
for file in u.csv u.swf.gz; do
  "$orrery" run scenarios/quickstart.yaml --policy easy --set "workload.trace=$tmp/$file" \
    --set workload.estimates=user --json 2>/dev/null >"$tmp/$file.run"
done
rm -rf runs/quickstart-easy-s1; rmdir runs 2>/dev/null
check "a packed SWF runs under easy with its users' estimates, as the CSV does" \
  bash -c "[ -s '$tmp/u.csv.run' ] && cmp '$tmp/u.csv.run' '$tmp/u.swf.gz.run'"
"$orrery" trace scale "$tmp/u.csv" -o "$tmp/s.csv" --load 0.5 --gpus 4x8 --gpus-factor 2x >/dev/null
check "scale meets a load" bash -c "'$orrery' trace stats '$tmp/s.csv' --gpus 4x8 | grep -q '^load  *0.500 on 32'"
"$orrery" trace slice "$tmp/u.csv" -o "$tmp/s1.csv" --to 10h >/dev/null
"$orrery" trace slice "$tmp/u.csv" -o "$tmp/s2.csv" --skip 10 --jobs 5 >/dev/null
check "slice by number keeps so many jobs" [ "$(grep -c '^j1[1-5],' "$tmp/s2.csv")" = 5 ]
"$orrery" trace merge "$tmp/s1.csv" "$tmp/s2.csv" "$tmp/u.swf.gz" -o "$tmp/m.csv" >"$tmp/report"
check "merge says whose ids it changed" [ "$(grep -c 'get the prefix `s[12]/`' "$tmp/report")" = 2 ]
check "a merged trace is a trace" bash -c "'$orrery' trace check '$tmp/m.csv' | grep -qx ok"
exits "misspelt export format" 2 'did you mean `batsim`?' "$orrery" trace export btsim "$tmp/u.csv" -o "$tmp/x"
exits "a scale without a size" 2 "--load needs the cluster's size" \
  "$orrery" trace scale "$tmp/u.csv" -o "$tmp/x" --load 0.9
# ---- no action writes onto what it reads
cp "$tmp/u.csv" "$tmp/own.csv"
ln -s own.csv "$tmp/other-name.csv"
cp scenarios/jobs/catalogue.yaml "$tmp/own.yaml"
before=$(cat "$tmp/own.csv" "$tmp/own.yaml" | sha256sum)
spares() { # OUTPUT ACTION ...
  exits "trace $2 does not write onto what it reads" 2 "is read: it is not written over" \
    "$orrery" trace "${@:2}" -o "$1"
}
spares "$tmp/own.csv" import auto "$tmp/own.csv"
spares "$tmp/other-name.csv" export swf "$tmp/own.csv"
spares "$tmp/own.csv" scale "$tmp/own.csv" --time 2
spares "$tmp/other-name.csv" slice "$tmp/own.csv" --jobs 5
spares "$tmp/own.csv" merge "$tmp/u.csv" "$tmp/own.csv"
spares "$tmp/own.yaml" gen lineage --catalogue "$tmp/own.yaml" --jobs 5 --rate 1/h
cp -r "$tmp/b" "$tmp/own-run"
spares "$tmp/own-run/jobs.csv" import orrery "$tmp/own-run"
check "and nothing of it has changed" [ "$before" = "$(cat "$tmp/own.csv" "$tmp/own.yaml" | sha256sum)" ]
check "nor of the run" cmp -s "$tmp/own-run/jobs.csv" "$tmp/b/jobs.csv"
exits "a slice that is empty" 2 "no job of the trace is left" \
  "$orrery" trace slice "$tmp/u.csv" -o "$tmp/x" --from 900d
printf '; Version: 2.2\n1 0 -1 60 4\n' >"$tmp/bad.swf"
exits "a short row of SWF is shown where it is" 2 "bad.swf:2:1" "$orrery" trace check "$tmp/bad.swf"

source tests/e2e/policies.sh
source tests/e2e/studies.sh
source tests/e2e/live.sh

# ---- what is wrong is said once, clearly, with the exit code of the design
exits "no verb" 2 "usage: orrery VERB" "$orrery"
exits "misspelt verb" 2 'did you mean `compare`?' "$orrery" comapre
exits "misspelt option" 2 'did you mean `--policy`?' "$orrery" run scenarios/quickstart.yaml --polic fifo
exits "an option without its value" 2 '--policy is empty' "$orrery" run scenarios/quickstart.yaml --policy ""
exits "an empty argument" 2 'the argument scenario is empty' "$orrery" run ""
exits "a policy twice" 2 '`fifo` twice' "$orrery" compare scenarios/quickstart.yaml --policies fifo,easy,fifo
exits "misspelt policy" 2 'did you mean `tiresias`?' "$orrery" run scenarios/quickstart.yaml --policy tiresia
exits "misspelt key by --set" 2 'did you mean `gpus_per_node`?' \
  "$orrery" run scenarios/quickstart.yaml --set cluster.groups.0.gpu_per_node=4
printf '5s j1 preempt\n' >"$tmp/stall.txt"
exits "a run that fails" 1 "left 1 jobs unfinished" "$orrery" run scenarios/quickstart.yaml --policy scripted \
  --set "policy.file=$tmp/stall.txt" -o "$tmp/stalled"
exits "a run that never gets on" 5 "no job has finished or saved more than before" "$orrery" run \
  scenarios/quickstart.yaml --no-output --set workload.slice.jobs=1 --set 'failures={node_mtbf: 60s, repair: 1s}'
check "a run that fails leaves no folder" bash -c "! compgen -G '$tmp/stalled*' >/dev/null"
exits "a comparison of which one point fails" 5 "error: scripted, seed 1: " "$orrery" compare \
  scenarios/quickstart.yaml --set "compare.policies=[fifo, {name: scripted, file: $tmp/stall.txt}]"
check "its other points are shown" grep -q '^  fifo ' "$tmp/out"
exits "no such file" 2 "No such file" "$orrery" run nowhere.yaml
exits "a directory" 2 "it is a directory" "$orrery" trace check traces
printf 'job_id,submit_s,gpus,duration_s\na,0,1,1\n' >"$tmp/secret.csv"
chmod 000 "$tmp/secret.csv"
nobody=()
if ((EUID == 0)); then nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
if ((EUID != 0)) || "${nobody[@]}" test -x "$orrery" 2>/dev/null; then
  exits "a file that may not be read" 2 "Permission denied" "${nobody[@]}" "$orrery" trace check "$tmp/secret.csv"
  exits "a folder that may not be written" 2 "Permission denied" "${nobody[@]}" "$orrery" trace gen poisson \
    --rate 1/h --jobs 1 -o /usr/x.csv
else
  echo "skip files without permission (no other user can run orrery here)"
fi
# ---- a clone that is moved builds anew (a stand-in for CMake, which refuses a cache of another place)
mkdir -p "$tmp/clone/scripts" "$tmp/bin"
cp scripts/build scripts/lib.sh "$tmp/clone/scripts/"
printf '#!/bin/sh\n' >"$tmp/clone/scripts/bootstrap"
echo '{}' >"$tmp/clone/CMakePresets.json"
cat >"$tmp/bin/cmake" <<'P'
#!/usr/bin/env bash
cache=build/release/CMakeCache.txt
if [[ -f $cache ]] && ! grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
  echo "CMake Error: The current CMakeCache.txt directory is different"
  exit 1
fi
[[ $1 == --build ]] && echo "built here" && exit 0
touch build/release/build.ninja
printf 'CMAKE_CACHEFILE_DIR:INTERNAL=%s\nCMAKE_HOME_DIRECTORY:INTERNAL=%s\n' "$PWD/build/release" "$PWD" >"$cache"
P
chmod +x "$tmp/clone/scripts/bootstrap" "$tmp/bin/cmake"
PATH="$tmp/bin:$PATH" "$tmp/clone/scripts/build" release 2>/dev/null
touch "$tmp/clone/build/release/old"
PATH="$tmp/bin:$PATH" "$tmp/clone/scripts/build" release 2>/dev/null
check "a clone that stays keeps what it has built" [ -e "$tmp/clone/build/release/old" ]
mv "$tmp/clone" "$tmp/moved"
got=0; PATH="$tmp/bin:$PATH" "$tmp/moved/scripts/build" release 2>"$tmp/err" || got=$?
check "a clone that was moved builds anew" [ "$got" = 0 ]
check "and says so" grep -q "was moved since it was built" "$tmp/err"
exits "a folder that is no run folder is not replaced" 2 "tests" "$orrery" run scenarios/quickstart.yaml -o tests
printf 'job_id,submit_s,gpus,duration_s\na,0,1,-37\n' >"$tmp/bad.csv"
exits "a bad row is shown where it is" 2 "bad.csv:2:7" "$orrery" trace check "$tmp/bad.csv"
if [[ -e /dev/full ]]; then
  got=0; "$orrery" policy list >/dev/full 2>"$tmp/err" || got=$?
  check "a full disk on stdout is an error" [ "$got" = 1 ]
fi
"$orrery" compare scenarios/quickstart.yaml --intervals none 2>&1 >/dev/null | true
got=${PIPESTATUS[0]}
check "nobody who reads stderr is no crash" [ "$got" -lt 128 ]
mkdir "$tmp/killed"
(
  ulimit -f 8
  exits "a full disk while writing is one clear error" 2 "cannot write" "$orrery" run scenarios/quickstart.yaml \
    -o "$tmp/killed/run"
)
check "a run that cannot write leaves nothing behind" [ -z "$(ls -A "$tmp/killed")" ]
check "policy show names every option" bash -c "'$orrery' policy show tiresias | grep -q limits"
exit $failed
