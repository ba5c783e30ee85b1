# shellcheck shell=bash
# The live part of run.sh, which sources it: real processes, paced; what is refused of those that train.

# works RUN: a job of it has begun to work. at RUN SECONDS: its clock has got so far. left RUN: no worker of it runs.
works() { grep -qs ' ready at step' "$tmp/$1".live/jobs/*/launch-*/logs/rank-0.txt; }
at() { ((10#$(cut -d" " -f1 "$tmp/$1.live/clock") >= $2 * 1000000000)); }
left() { ! pgrep -f "[o]rrery-paced.*$tmp/$1"; }

# ---- real processes: a small run, one that is interrupted, and what is said of both
paced=(scenarios/live/paced.yaml --set workload.generate.jobs=6 --set live.time_scale=40)
"$orrery" live run "${paced[@]}" --policy srtf -o "$tmp/live" >"$tmp/out" 2>"$tmp/err" &
pid=$!
waits_for "status.json" test -e "$tmp/live.live/status.json"
check "live status from another shell" \
  bash -c "'$orrery' live status '$tmp/live' | grep -q '^running: . of 6 jobs finished'"
got=0; wait $pid || got=$?
check "live run ends well" [ "$got" = 0 ]
check "every decision is replayed" grep -qE '^decision replay: ([0-9]+) of \1 equal' "$tmp/out"
check "live status afterwards" bash -c "'$orrery' live status '$tmp/live' | grep -q '^ended: 6 of 6 jobs finished'"
program="{name: external, command: [python3, $root/scenarios/policies/srtf.py]}"
"$orrery" live run "${paced[@]}" --set "policy=$program" -o "$tmp/outside" >"$tmp/out" 2>"$tmp/err"
check "a policy in another process decides live, and its conversation is replayed without it" bash -c "
  grep -qE '^decision replay: ([0-9]+) of \\1 equal' '$tmp/out' && [ -s '$tmp/outside/live/conversation.jsonl.zst' ]"
"$orrery" run "${paced[@]}" --policy srtf -o "$tmp/simulated" >/dev/null 2>&1
for table in jobs.csv samples.csv; do
  check "a live run has the columns of a simulated one: $table" \
    [ "$(head -1 "$tmp/live/$table")" = "$(head -1 "$tmp/simulated/$table")" ]
done
"$orrery" live run "${paced[@]}" -o "$tmp/stopped" >"$tmp/out" 2>"$tmp/err" &
pid=$!
waits_for "work of a live run" works stopped
kill -INT $pid
got=0; wait $pid || got=$?
check "Ctrl-C saves and leaves" [ "$got" = 130 ]
check "Ctrl-C leaves no worker behind" left stopped
check "Ctrl-C says how to go on" grep -q 'orrery live resume' "$tmp/err"
exits "a live run is not started over one that has not ended" 2 "a live run that has not ended" \
  "$orrery" live run "${paced[@]}" -o "$tmp/stopped"
check "status says that its controller is gone" \
  bash -c "'$orrery' live status '$tmp/stopped' | grep -q '^stopped: . of 6 jobs finished'"
"$orrery" live resume "$tmp/stopped" >"$tmp/out" 2>"$tmp/err"
check "a run that was stopped is resumed to its end" grep -q '6 of 6 jobs finished, 0 failed' "$tmp/out"
check "its decisions are those of one policy" grep -qE '^decision replay: ([0-9]+) of \1 equal' "$tmp/out"
exits "a run that has ended is not resumed" 2 "that run has ended" "$orrery" live resume "$tmp/stopped"
exits "nor one that was simulated" 2 "it is a simulated run" "$orrery" live resume "$tmp/simulated"
exits "nor what is no run" 2 "is no live run" "$orrery" live resume "$tmp/nowhere"
before=$(cd "$tmp/live" && find . -type f | sort | xargs sha256sum | sha256sum)
exits "a finished live run is not deleted by another" 2 "holds a finished run, which is kept" \
  "$orrery" live run "${paced[@]}" -o "$tmp/live"
check "it is as it was" [ "$before" = "$(cd "$tmp/live" && find . -type f | sort | xargs sha256sum | sha256sum)" ]
exits "two nodes are not this machine" 2 "nodes: here" \
  "$orrery" live run "${paced[@]}" --set cluster.groups.0.count=2 -o "$tmp/nodes"
check "refused before anything is written" bash -c "! compgen -G '$tmp/nodes*' >/dev/null"

# ---- killed without a record for most of its life, then resumed: the clock stood still, the work was not for nothing
printf 'job_id,submit_s,gpus,duration_s\nonly,0,1,120\n' >"$tmp/only.csv"
sed -e 's/^checkpoints:.*//' -e 's/^overheads:.*//' -e "s|generate:.*|trace: $tmp/only.csv|" -e '/^  load:/d' \
  scenarios/live/paced.yaml >"$tmp/only.yaml"
"$orrery" live run "$tmp/only.yaml" --set live.time_scale=20 --policy fifo -o "$tmp/cut" >"$tmp/out" 2>"$tmp/err" &
pid=$!
waits_for "work of the run that is killed" works cut
waits_for "20 s of its clock" at cut 20
kill -KILL $pid
wait $pid 2>/dev/null
mkdir "$tmp/cut.tmp-$pid-9" # as such a kill leaves it
cp "$tmp/only.csv" "$tmp/only.bak"; sed -i 's/120/130/' "$tmp/only.csv"
exits "a run whose trace has changed is not gone on with, in words" 2 "not those that the run began with" \
  "$orrery" live resume "$tmp/cut"
check "without hashes" bash -c "! grep -qE '[0-9a-f]{32}' '$tmp/err'"
cp "$tmp/only.bak" "$tmp/only.csv"
"$orrery" live resume "$tmp/cut" >"$tmp/out" 2>"$tmp/err"
check "its job has taken the time that its work takes" python3 - "$tmp/cut/jobs.csv" <<'P'
import csv, sys
row, = csv.DictReader(open(sys.argv[1]))
assert row["state"] == "finished" and float(row["jct_s"]) >= 120, row
P
check "what a kill left aside is gone" bash -c "! compgen -G '$tmp/cut.tmp-*' >/dev/null"

# ---- jobs that train: what is missing is found before anything starts
sed "s|workload:.*|workload:|; s|trace: .*|trace: $tmp/toy.csv|; s|\.\./jobs|$root/scenarios/jobs|" \
  scenarios/live/toy.yaml >"$tmp/toy.yaml"
sed 's/pretrain,toy/pretrain,tooy/' scenarios/live/toy.csv >"$tmp/toy.csv"
exits "a model that nobody names" 2 'did you mean `toy`?' "$orrery" live run "$tmp/toy.yaml" -o "$tmp/models"
check "it is shown where it is" grep -q "toy.csv:3" "$tmp/err"
cp scenarios/live/toy.csv "$tmp/toy.csv"
sed "s|^  folder: data/pairs\$|  folder: $tmp/no-data|; /^  make: { kind: pairs, samples: 8192/d" \
  scenarios/jobs/pretrain-tiny.yaml >"$tmp/nodata.yaml"
exits "a data folder that is not there" 2 "there is no folder" \
  "$orrery" live run "$tmp/toy.yaml" --set "live.models.toy=$tmp/nodata.yaml" -o "$tmp/models"
exits "nor for train" 2 "there is no folder" "$orrery" train "$tmp/nodata.yaml" -o "$tmp/models"
check "nothing was begun" bash -c "! compgen -G '$tmp/models*' >/dev/null"

# ---- validation that is interrupted goes on with the next call
validate=(live validate "${paced[@]}" --set workload.generate.jobs=3 --policies fifo,srtf --gate 1000 -o "$tmp/valid")
"$orrery" "${validate[@]}" >"$tmp/out" 2>"$tmp/err" &
pid=$!
waits_for "a run of live validate" test -e "$tmp/valid/fifo-s1.live/status.json"
kill -INT $pid
got=0; wait $pid || got=$?
check "Ctrl-C in live validate" [ "$got" = 130 ]
check "says how it goes on" grep -q "the same command goes on" "$tmp/err"
got=0; "$orrery" "${validate[@]}" >"$tmp/out" 2>"$tmp/err" || got=$?
check "the same command goes on to its end" [ "$got" = 0 ]
check "it says that it does" grep -q "goes on with the validation" "$tmp/err"
exits "a finished validation is kept" 2 "holds a finished run" "$orrery" "${validate[@]}"
"$orrery" live run "${paced[@]}" -o "$tmp/twice" >"$tmp/out" 2>"$tmp/err" &
pid=$!
waits_for "work of a live run" works twice
kill -INT $pid
waits_for "the answer to Ctrl-C" grep -q "again: kill them" "$tmp/err"
kill -INT $pid 2>/dev/null
got=0; wait $pid || got=$?
check "Ctrl-C twice kills" [ "$got" = 130 ]
waits_for "the end of all workers after Ctrl-C twice" left twice
"$orrery" trace import orrery "$tmp/live" -o "$tmp/again.csv" >"$tmp/report"
check "a live run becomes a trace" grep -q 'kept 6, dropped 0' "$tmp/report"
check "a live run leaves a profile table" grep -q \
  '^model,mode,gpu,world,local_batch,corunners,step_s,step_cv,start_s,save_s,restore_s,stop_s,bytes$' \
  "$tmp/live/live/profile.csv"
"$orrery" doctor >"$tmp/out"
check "doctor finds the simulator and the local engine" \
  [ "$(grep -cE '^(ok|warn) +(simulator|local engine)' "$tmp/out")" = 2 ]
mkdir "$tmp/broken"
cp "$orrery" "$(dirname "$orrery")/orrery-paced" "$tmp/broken/"
printf '#!/bin/sh\nexit 127\n' >"$tmp/broken/orrery-trainer" && chmod +x "$tmp/broken/orrery-trainer"
check "doctor notices a trainer that does not start" \
  bash -c '"$1/orrery" doctor | grep "trainer.*does not start" >/dev/null' - "$tmp/broken"
exits "a list of co-runners is one of numbers" 2 "such as 1,2,4" \
  "$orrery" live calibrate scenarios/live/toy.yaml --corunners 1,12x
check "doctor --json is JSON" bash -c "'$orrery' doctor --json | python3 -m json.tool >/dev/null"
exits "no such live run" 2 "no live run" "$orrery" live status "$tmp/nowhere"
exits "no worker program" 4 "there is no worker program" \
  "$orrery" live run "${paced[@]}" --worker "$tmp/none" -o "$tmp/x"

