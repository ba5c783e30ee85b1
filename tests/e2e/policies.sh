# shellcheck shell=bash
# Policies from outside of the tree, as run.sh, which sources this: programs, libraries, and what `policy new` writes.

# ---- programs
"$orrery" compare scenarios/policies/external.yaml --csv -j 2 2>/dev/null | cut -d, -f2- >"$tmp/external.csv"
check "fifo.py and srtf.py are fifo and srtf, in one comparison on two threads" python3 - "$tmp/external.csv" <<'P'
import sys
rows = open(sys.argv[1]).read().split("\n")[1:5]
figures = [r.split(",")[1:8] for r in rows]
assert len(figures[0]) == 7 and figures[0] == figures[1] and figures[2] == figures[3], rows
assert figures[0] != figures[2], rows
P
"$orrery" run scenarios/policies/external.yaml -o "$tmp/ext" >/dev/null 2>&1
"$orrery" run scenarios/policies/external.yaml --policy fifo -o "$tmp/int" >/dev/null 2>&1
check "equal digests in and out of the tree" [ "$(digest "$tmp/ext")" = "$(digest "$tmp/int")" ]
check "its conversation is beside the run" \
  bash -c "zstd -qdc '$tmp/ext/conversation.jsonl.zst' | head -1 | grep -q '^{\"hello\":1'"
"$orrery" run scenarios/policies/external.yaml --set "policy.conversation=$tmp/ext/conversation.jsonl.zst" \
  --set "policy.command=[false]" -o "$tmp/back" >/dev/null 2>&1
check "played back it decides the same without its program" [ "$(digest "$tmp/back")" = "$(digest "$tmp/ext")" ]
(cd "$tmp" && "$orrery" run "$tmp/ext/scenario.yaml" -o "$tmp/ext2" >/dev/null 2>&1)
check "the run folder's scenario.yaml finds the program again" [ "$(digest "$tmp/ext2")" = "$(digest "$tmp/ext")" ]
ready='import sys, time; sys.stdin.readline(); print("""{"ready":1}""", flush=True); sys.stdin.readline();'
echo "$ready raise SystemExit(7)" >"$tmp/dies.py"
echo "$ready time.sleep(600)" >"$tmp/sleeps.py"
exits "a program that dies" 1 "it has ended with exit code 7 before it answered" \
  "$orrery" run scenarios/policies/external.yaml --set "policy.command=[python3, $tmp/dies.py]" -o "$tmp/dead"
check "names the line, once" \
  bash -c "grep -qF -- '--> $tmp/dead.conversation.jsonl.zst:4' '$tmp/err' && [ \$(grep -c '^error' '$tmp/err') = 1 ]"
check "and leaves nothing but its conversation" \
  bash -c "[ \"\$(compgen -G '$tmp/dead*')\" = '$tmp/dead.conversation.jsonl.zst' ]"
exits "a program that is not there" 2 "no-such-program" \
  "$orrery" run scenarios/policies/external.yaml --set "policy.command=[no-such-program]" --no-output
"$orrery" run scenarios/policies/external.yaml --set "policy.command=[python3, $tmp/sleeps.py]" --no-output \
  >/dev/null 2>&1 &
pid=$!
waits_for "the program of a run" pgrep -f "[p]ython3 $tmp/sleeps.py"
kill -KILL $pid
wait $pid 2>/dev/null
gone() { ! pgrep -f "[p]ython3 $tmp/sleeps.py"; }
waits_for "the end of a program whose orrery is killed" gone &&
  ok "a program does not outlive an orrery that is killed"

# ---- what `policy new` writes works as it is: docs/policy.md
mkdir "$tmp/try"
"$orrery" policy new mine -o "$tmp/try/mine" >/dev/null
check "a new policy in Python: its test passes" python3 "$tmp/try/mine/mine_test.py"
check "a new policy in Python: it is compared with fifo" \
  bash -c "[ \$('$orrery' compare '$tmp/try/mine/mine.yaml' 2>/dev/null | grep -cE '^  (fifo|mine) ') = 2 ]"
exits "what is there is kept" 2 "is there already, and is kept" "$orrery" policy new mine -o "$tmp/try/mine"
exits "names are names" 2 "is no name for a policy" "$orrery" policy new "My Policy"
exits "and new ones" 2 "there is a policy \`srtf\` already" "$orrery" policy new srtf
exits "nor what CMake has a target for" 2 "\`test\` is a target of CMake" "$orrery" policy new test --library
refused_by_python() {
  local module
  for module in $(python3 -I -c 'import csv, json, os, pathlib, subprocess, sys, tempfile
loaded = {m.split(".")[0] for m in sys.modules} & set(sys.stdlib_module_names)
print(*sorted(m for m in loaded if m[0] != "_" and m not in sys.builtin_module_names or m == "sys"))'); do
    "$orrery" policy new "$module" -o "$tmp/try/$module" >"$tmp/out" 2>&1
    [[ $? = 2 ]] && grep -q "\`$module\` is a module of Python" "$tmp/out" || return 1
  done
}
check "nor what Python would load in place of its own" refused_by_python
build=$(dirname "$orrery")
if cmake --install "$build" --prefix "$tmp/prefix" >"$tmp/out" 2>&1 &&
  "$orrery" policy new fast --library -o "$tmp/try/fast" >/dev/null &&
  cmake -S "$tmp/try/fast" -B "$tmp/try/fast/build" -DCMAKE_PREFIX_PATH="$tmp/prefix" >"$tmp/out" 2>&1 &&
  cmake --build "$tmp/try/fast/build" >>"$tmp/out" 2>&1; then
  ok "a new library is built against an installed Orrery"
else
  bad "a new library is built against an installed Orrery"
  cat "$tmp/out"
fi
for name in policy job_id std; do
  "$orrery" policy new "$name" --library -o "$tmp/try/$name" >/dev/null
  check "a new library whose name is Orrery's or C++'s own compiles: $name" \
    g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I "$tmp/prefix/include/orrery" "$tmp/try/$name/$name.cpp"
done
check "a new library: its test passes, with the installed program" \
  env ORRERY="$tmp/prefix/bin/orrery" python3 "$tmp/try/fast/fast_test.py"
check "and with the one that was built" env ORRERY="$orrery" python3 "$tmp/try/fast/fast_test.py"
exits "a library of another interface" 2 "was built against interface 0, this is 1: rebuild" \
  "$orrery" run "$tmp/try/fast/fast.yaml" --set "policy.library=$build/outside/other_interface.so" --no-output
exits "a library that is not there" 2 "there is no library" \
  "$orrery" run "$tmp/try/fast/fast.yaml" --set policy.library=nowhere.so --no-output
if [[ -x build/portable/orrery ]]; then
  exits "a static orrery loads no library" 2 "this orrery is linked statically and cannot load a \`library\`" \
    build/portable/orrery run "$tmp/try/fast/fast.yaml" --no-output
else
  echo "skip a static orrery loads no library (scripts/build portable makes one)"
fi
mkdir "$tmp/tree"
git ls-files -co -z --exclude-standard | tar -c --null --ignore-failed-read -T - 2>/dev/null | tar -x -C "$tmp/tree"
check "a new policy of the tree: the files are written" \
  bash -c "cd '$tmp/tree' && '$orrery' policy new frugal --tree >/dev/null &&
    tail -1 policies/registry.inc | grep -q 'P(frugal)'"
check "a new policy of the tree: they keep its rules" "$tmp/tree/scripts/tidy" --root "$tmp/tree"
for file in policies/order/frugal.cpp tests/policies/frugal_test.cpp; do
  check "a new policy of the tree compiles: $file" \
    g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I "$tmp/tree" "$tmp/tree/$file"
done
