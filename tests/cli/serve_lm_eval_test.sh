#!/bin/sh
# carnot serve: likelihoods over HTTP choose the endings that carnot score chooses.
set -u
. tests/expect.sh
. tests/serving.sh

model=models/prose-8m-f16.gguf
data=${CARNOT_SHARED:-../shared}/data/hellaswag-400.txt
n=6
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
[ -f "$data" ] || { echo "SKIPPED: no $data"; exit 77; }
command -v python3 >/dev/null 2>&1 || { echo "SKIPPED: no python3"; exit 77; }
serving || exit 77
serve -m "$model" --meter none -t 1 --sleep

expect 0 "$CARNOT" score -m "$model" --task hellaswag -f "$data" --tasks $n --answers -o csv -t 1
cut -d, -f2,5,6 "$scratch/out" | tail -n +2 >"$scratch/score"
expect 0 python3 tests/clients/lm_eval.py "$url" "$data" $n 2
[ "$(wc -l <"$scratch/out")" = $n ] || fail "not $n tasks"
cmp -s "$scratch/out" "$scratch/score" || { diff "$scratch/out" "$scratch/score"; fail "score chooses otherwise"; }
ends 0
