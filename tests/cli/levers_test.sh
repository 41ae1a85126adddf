#!/bin/sh
# Levers on a machine on which guesses are faster and cost more: runs with guesses take several times the
# watts (tests/simulated_machine.c). Lanes save both. The study measures it, and the report says which it is.
set -u
. tests/expect.sh
has_command report || exit 77
unset CARNOT_TIERS
needs_simulated_machine
# A type of which a pass of a few tokens reads each weight once: guesses gain more than a neighbour takes.
expect 0 "$CARNOT" quantize models/prose-8m-f16.gguf "$scratch/prose.gguf" Q4_K_M
cd "$scratch" || exit 1

cat >levers.plan <<END
name levers
seed 3
repetitions 9
warmup 0
file prose Q4_K_M prose.gguf
threads 1
lookup none 3
lanes none 4
prompt echo One for the sea, two for the wind. One for the sea, two for the wind. One for the
output 80
idle 0.1
limits none
checks off
END

expect 0 "$machine" root 0.5 5 --lookup=40 -- "$CARNOT" study run levers.plan --db levers.db --root root
expect 0 "$CARNOT" report levers.db -o page.html
sentence=$(grep -o "Lookup 3 [^<]*" page.html | head -n 1)
echo "$sentence"
case $sentence in
"Lookup 3 saves seconds, and costs joules: faster is not cheaper here"*) ;;
*) fail "another verdict: ${sentence:-none}" ;;
esac
# Lanes read the weights once for all of them: every cell's tokens and joules are counted as those of all.
"$CARNOT" study export levers.db -o jsonl >levers.jsonl
grep '"lever": "lanes 4"' levers.jsonl | grep -c '"output_tokens": 320' | grep -qx 9 || fail "not 4 x 80 tokens in lanes"
grep '"lever": "lanes 4"' levers.jsonl | grep -c '"decoded_tokens": 316' | grep -qx 9 || fail "not 4 x 79 decoded"
sentence=$(grep -o "Lanes 4 [^<]*" page.html | head -n 1)
echo "$sentence"
case $sentence in
"Lanes 4 saves seconds and joules"*) ;;
*) fail "another verdict: ${sentence:-none}" ;;
esac
exit 0
