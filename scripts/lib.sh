# Shared by the scripts: where the repository is, how they speak (stderr; stdout belongs to results), stage times.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' red='' plain=''
fi

say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain" >&2; }
complain() { printf '%serror: %s%s\n' "$red" "$*" "$plain" >&2; }
jobs_here() { nproc 2>/dev/null || echo 2; }
