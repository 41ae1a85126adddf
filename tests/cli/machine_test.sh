#!/bin/sh
# carnot machine: a row per number of threads and tier, with rates that are numbers.
set -u
. tests/expect.sh
has_command machine || { echo "SKIPPED: not built in"; exit 77; }

tiers=$("$CARNOT" --version | sed -n 's/^in force *\([a-z0-9,]*\).*/\1/p')
n_tiers=$(echo "$tiers" | tr , '\n' | wc -l)
expect 0 "$CARNOT" machine -t 1 --seconds 0.02 -o jsonl
no_err
[ "$(wc -l <"$scratch/out")" = "$n_tiers" ] || fail "expected $n_tiers rows"
grep -vqE '^\{"threads": 1, "tier": "[a-z0-9]+", "read_gbps": [0-9.]+, .*"int8_gops": ([0-9.]+|null), "f32_gflops": [0-9.]+, ' "$scratch/out" &&
    fail "a row without rates"
out_has "\"tiers\": \"$tiers\""
out_has '"cpu": '

expect 0 env CARNOT_TIERS=ref "$CARNOT" machine -t 1 --seconds 0.01
out_has '| governor '
out_has '| tiers             | ref '
[ "$(grep -c '^|  *1 | ' "$scratch/out")" = 1 ] || fail "CARNOT_TIERS=ref is one row"

# Interrupted in the middle of a row.
env --default-signal=INT "$CARNOT" machine -t 1 --seconds 60 >"$scratch/out" 2>"$scratch/err" &
pid=$!
sleep 1
kill -s INT $pid
ran="machine --seconds 60, then SIGINT"
tries=0
while kill -0 $pid 2>/dev/null && [ $tries -lt 500 ]; do
    sleep 0.01
    tries=$((tries + 1))
done
[ $tries -lt 500 ] || { kill -s KILL $pid; fail "goes on for five seconds after SIGINT"; }
code=0
wait $pid || code=$?
[ $code = 1 ] || fail "expected exit 1"
one_line_err
err_has "interrupted"
no_out

refused() { # what the line names, arguments
    names=$1
    shift
    expect 2 "$CARNOT" machine "$@"
    no_out
    one_line_err
    err_has "$names"
}
for list in 0 1, 1,,1 x 1x 99999999999999999999 100000 -1; do refused --threads -t "$list"; done
refused sse9 --tier sse9
