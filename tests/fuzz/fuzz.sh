#!/bin/sh
# Fuzzing: tests/fuzz/fuzz.sh BUILD_DIR SECONDS [TARGET...] runs libFuzzer programs (make fuzz builds
# them) over their corpora, the time shared out evenly, and says how many executions each had. Exit 1 if
# one found something; the input is then in build/fuzz/TARGET-crash-*, and replayed with
# BUILD_DIR/tests/fuzz/TARGET_fuzz FILE. What is found on the way is kept in build/fuzz/TARGET for the
# next time.
# tests/fuzz/fuzz.sh --seeds TARGET: the files of its corpus, one a line.
set -eu
cd "$(dirname "$0")/../.."

seeds() { # the folders with the corpus of a target
    case $1 in
    gguf | model) echo tests/fixtures/bad ;;
    esac
    [ ! -d "tests/fixtures/fuzz/$1" ] || echo "tests/fixtures/fuzz/$1"
}

if [ "${1:-}" = --seeds ]; then
    # shellcheck disable=SC2046
    find $(seeds "$2") -type f | sort
    exit
fi
[ $# -ge 2 ] || { echo "usage: tests/fuzz/fuzz.sh BUILD_DIR SECONDS [TARGET...]" >&2; exit 2; }
build=$1 total=$2
shift 2
[ $# -gt 0 ] || set -- tests/fuzz/*_fuzz.c
each=$((total / $#))
[ "$each" -gt 0 ] || each=1
failed=0
sum=0
for target in "$@"; do
    name=$(basename "$target" _fuzz.c)
    mkdir -p "build/fuzz/$name"
    code=0
    # Files have up to 128 KiB. More than 200 MB in one go would be
    # memory taken on a file's word.
    # shellcheck disable=SC2046
    "$build/tests/fuzz/${name}_fuzz" -max_total_time="$each" -max_len=131072 -timeout=10 \
        -rss_limit_mb=2048 -malloc_limit_mb=200 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/fuzz/$name-" "build/fuzz/$name" $(seeds "$name") \
        >"build/fuzz/$name.log" 2>&1 || code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log" | tail -n 1)
    sum=$((sum + ${runs:-0}))
    if [ $code = 0 ]; then
        echo "ok      $name: ${runs:-0} executions in $each s"
    else
        failed=1
        echo "FAILED  $name: exit $code after ${runs:-?} executions (build/fuzz/$name.log)"
        grep -aE 'ERROR|SUMMARY|runtime error|Test unit written' "build/fuzz/$name.log" | sed 's/^/    | /'
    fi
done
echo "$sum executions"
[ $failed = 0 ]
