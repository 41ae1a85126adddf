#!/bin/sh
# carnot bench: its other tables (--split, --attribute, --watch-cost), and what they exclude.
set -u
. tests/expect.sh
has_command bench || exit 77
unset CARNOT_TIERS

short="-p 32 -n 4 -r 2 -t 1"
# shellcheck disable=SC2086
split() {
    "$CARNOT" bench $short "$@"
}

# Where the time goes: shares of one test add up to 1, and joules are refused by name.
for what in ops layers formats; do
    expect 0 split --split $what --meter none -o jsonl
    out_has "time-weighted"
    out_has "unsupported"
    sed -n 's/.*"test": "\([a-z]*\)".*"share": \([-0-9.e]*\),.*/\1 \2/p' "$scratch/out" |
        awk '{ sum[$1] += $2 }
             END { if (!("prefill" in sum) || !("decode" in sum)) exit 1
                   for (t in sum) if (sum[t] < 0.999999 || sum[t] > 1.000001) exit 1 }' ||
        fail "--split $what: the shares of a test do not add up to 1"
done
expect 0 split --split ops --meter none
for op in embed norm qkv rope attention attn_out ffn_up ffn_down output rest; do
    out_has "$op"
done
expect 0 split --split formats --meter none
out_has "f16"
out_has "no weights"
expect 0 split --split layers --meter none
out_has "outside"

# Each op beside its bound, and the finding in a sentence.
expect 0 split -p 16 -n 8 --explain
out_has "Bottleneck: "
out_has "of bound"
expect 0 split -p 0 -n 8 --explain -o jsonl
out_has '"bottleneck": "overhead"'

# A modelled meter is called so beside each of its figures.
expect 0 split -p 0 -n 16 --split ops --meter model:4,18
out_has "by time, modelled"
expect 0 split -p 0 -n 16 --attribute ops --meter model:4,18 -o jsonl
out_has '"energy_status": "modelled"'
out_has "least squares over op mixes"

# Several sequences decoded together: a row for each number of them, all their tokens counted, weights read once.
expect 0 split -p 8 --lanes 1,3 --meter model:4,18 -o jsonl
[ "$(grep -c '"lanes": 1' "$scratch/out")" = 2 ] || fail "a prefill and a decode of one sequence expected"
[ "$(grep -c '"lanes": 3' "$scratch/out")" = 1 ] || fail "a decode of three sequences expected"
grep '"test": "decode"' "$scratch/out" |
    sed -n 's/.*"lanes": \([0-9]*\).*"tps_median": \([0-9.e]*\).*"weight_gbps": \([0-9.e]*\).*/\1 \2 \3/p' |
    awk '{ pass = $3 / $2 * $1 }
         NR == 1 { one = pass }
         END { exit NR != 2 || pass < 0.99 * one || pass > 1.01 * one }' ||
    fail "a pass of three lanes reads more than one of one"
expect 2 split --lanes 0
expect 2 split --lanes 17
expect 2 split --lanes 2 --explain
err_has "--lanes goes without"
expect 2 split --lanes 2 --against "$CARNOT"
expect 2 split --lanes 2 --lookup 2

# Layers that keep a state: their ops stand beside a bound too, and have watts of their own, at a depth as well.
stateful() { # model, options
    fixture=tests/fixtures/arch2/$1.gguf
    shift
    "$CARNOT" bench -m "$fixture" -t 1 -r 2 -p 0 -n 16 -d 40 -o jsonl "$@" 2>&1
}
for of in "lfm2 conv" "qwen35-untied delta" "falcon-h1-norm ssm"; do
    model=${of% *} op=${of#* }
    expect 0 stateful "$model" --meter none --explain
    grep "\"op\": \"$op\"" "$scratch/out" | grep -q '"memory_ms": [0-9.e-]*[1-9]' || fail "no bytes of the states"
    expect 0 stateful "$model" --meter none --split ops
    out_has "\"part\": \"$op\""
done
expect 0 stateful falcon-h1-norm --meter model:4,18 --attribute ops
grep '"part": "ssm"' "$scratch/out" | grep -q '"watts": [0-9]' || fail "no watts of ssm"

# No meter: what can be said is said.
expect 0 split -p 0 --attribute ops --root "$scratch"
out_has "J/token unsupported"

expect 2 split --split columns
err_has "ops, layers or formats"
expect 2 split --attribute layers
expect 2 split --attribute ops --split ops
expect 2 "$CARNOT" bench --attribute ops -r 1
one_line_err
expect 1 "$CARNOT" bench --watch-cost -m "$scratch/none.gguf"
one_line_err
