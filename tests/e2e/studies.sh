# shellcheck shell=bash
# The lineage studies as their script runs them; run.sh sources this.
check "lineage_study: its statistics are as known" python3 scripts/lineage_study --self-test
study=(python3 scripts/lineage_study --orrery "$orrery" --studies burst --loads 1.0 --policies srsf,fifo,lineage
  --set workload.generate.jobs=60 -o "$tmp/study")
"${study[@]}" --seeds 2:4 >"$tmp/study.out" 2>&1 && cp "$tmp/study/table.md" "$tmp/study.whole"
rm -rf "$tmp/study"
"${study[@]}" --seeds 2:3 >>"$tmp/study.out" 2>&1
"${study[@]}" --seeds 2:4 >>"$tmp/study.out" 2>&1
check "taken up again it writes the same table" cmp "$tmp/study/table.md" "$tmp/study.whole"
check "it refuses seeds that are held out" bash -c '! python3 scripts/lineage_study --seeds 101 2>/dev/null'

check "lineage_live_study: its statistics are as known" python3 scripts/lineage_live_study --self-test
exits "it says how to get what trains" 2 "scripts/bootstrap --live && scripts/build" \
  python3 scripts/lineage_live_study --orrery "$tmp/nowhere/orrery" -o "$tmp/live-study"
