#!/bin/sh
# carnot perplexity: models in one table, bases, keys of the JSON, refusals.
set -u
. tests/expect.sh
has_command perplexity || exit 77
model=models/prose-8m-f16.gguf
text=$scratch/text

# Some prose without outside data: what the model itself writes.
"$CARNOT" run -n 300 --ignore-eos --temp 1 --seed 1 >"$text" 2>/dev/null || fail "no text to score"

expect 0 "$CARNOT" perplexity -f "$text" -c 64 --chunks 2 -t 1 --save-base "$scratch/base" -o json
no_err
for key in model tokens ppl ppl_se; do
    out_has "\"$key\":"
done
out_has '"tokens": 62'
out_has '"kld_mean": null'

"$CARNOT" quantize $model "$scratch/q8.gguf" Q8_0 >/dev/null 2>&1 || fail "quantize"
expect 0 "$CARNOT" perplexity -m $model -m "$scratch/q8.gguf" -f "$text" -c 64 --chunks 2 -t 1 \
    --base "$scratch/base" -o jsonl
no_err
[ "$(wc -l <"$scratch/out")" = 2 ] || fail "a row per model expected"
for key in model tokens ppl ppl_se kld_mean kld_p99 top1_agreement; do
    [ "$(grep -c "\"$key\": [^n]" "$scratch/out")" = 2 ] || fail "no $key"
done
# The model against itself; then against its copy in 8 bits.
head -n 1 "$scratch/out" | grep -q '"top1_agreement": 1[,}.]' || fail "not its own top token"
sed 's/.*"kld_mean": \([-0-9.e]*\).*/\1/' "$scratch/out" >"$scratch/kld"
{ read -r itself && read -r q8; } <"$scratch/kld"
awk -v a="$itself" -v b="$q8" 'BEGIN { exit !(a < 1e-4 && a > -1e-4 && b > 1e-4 && b < 0.05) }' ||
    fail "divergences $itself and $q8"

expect 0 "$CARNOT" perplexity -m $model -f "$text" -c 64 --chunks 2
out_has "| perplexity |"

# Fast is another result, not far away; a tier without it says so.
for precision in exact fast; do
    expect 0 "$CARNOT" perplexity -m "$scratch/q8.gguf" -f "$text" -c 64 --chunks 1 -t 1 \
        --tiers ref --precision $precision -o json
    out_has "\"precision\": \"$precision\""
    sed -n 's/.*"ppl": \([0-9.]*\).*/\1/p' "$scratch/out" >>"$scratch/ppl"
done
{ read -r exact && read -r fast; } <"$scratch/ppl"
awk -v a="$exact" -v b="$fast" 'BEGIN { exit !(a != b && b / a > 0.97 && b / a < 1.03) }' ||
    fail "perplexities $exact and $fast"
case $("$CARNOT" --version | sed -n 's/^detected  //p') in
*avx2*)
    expect 1 "$CARNOT" perplexity -m "$scratch/q8.gguf" -f "$text" -c 64 --tiers ref,avx2 \
        --precision fast
    err_has "fast is not supported with the tiers ref,avx2"
    ;;
esac

expect 2 "$CARNOT" perplexity -m $model
err_has "-f TEXT"
expect 2 "$CARNOT" perplexity -m $model -m "$scratch/q8.gguf" -f "$text" --save-base "$scratch/b2"
expect 2 "$CARNOT" perplexity -f "$text" -c 7
expect 1 "$CARNOT" perplexity -f "$text" -c 1024
err_has "two contexts"
no_out
expect 1 "$CARNOT" perplexity -f "$scratch/none"
one_line_err
expect 1 "$CARNOT" perplexity -f "$text" -c 64 --base "$scratch/none"
one_line_err
expect 1 "$CARNOT" perplexity -f "$text" -c 64 --base "$text"
err_has "not a base file"
expect 1 "$CARNOT" perplexity -f "$text" -c 32 --chunks 2 --base "$scratch/base"
err_has "same -c"
expect 1 "$CARNOT" perplexity -f "$text" -c 64 --save-base "$scratch/no/such/folder"
one_line_err
# A model that fails leaves what the others gave, and no base file.
expect 1 "$CARNOT" perplexity -m $model -m "$scratch/none.gguf" -f "$text" -c 64 --chunks 2 -o csv
one_line_err
[ "$(wc -l <"$scratch/out")" = 2 ] || fail "the first model's row expected"
expect 1 "$CARNOT" perplexity -m "$scratch/none.gguf" -f "$text" -c 64 --save-base "$scratch/b2"
[ -z "$(find "$scratch" -name 'b2*')" ] || fail "a base file was left"
