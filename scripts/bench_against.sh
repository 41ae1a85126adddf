#!/bin/sh
# Builds another revision of this repository in a folder of its own (build/against/COMMIT) and has this
# tree's program measured against it: scripts/bench_against.sh REV [OPTION...] passes the options to
# `carnot kernels --against`, or with -m or --model among them to `carnot bench --against`.
# CC and CFLAGS are taken from the environment, as make hands them on, and are the same for both.
# Exit 3: something is slower beyond the margin.
set -eu
[ $# -ge 1 ] || { echo "usage: scripts/bench_against.sh REV [OPTION...]" >&2; exit 2; }
cd "$(dirname "$0")/.."
rev=$1
shift
commit=$(git rev-parse --verify --quiet "$rev^{commit}") ||
    { echo "bench-against: a revision of this repository expected, '$rev' found" >&2; exit 2; }
folder=build/against/$(printf '%.12s' "$commit")
if [ ! -e "$folder/Makefile" ]; then
    mkdir -p build/against
    git worktree prune
    git worktree add --quiet --detach --force "$folder" "$commit" >&2
fi
# Make variables of this run (CC=..., CFLAGS=...) go on in MAKEFLAGS; what it was to make does not.
make --no-print-directory -C "$folder" all >"$folder.log" 2>&1 ||
    { tail -n 20 "$folder.log" >&2; echo "bench-against: $rev does not build ($folder.log)" >&2; exit 1; }
command=kernels
for option in "$@"; do
    case $option in -m | --model) command=bench ;; esac
done
exec ./carnot $command --against "$folder/carnot" "$@"
