#!/bin/sh
# Every corrupt file through carnot run: the ending that bad.csv asks for, one line that names the
# file, no signal, within a second of CPU time and 10 on the clock, and 100 MB of memory.
set -u
. tests/expect.sh
has_command run || exit 77
bad=tests/fixtures/bad

# AddressSanitizer's own memory is no use to limit; it can watch what is asked of it and what is used.
data_kib=100000
if grep -qa __asan_init "$CARNOT"; then
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:max_allocation_size_mb=100:hard_rss_limit_mb=100
    export ASAN_OPTIONS
fi
if grep -qa -e __asan_init -e __tsan_init "$CARNOT"; then
    data_kib=unlimited
fi

run_model() { # file
    (
        # shellcheck disable=SC3045 # dash and bash have it
        ulimit -t 1
        # shellcheck disable=SC3045
        ulimit -d $data_kib
        exec timeout -s KILL 10 "$CARNOT" run -m "$1" -p a -n 8 --meter none -t 2
    )
}
n=0
tail -n +2 $bad/bad.csv >"$scratch/list"
while IFS= read -r line; do
    file=${line%%,*}
    rest=${line%,*}
    expected=${rest##*,}
    ran="run -m $file"
    code=0
    run_model "$bad/$file" >"$scratch/out" 2>"$scratch/err" </dev/null || code=$?
    case $expected in
    error) [ "$code" = 1 ] || fail "expected exit 1" ;;
    load) [ "$code" = 0 ] || fail "expected exit 0" ;;
    *) [ "$code" -le 1 ] || fail "neither refused nor run" ;;
    esac
    if [ "$code" = 1 ]; then
        one_line_err
        err_has "$bad/$file: "
        # It opens, and what comes out are no numbers: the prompt stands there already.
        grep -q "logits are not finite" "$scratch/err" && [ "$(cat "$scratch/out")" = a ] || no_out
    else
        err_has "prompt tokens"
    fi
    n=$((n + 1))
done <"$scratch/list"
# Logits that are no numbers, by every command that reads them.
for file in nan-weights q8-inf-scale; do
    m=$bad/$file.gguf
    expect 0 "$CARNOT" run -m "$m" -p a -n 0 --meter none
    for how in "run --temp 0 -n 8 --meter none --ids --tokens 5" "run -n 8 --meter none --ids --tokens 5,6 --ignore-eos" \
        "logits --tokens 5,6 --out $scratch/logits" "logits --tokens 5,6,7 --batch 1 --out $scratch/logits"; do
        # shellcheck disable=SC2086
        expect 1 "$CARNOT" $how -m "$m"
        one_line_err
        err_has "logits are not finite at position"
        [ -z "$(tr -d '\n' <"$scratch/out")" ] || fail "tokens of no numbers"
        [ ! -e "$scratch/logits" ] || fail "a file of no numbers"
    done
done
printf '%s\n' '{"prompt": "a", "answer": "b"}' >"$scratch/tasks"
expect 1 "$CARNOT" score -m $bad/nan-weights.gguf --task generate -f "$scratch/tasks"
one_line_err
err_has "not finite"
[ $n = 150 ] || fail "150 files expected, $n checked"
