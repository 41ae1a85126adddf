#!/bin/sh
# carnot machine --energy and --predict: refused by name without a meter, fitted with one, kept in a file.
set -u
. tests/expect.sh
has_command machine || exit 77
unset CARNOT_TIERS

# A tree without meters.
mkdir "$scratch/root"
expect 1 "$CARNOT" machine --energy --root "$scratch/root"
no_out
one_line_err
err_has "--energy: unsupported"

# Small models and a modelled meter: enough to have each part of it.
model() { # type
    "$CARNOT" quantize models/prose-8m-f16.gguf "$scratch/$1.gguf" "$1" --pure >/dev/null 2>&1 || fail "quantize $1"
}
for type in Q8_0 Q6_K Q4_0; do model $type; done
set -- -m "$scratch/Q8_0.gguf" -m "$scratch/Q6_K.gguf" -m "$scratch/Q4_0.gguf"
expect 0 "$CARNOT" machine --energy "$@" -t 1,2 --seconds 0.02 --meter model:4,18 --save "$scratch/energy.json"
out_has "held out"
out_has "J/token modelled"
out_has "by model:4,18"
[ "$(grep -c '| fitted' "$scratch/out")" = 9 ] || fail "9 configurations are fitted"
grep -q '"energy_model": 1' "$scratch/energy.json" || fail "no energy model in the file"
[ "$(grep -c '"time_model": 1' "$scratch/energy.json")" = 2 ] || fail "a time model for each number of threads"
expect 0 "$CARNOT" machine --energy "$@" -t 1 --seconds 0.01 --meter model:4,18 -o jsonl
[ "$(wc -l <"$scratch/out")" = 6 ] || fail "6 configurations"
out_has '"energy_status": "modelled"'
out_has '"pj_per_byte": '

# Another model, which was not run; one that the model has no term for.
expect 0 "$CARNOT" machine --predict "$scratch/energy.json" -m "$scratch/Q8_0.gguf" -o jsonl
[ "$(wc -l <"$scratch/out")" = 4 ] || fail "2 tests with 1 and 2 threads"
[ "$(grep -c '"energy_status": "modelled"' "$scratch/out")" = 4 ] || fail "a prediction is modelled"
expect 0 "$CARNOT" machine --predict "$scratch/energy.json"
out_has "float formats"

# As a meter: labelled in the summary, in the table, in the trace (of a prefill that is not over at once).
expect 0 "$CARNOT" run -m "$scratch/Q4_0.gguf" -p "$(yes "The old man went home." | head -n 100 | tr "\n" " ")" -n 20 --ignore-eos --meter "model:$scratch/energy.json" --trace "$scratch/trace"
err_has "modelled"
grep -q '"status":"modelled"' "$scratch/trace" || fail "the trace does not say modelled"
expect 0 "$CARNOT" bench -m "$scratch/Q4_0.gguf" -p 32 -n 16 -r 2 --meter "model:$scratch/energy.json"
out_has "J/token modelled"
expect 0 "$CARNOT" meters
out_has "model"

expect 1 "$CARNOT" machine --predict "$scratch/none.json"
one_line_err
err_has "none.json"
echo '{"energy_model": 1, "static_w": "x"}' >"$scratch/bad.json"
expect 1 "$CARNOT" machine --predict "$scratch/bad.json"
one_line_err
err_has "bad.json: line 1"
expect 2 "$CARNOT" machine --energy --predict x
expect 2 "$CARNOT" machine --save x
expect 2 "$CARNOT" machine -m x
