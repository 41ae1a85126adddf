#!/bin/sh
# carnot tune: a table of candidates and one choice; joules are refused by name without a meter.
set -u
. tests/expect.sh
has_command tune || exit 77
unset CARNOT_TIERS
mkdir "$scratch/root"

expect 0 "$CARNOT" tune --for time -r 2 --seconds 0.01 -p 16 -n 8 --meter none -o jsonl
[ "$(grep -c '"verdict": "chosen"' "$scratch/out")" = 2 ] || fail "one choice for prefill, one for decode"
out_has '"energy_status": "unsupported"'
out_has '"j_per_token": null'
expect 0 "$CARNOT" tune --for time -r 2 --seconds 0.01 -p 16 -n 8 -t 1 --meter none
out_has "carnot run -m models/prose-8m-f16.gguf -t 1 --threads-prefill 1"
expect 0 "$CARNOT" tune --for edp -r 2 --seconds 0.02 -p 16 -n 8 --meter model:4,18
out_has "J/token modelled"
out_has "modelled, not measured"

for goal in energy edp; do
    expect 1 "$CARNOT" tune --for $goal --root "$scratch/root"
    no_out
    one_line_err
    err_has "--for $goal: unsupported"
    err_has "; --for time needs no meter"
done
expect 1 "$CARNOT" tune --root "$scratch/root"
err_has "--for energy: unsupported"
expect 2 "$CARNOT" tune --for speed
one_line_err
err_has "energy, time or edp"
expect 2 "$CARNOT" tune --for time -t 0
expect 2 "$CARNOT" tune --for time -r 1
expect 1 "$CARNOT" tune --for time -m "$scratch/none.gguf"
one_line_err

# Where the frequency may be set, it is a part of the choice for joules; afterwards it is as before.
root=$scratch/root i=0
while [ $i -lt "$(getconf _NPROCESSORS_CONF)" ]; do
    mkdir -p "$root/sys/devices/system/cpu/cpu$i/cpufreq"
    echo 3600000 >"$root/sys/devices/system/cpu/cpu$i/cpufreq/scaling_max_freq"
    i=$((i + 1))
done
expect 0 "$CARNOT" tune --for energy -r 2 --seconds 0.01 -p 16 -n 8 -t 1 --meter model:4,18 \
    --root "$root" -o csv
out_has "all at 2700 MHz"
out_has "all at 1800 MHz"
[ "$(sort -u "$root"/sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq)" = 3600000 ] ||
    fail "the frequency is another than before"
[ ! -e "$root/run/carnot-settings" ] || fail "the journal is still there"
expect 0 "$CARNOT" tune --for time -r 2 --seconds 0.01 -p 16 -n 8 -t 1 --meter none --root "$root"
! grep -q "MHz" "$scratch/out" || fail "the frequency is tried for time"
