# shellcheck shell=sh
# For the scripts in tests/cli, which source it from the root: runs commands and compares. The first
# thing that is not as expected ends the script with exit 1, saying what was run and what came.

: "${CARNOT:?is not set: the path of the program, as tests/run.sh gives it}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ran="" code=0

fail() {
    echo "$0: $*"
    echo "after: $ran (exit $code)"
    for stream in out err; do
        [ -s "$scratch/$stream" ] && head -n 40 "$scratch/$stream" | sed "s/^/  $stream: /"
    done
    exit 1
}

# expect CODE COMMAND...: runs it, keeps its output in $scratch/out and $scratch/err.
expect() {
    expected=$1
    shift
    ran=$*
    code=0
    "$@" >"$scratch/out" 2>"$scratch/err" || code=$?
    [ "$code" = "$expected" ] || fail "expected exit $expected"
}

# What the last command wrote: a line (or part of one) that must be there; nothing; exactly one line.
out_has() {
    grep -qF -- "$1" "$scratch/out" || fail "stdout lacks '$1'"
}
err_has() {
    grep -qF -- "$1" "$scratch/err" || fail "stderr lacks '$1'"
}
no_out() {
    [ ! -s "$scratch/out" ] || fail "stdout is not empty"
}
no_err() {
    [ ! -s "$scratch/err" ] || fail "stderr is not empty"
}
one_line_err() {
    [ "$(wc -l <"$scratch/err")" = 1 ] || fail "stderr is not one line"
}

# The names in the table of commands; whether one of them is NAME.
commands() {
    "$CARNOT" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z0-9_]*\) .*/\1/p'
}
has_command() {
    commands | grep -qx "$1"
}

# Leaves where there are no studies; else `machine` is the program that simulates a metered machine.
needs_simulated_machine() {
    has_command study || exit 77
    "$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && { echo "SKIPPED: built without SQLite"; exit 77; }
    machine=$(readlink -f "$(dirname "$CARNOT")/tests/simulated_machine")
    [ -x "$machine" ] || fail "the simulated machine is not built (make tests)"
}

# Two numbers differ by a share in between.
differ() { # what, by more than, and less than this share, a, b
    awk -v lo="$2" -v hi="$3" -v a="$4" -v b="$5" 'BEGIN { d = a / b - 1; d = d < 0 ? -d : d; exit !(d > lo && d < hi) }' ||
        fail "$1: $4 beside $5"
}
