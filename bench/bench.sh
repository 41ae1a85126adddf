#!/bin/sh
# What `make bench` runs: quantises the default model into the formats at hand, measures size, quality,
# speed and joules of each, prints the tables and writes report.html. Takes about two minutes on two cores.
# From the environment, where they are set: TYPES (file types), FORMATS (of kernels), TIERS, MODEL (a float file).
set -eu
cd "$(dirname "$0")/.."
carnot=./carnot
base=${MODEL:-${CARNOT_MODEL:-models/prose-8m-f16.gguf}}
types=$(echo "${TYPES:-Q8_0 Q6_K Q5_K_M Q4_K_M Q4_0 IQ4_NL IQ4_XS Q3_K_M IQ3_S Q2_K}" | tr ',' ' ')
formats=$(echo "${FORMATS:-f16,q8_0,q6_k,q5_k,q4_k,q4_0,iq4_nl,iq4_xs,q3_k,iq3_s,q2_k}" | tr ' ' ',')
[ -z "${TIERS:-}" ] || { CARNOT_TIERS=$(echo "$TIERS" | tr ' ' ','); export CARNOT_TIERS; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

name=$(basename "$base" .gguf)
name=${name%-f16}
set -- -m "$base"
for type in $types; do
    "$carnot" quantize "$base" "$work/$name-$type.gguf" "$type" >/dev/null 2>"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
    set -- "$@" -m "$work/$name-$type.gguf"
done

"$carnot" --version
echo
"$carnot" bench "$@" --kld "$base" --save "$work/models.json"
echo
echo "KL: mean Kullback-Leibler divergence (nats) from $(basename "$base") on text that model writes itself; same"
echo "top: how often both find the same token likeliest. Kernels, one thread, weights read from memory:"
echo
"$carnot" kernels --job gemv,gemm --format "$formats" --save "$work/kernels.json"

echo
"$carnot" report "$work/models.json" "$work/kernels.json" --head "$("$carnot" --version)" -o report.html
echo "report.html holds these tables."
