# shellcheck shell=bash
# Shared by the scripts of this folder: where the tree is, messages, time. Sourced, never run.
# Messages go to stderr; stdout belongs to the result of whatever the script runs.

ORRERY_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
export ORRERY_ROOT

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  lib_bold=$'\e[1;34m' lib_red=$'\e[1;31m' lib_off=$'\e[0m'
else
  lib_bold='' lib_red='' lib_off=''
fi

# say WORDS...: what the script is doing.
say() { printf '%s==>%s %s\n' "$lib_bold" "$lib_off" "$*" >&2; }

# fail WORDS...: what went wrong. Does not exit.
fail() { printf '%s==> %s%s\n' "$lib_red" "$*" "$lib_off" >&2; }

# now: microseconds since the epoch, whatever the locale's decimal sign. since T: seconds from T to now, "12.3".
now() { printf '%s' "${EPOCHREALTIME/[^0-9]/}"; }
since() {
  local tenths=$((($(now) - $1 + 50000) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# quietly LABEL LOG COMMAND...: runs the command with its output in LOG. Says LABEL once a second has passed, and
# then every 20 s how far ninja's counter is. On failure shows the end of LOG. Returns the command's exit status.
quietly() {
  local label=$1 log=$2 status=0 announcer
  shift 2
  lib_announce "$label" "$log" &
  announcer=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$announcer" 2>/dev/null || true
  wait "$announcer" 2>/dev/null || true
  if ((status != 0)); then
    fail "$label: failed (exit $status); the end of $log:"
    tail -n 100 -- "$log" >&2
  fi
  return "$status"
}

lib_announce() {
  local label=$1 log=$2 seconds=1 at
  sleep 1 >/dev/null 2>&1 # its own descriptors: a sleep left behind must not hold a reader of our stderr
  kill -0 $$ 2>/dev/null || return 0 # interrupted
  say "$label"
  while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    seconds=$((seconds + 20))
    at=$(grep -o '^\[[0-9]*/[0-9]*\]' "$log" 2>/dev/null | tail -n 1)
    say "$label: ${seconds} s${at:+, $at}"
  done
}
