#!/bin/sh
# What `make bench` runs: quantises the default model into the formats at hand, measures size, quality,
# speed and joules of each, prints the tables and writes report.html. Takes about two minutes on two cores.
set -eu
cd "$(dirname "$0")/.."
carnot=./carnot
base=${CARNOT_MODEL:-models/prose-8m-f16.gguf}
types="Q8_0 Q6_K Q5_K_M Q4_K_M Q4_0 IQ4_NL IQ4_XS Q3_K_M IQ3_S Q2_K"
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
"$carnot" bench "$@" --kld "$base" --save "$work/models.html"
echo
echo "KL: mean Kullback-Leibler divergence (nats) from $(basename "$base") on text that model writes itself; same"
echo "top: how often both find the same token likeliest. Kernels, one thread, weights read from memory:"
echo
"$carnot" kernels --job gemv,gemm --format f16,q8_0,q6_k,q5_k,q4_k,q4_0,iq4_nl,iq4_xs,q3_k,iq3_s,q2_k --save "$work/kernels.html"

{
    cat <<'HTML'
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Carnot bench</title>
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15em .7em; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
td.n { text-align: right; }
</style></head><body>
<h1>Carnot bench</h1>
<pre>
HTML
    "$carnot" --version
    echo "</pre><h2>Models</h2><div>"
    cat "$work/models.html"
    echo "</div><h2>Kernels</h2><div>"
    cat "$work/kernels.html"
    echo "</div></body></html>"
} >report.html.tmp
mv report.html.tmp report.html
echo
echo "report.html holds these tables."
