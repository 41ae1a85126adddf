#!/bin/sh
# carnot attribute: a trace joined with samples of another clock.
set -u
. tests/expect.sh
has_command attribute || exit 77

# Idle at 2 W, prefill at 10 W, decode at 6 W; the samples' clock is 3.7 s behind.
awk -v dir="$scratch" 'BEGIN {
    split("idle prefill decode idle", kind)
    split("0 5 9 19 24", at)
    for (i = 1; i <= 4; i++)
        printf "{\"phase\":\"%s\",\"index\":0,\"t0_ns\":%d000000000,\"t1_ns\":%d000000000,\"realtime_offset_ns\":1700000000000000000}\n",
            kind[i], 100 + at[i], 100 + at[i + 1] >(dir "/trace")
    print "timestamp_ms,power_w" >(dir "/samples")
    for (ms = -4000; ms < 28000; ms += 50) {
        w = ms >= 5000 && ms < 9000 ? 10 : ms >= 9000 && ms < 19000 ? 6 : 2
        printf "%.0f,%s\n", 1700000100000 + ms - 3700, w >(dir "/samples")
    }
}'
phase_near() { # phase, joules
    got=$(sed -n "s/.*\"phase\": \"$1\".*\"joules\": \([0-9.]*\),.*/\1/p" "$scratch/out")
    awk -v a="$got" -v b="$2" 'BEGIN { exit !(a > 0.99 * b && a < 1.01 * b) }' || fail "$1: $2 J expected, '$got' found"
}

expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples" --find-offset 10
phase_near prefill 40
phase_near decode 60
err_has "clock found -3."
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples" --offset-ms 3700 -o csv
out_has "prefill"
no_err
# Trusted, the clock gives other joules.
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples"
out_has '"status": "measured"'
awk -F, 'NR > 1 { $2 = 3 } { print $1 "," $2 }' "$scratch/samples" >"$scratch/flat"
expect 1 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/flat" --find-offset 10
one_line_err
err_has "offset"
expect 2 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples" --find-offset -1
expect 2 "$CARNOT" attribute --trace "$scratch/trace"
expect 1 "$CARNOT" attribute --trace "$scratch/none" --samples "$scratch/samples"
one_line_err

# What flows the other way is no consumption: left out with a word, or refused.
awk -F, '{ print (NR > 100 && NR < 200 ? $1 ",-3" : $0) }' "$scratch/samples" >"$scratch/signs"
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/signs" --offset-ms 3700
err_has "signs: samples below 0 W left out: no consumption"
out_has '"status": "unresolved", "reason": "samples below 0 W left out: no consumption"'
out_has '"status": "measured"'
awk -F, 'NR > 1 { $2 = -3 } { print $1 "," $2 }' "$scratch/samples" >"$scratch/reversed"
expect 1 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/reversed" --offset-ms 3700
one_line_err
err_has "reversed: expected power above 0"

# Decimal commas: between semicolons they are read, between commas the line is refused.
awk -F, '{ if (NR > 1) sub(/$/, ",0", $2); print $1 ";" $2 }' "$scratch/samples" >"$scratch/commas"
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/commas" --offset-ms 3700
phase_near prefill 40
phase_near decode 60
tr ';' , <"$scratch/commas" >"$scratch/mixed"
expect 1 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/mixed" --offset-ms 3700
one_line_err
err_has "mixed: line 2: expected 2 fields as in the first line, found 3"
