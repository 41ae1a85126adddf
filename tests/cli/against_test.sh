#!/bin/sh
# carnot kernels --against and bench --against, --external: programs whose speed is known stand for the other one.
set -u
. tests/expect.sh
has_command kernels || { echo "SKIPPED: not built in"; exit 77; }

# A carnot that says of every kernel and test how fast it is, whatever it is asked.
fake() { # name, weights/s, tokens/s
    cat >"$scratch/$1" <<END
#!/bin/sh
echo "\$*" >>"$scratch/$1.calls"
case "\$1 \${2-}" in
--version*) echo "carnot 9.9 fake" ;;
*--help*) echo "no such help" ;;
kernels*) echo '[{"format": "q4_0", "tier": "ref", "job": "gemv", "threads": 1, "weights_per_s": $2}]' ;;
bench*) echo '[{"model": "models/prose-8m-f16.gguf", "threads": 1, "test": "decode", "n_tokens": 8, "depth": 0, "tps_median": $3}]' ;;
esac
END
    chmod +x "$scratch/$1"
}
fake fast 1e15 1e12
fake slow 1000 0.001

kernels="--format q4_0 --tier ref --job gemv"
# Beside a faster one this program is slower: named, with an interval, exit 3.
# shellcheck disable=SC2086
expect 3 "$CARNOT" kernels --against "$scratch/fast" $kernels
out_has "q4_0 ref gemv: "
out_has "% slower than old ("
out_has "beyond the margin of 3%"
err_has "carnot 9.9 fake"
grep -q -- "kernels --bench --format q4_0 --tier ref --job gemv --threads 1" "$scratch/fast.calls" ||
    fail "the other one was not asked for the same"

# shellcheck disable=SC2086
expect 0 "$CARNOT" kernels --against "$scratch/slow" $kernels -o jsonl
out_has '"verdict": "faster"'
out_has '"margin": 0.03'
[ "$(wc -l <"$scratch/out")" = 1 ] || fail "one row expected"

# Too little time for a verdict is none, and no loss.
# shellcheck disable=SC2086
expect 0 "$CARNOT" kernels --against "$scratch/fast" $kernels --seconds 0.001 -o csv
out_has "undecided"

# Rounds as rows, for carnot compare, whose pairs are the rounds.
# shellcheck disable=SC2086
expect 3 "$CARNOT" kernels --against "$scratch/fast" $kernels --samples -o csv --save "$scratch/rounds.csv"
out_has "old,1,q4_0,ref,gemv,1,1e+15"
expect 0 "$CARNOT" compare "$scratch/rounds.csv" --by program
out_has "pairs agree in"
out_has "old"

# A whole model.
model=models/prose-8m-f16.gguf
expect 3 "$CARNOT" bench --against "$scratch/fast" -m $model -p 0 -n 8 -t 1
out_has "% slower than old ("
expect 0 "$CARNOT" bench --against "$scratch/slow" -m $model -p 0 -n 8 -t 1 -o json
out_has '"verdict": "faster"'

# Somebody else's program, by what llama-bench prints; the model's name may hold anything.
cat >"$scratch/peer" <<'END'
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in -m) model=$2 ;; -t) threads=$2 ;; -n) gen=$2 ;; -p) prompt=$2 ;; esac
    shift 2
done
cat <<JSON
[
  {"build_commit": "0000000", "model_filename": "$model", "model_type": "llama 8M F16", "n_batch": 2048, "n_threads": $threads,
   "type_k": "f16", "n_prompt": $prompt, "n_gen": 0, "n_depth": 0, "avg_ts": 0.01, "stddev_ts": 0, "samples_ts": [0.01]},
  {"build_commit": "0000000", "model_filename": "$model", "model_type": "llama 8M F16", "n_batch": 2048, "n_threads": $threads,
   "type_k": "f16", "n_prompt": 0, "n_gen": $gen, "n_depth": 0, "avg_ts": 1e12, "stddev_ts": 0, "samples_ts": [1e12]},
  {"build_commit": "0000000", "model_filename": "$model", "model_type": "llama 8M F16", "n_batch": 2048, "n_threads": $threads,
   "type_k": "f16", "n_prompt": $prompt, "n_gen": $gen, "n_depth": 0, "avg_ts": 1, "stddev_ts": 0, "samples_ts": [1]}
]
JSON
END
chmod +x "$scratch/peer"
cp $model "$scratch/it's a model.gguf"
expect 3 "$CARNOT" bench -m "$scratch/it's a model.gguf" -p 16 -n 8 -t 1 \
    --external "peer=$scratch/peer -m {model} -p {prefill} -n {decode} -t {threads}"
out_has "prefill n_tokens 16: "
out_has "% faster than peer ("
out_has "decode n_tokens 8: "
out_has "% slower than peer ("
expect 3 "$CARNOT" bench -m $model -p 16 -n 8 -t 1 -o jsonl --save "$scratch/peer.json" \
    --external "peer=$scratch/peer -m {model} -p {prefill} -n {decode} -t {threads}"
[ "$(grep -c '"against": "peer"' "$scratch/out")" = 2 ] || fail "two rows expected: prefill and decode"

# What goes wrong there is told in one line.
expect 1 "$CARNOT" bench -m $model -p 0 -n 8 -t 1 --external "peer=echo no model >&2; exit 4"
one_line_err
err_has "exit 4: no model"
expect 1 "$CARNOT" bench -m $model -p 16 -n 8 -t 1 --external "peer=$scratch/peer -m other.gguf -p 16 -n 8 -t 1"
one_line_err
err_has "other.gguf"
expect 1 "$CARNOT" bench -m $model -p 16 -n 8 -t 1 --external "peer=echo '[{\"speed\": 1}]'"
err_has "llama-bench -o json"
expect 1 "$CARNOT" kernels --against "$scratch/absent" --format q4_0
err_has "absent"
expect 2 "$CARNOT" bench --external "peer"
err_has "NAME=COMMAND"
expect 2 "$CARNOT" bench --against x --explain
expect 2 "$CARNOT" kernels --against x --check
