#!/bin/sh
# What speculation gains, on a quiet machine: scripts/speculation.sh BUILD_DIR SHARED [PART...]
# Parts: prose (a model of 29 M drafted by one of 8 M, 50 prompts x 200 tokens of prose-eval.txt, greedy
# texts compared), synth (llama-3.1-8b drafted by llama-3.2-1b, 70% kept by force; makes files of 6 GB in
# WORK, /tmp by default), lookup (a text that quotes itself, and one that does not).
set -u
[ $# -ge 2 ] || { echo "usage: scripts/speculation.sh BUILD_DIR SHARED [prose] [synth] [lookup]" >&2; exit 2; }
build=$1 shared=$2
shift 2
[ $# -gt 0 ] || set -- prose lookup synth
carnot=$build/carnot
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

prose() {
    target=$shared/models/prose-29m-f16.gguf draft=$shared/models/prose-8m-f16.gguf
    # 50 beginnings of 200 bytes, evenly spaced.
    bytes=$(wc -c <"$shared/data/prose-eval.txt")
    i=0 same=0
    : >"$scratch/summary"
    while [ $i -lt 50 ]; do
        tail -c +$((i * bytes / 50 + 1)) "$shared/data/prose-eval.txt" | head -c 200 >"$scratch/prompt"
        "$carnot" run -m "$target" -f "$scratch/prompt" -n 200 --temp 0 --ids --ignore-eos --meter none \
            >"$scratch/plain" 2>/dev/null
        "$carnot" run -m "$target" -f "$scratch/prompt" -n 200 --temp 0 --ids --ignore-eos --meter none \
            --draft "$draft" >"$scratch/drafted" 2>>"$scratch/summary"
        if cmp -s "$scratch/plain" "$scratch/drafted"; then
            same=$((same + 1))
        else
            echo "prompt $i parts at token $(tr ' ' '\n' <"$scratch/plain" >"$scratch/a"
            tr ' ' '\n' <"$scratch/drafted" | cmp "$scratch/a" - | sed 's/.*line //')"
        fi
        i=$((i + 1))
    done
    echo "prose: $same of 50 greedy texts the same"
    sed -n 's/.* | \([0-9.]*\) tokens a pass, \([0-9]*\)% of.*/\1 \2/p' "$scratch/summary" |
        awk '{ p += $1; k += $2; n++ } END { printf "prose: %.2f tokens a pass, %.0f%% kept, of %d\n", p / n, k / n, n }'
    "$carnot" bench -m "$target" --draft "$draft" -p 0 -n 200 -r 5 --meter none
}

lookup() {
    # A list read again and again, and prose.
    for i in 1 2 3 4 5 6; do
        echo "One for the sea, two for the wind, three for the sail that takes us home again."
    done >"$scratch/quotes"
    tail -c +5001 "$shared/data/prose-eval.txt" | head -c 800 >"$scratch/plain"
    for text in quotes plain; do
        echo "lookup: $text"
        "$carnot" bench -m "$shared/models/prose-29m-f16.gguf" --lookup 3 -f "$scratch/$text" -p 0 -n 200 -r 5 --meter none
    done
}

synth() {
    work=${WORK:-/tmp}
    for shape in llama-3.1-8b llama-3.2-1b; do
        [ -s "$work/$shape-q4_k_m.gguf" ] ||
            "$carnot" synth --shape $shape --type Q4_K_M "$work/$shape-q4_k_m.gguf" || exit 1
    done
    "$build/tests/forced_drafts" "$work/llama-3.1-8b-q4_k_m.gguf" "$work/llama-3.2-1b-q4_k_m.gguf" 0.7 48 3
}

for part in "$@"; do
    case $part in
    prose | lookup | synth) $part ;;
    *) echo "speculation.sh: no part '$part'" >&2; exit 2 ;;
    esac
done
