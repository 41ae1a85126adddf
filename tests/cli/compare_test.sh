#!/bin/sh
# carnot compare: two files, one file split by a column, published figures, and what it refuses.
set -u
. tests/expect.sh

results() { # tokens/s of decode for six models
    echo model,test,threads,tps_median,j_per_token
    i=0
    for tps in "$@"; do
        i=$((i + 1))
        echo "m$i,decode,2,$tps,"
    done
}
results 100 200 300 400 500 600 >"$scratch/before.csv"
results 111 219 330 442 549 663 >"$scratch/after.csv"

expect 0 "$CARNOT" compare "$scratch/before.csv" "$scratch/after.csv"
no_err
out_has "| tps_median |"
out_has "tps_median: after.csv is 10.2% above before.csv (90% interval 9.8% to 10.7%): a difference (Wilcoxon p = 0.0312), and one of more than 5%."
out_has "Sets by file; pairs agree in model."
expect 0 "$CARNOT" compare "$scratch/before.csv" "$scratch/after.csv" --margin 20
out_has "but one too small to matter: equivalent within 20% (TOST p = "
expect 0 "$CARNOT" compare "$scratch/before.csv" "$scratch/before.csv"
out_has "are equal in every pair (6)."

# The same rows in every format, read back in every format.
for format in csv json jsonl; do
    expect 0 "$CARNOT" compare "$scratch/before.csv" "$scratch/after.csv" -o "$format"
    cp "$scratch/out" "$scratch/$format"
done
for key in metric per a b paired n_a n_b median_a median_a_lo median_a_hi iqr_a median_b test exact n_zero w_plus w_minus w p p_holm effect \
    estimate estimate_lo estimate_hi margin_lo margin_hi tost_p p_normal friedman_p verdict; do
    grep -q "\"$key\": " "$scratch/jsonl" || fail "the JSON lacks $key"
done
grep -q '"p": 0.03125,' "$scratch/jsonl" || fail "another p than 2 / 2^6"
cp "$scratch/jsonl" "$scratch/jsonl2"
expect 0 "$CARNOT" compare "$scratch/csv" "$scratch/json" --metric p,w
out_has "p: csv and json are equal in every pair (1)."
expect 0 "$CARNOT" compare "$scratch/jsonl" "$scratch/jsonl2" --metric p
# What carnot bench writes.
expect 0 "$CARNOT" bench -p 4 -n 2 -t 1 -r 2 --save "$scratch/bench.csv" -o jsonl
cp "$scratch/out" "$scratch/bench.jsonl"
expect 0 "$CARNOT" compare "$scratch/bench.csv" "$scratch/bench.jsonl"
out_has "tps_median (prefill): bench.csv and bench.jsonl are equal in every pair (1)."

# One file: by a column; three sets.
{
    echo size,rep,joules
    for rep in 0 1 2 3 4 5; do
        echo "small,$rep,1.$rep"
        echo "middle,$rep,2.$rep"
        echo "large,$rep,3.$rep"
    done
} >"$scratch/runs.csv"
expect 0 "$CARNOT" compare "$scratch/runs.csv" --by size
out_has "joules of 3 sets in 6 blocks: Friedman's chi-squared = 12.00, p = 0.00248, Kendall's W = 1.000."
out_has "Mean ranks, 1 the lowest: small 1.00, middle 2.00, large 3.00"
out_has "after Holm for 3 tests"
expect 0 "$CARNOT" compare "$scratch/runs.csv" --by size=large,small --pair none
out_has "Mann-Whitney p = "
expect 0 "$CARNOT" compare - --by size <"$scratch/runs.csv"

# What other programs write: the right columns, and a sentence about them.
tables=tests/fixtures/tables
expect 0 "$CARNOT" compare $tables/lbA.csv $tables/lbB2.csv # llama-bench
out_has "avg_ts (n_prompt 512, n_gen 0): lbB2.csv is 8.9% above lbA.csv (90% interval 7.3% to 10.4%): undecided"
out_has "avg_ts (n_prompt 0, n_gen 128): lbB2.csv is 10.6% above lbA.csv"
out_has "after Holm for 2 tests): 3 pairs are too few for this test"
out_has "the sets differ in build_commit as well"
expect 0 "$CARNOT" compare $tables/lbA.json $tables/lbB.json
out_has "avg_ts (n_prompt 0, n_gen 128): lbB.json is 10.6% above lbA.json"
expect 0 "$CARNOT" compare $tables/lbA.json $tables/lbB.json --per model_filename,n_gen
out_has "avg_ts (models/m-Q8_0.gguf, n_gen 128, n_prompt 0): lbB.json is 10.4% above lbA.json; one value of each, and their 95% intervals are apart: a difference."
expect 0 "$CARNOT" compare $tables/lbA.csv $tables/lbB.json # one in either form
out_has "lbB.json is 10.6% above lbA.csv"
{
    echo "| model | size | params | backend | threads | test | t/s |"
    echo "| --- | ---: | ---: | --- | ---: | ---: | ---: |"
    echo "| llama 8B Q4_K - Medium | 4.58 GiB | 8.03 B | CPU | 8 | tg128 | 20.00 ± 0.20 |"
    echo
    echo "build: aaa (4000)"
} >"$scratch/lb.md"
sed 's/20.00/22.00/' "$scratch/lb.md" >"$scratch/lb2.md"
expect 0 "$CARNOT" compare "$scratch/lb.md" "$scratch/lb2.md"
out_has "t/s: lb2.md is 10.0% above lb.md; one value of each, so nothing can be said about chance."
expect 0 "$CARNOT" compare $tables/hfa.csv $tables/hfb.csv # hyperfine
out_has "mean: hfb.csv is 20.0% above hfa.csv; one value of each"
out_has "Sets by file; pairs agree in command."
expect 0 "$CARNOT" compare $tables/hflbA.json $tables/hflbB.json
out_has "times: hflbB.json is 10.4% above hflbA.json (90% interval 9.7% to 11.1%): a difference (Mann-Whitney p = 7.4e-07), and one of more than 5%."
expect 0 "$CARNOT" compare $tables/ccA.csv $tables/ccB.csv # CodeCarbon
out_has "energy_consumed: ccA.csv and ccB.csv hold the same values (8 each; Mann-Whitney p = 1 after Holm for 3 tests)."
out_has "The same everywhere, and so not compared: emissions_rate, cpu_power, gpu_power, ram_power, gpu_energy, ram_energy,"
expect 0 "$CARNOT" compare $tables/da.csv $tables/db.csv # decimal commas
out_has "joules: db.csv is 9.6% above da.csv (90% interval 9.5% to 9.8%): a difference (Wilcoxon p = 0.0312), and one of more than 5%."
estimates() { # ns: Criterion
    echo '{"mean":{"confidence_interval":{"confidence_level":0.95,"lower_bound":'"$(($1 - 9))"',"upper_bound":'"$(($1 + 9))"'},'
    echo '"point_estimate":'"$1"',"standard_error":4},"median_abs_dev":{"point_estimate":'"$(($1 / 99))"',"standard_error":1},"slope":null}'
}
estimates 1000 >"$scratch/old.json"
estimates 1100 >"$scratch/new.json"
expect 0 "$CARNOT" compare "$scratch/old.json" "$scratch/new.json"
out_has "mean: new.json is 10.0% above old.json; one value of each, and their 95% intervals are apart: a difference."

# Published figures.
printf 'what,energy\nsmall,1.25 (IQR 0.25)\nmiddle,2.25\nlarge,3.25\n' >"$scratch/right.csv"
sed 's/3.25/3.35/' "$scratch/right.csv" >"$scratch/wrong.csv"
expect 0 "$CARNOT" compare "$scratch/runs.csv" --by size --published "$scratch/right.csv" --same joules=energy
out_has "4 of 4 published figures agree"
expect 1 "$CARNOT" compare "$scratch/runs.csv" --by size --published "$scratch/wrong.csv" --same joules=energy
out_has "large: energy is published as 3.35, but the median of joules in its 6 runs is 3.25 (+3.1%)."
one_line_err
err_has "1 of 4 published figures are wrong"
expect 1 "$CARNOT" compare "$scratch/runs.csv" --by size --published "$scratch/wrong.csv" --same joules=energy -o csv
[ "$(wc -l <"$scratch/out")" = 5 ] || fail "expected every figure"

refused() { # message, arguments...
    says=$1
    shift
    expect 1 "$CARNOT" compare "$@"
    no_out
    one_line_err
    err_has "$says"
}
refused "runs.csv: expected the name of a column (size, rep, joules), found 'nope'" "$scratch/runs.csv" --by nope
refused "found 'nope'" "$scratch/before.csv" "$scratch/after.csv" --metric nope
printf 'a,b\n1,2\n3\n' >"$scratch/short.csv"
refused "short.csv: line 3: expected 2 fields as in the header, found 1" "$scratch/short.csv" "$scratch/before.csv"
printf '{"a": 1}\n{"a": \n' >"$scratch/cut.jsonl"
refused "cut.jsonl: object in line 2" "$scratch/before.csv" "$scratch/cut.jsonl"
head -c 3000 models/prose-8m-f16.gguf >"$scratch/binary"
refused "binary: line " "$scratch/binary" "$scratch/before.csv"
printf 'name\nx\n' >"$scratch/names.csv"
refused "expected a column of numbers to compare, found none" "$scratch/names.csv" "$scratch/names.csv"
refused "cannot open" "$scratch/before.csv" "$scratch/missing.csv"

usage() {
    expect 2 "$CARNOT" compare "$@"
    no_out
    one_line_err
}
usage
usage "$scratch/before.csv"
err_has "--by COLUMN"
usage "$scratch/before.csv" "$scratch/after.csv" --by model
usage "$scratch/before.csv" --by model --test sometimes
usage "$scratch/before.csv" "$scratch/after.csv" --published "$scratch/right.csv"
usage "$scratch/runs.csv" --by size --same a=b

# The phone study (docs/STUDY.md).
data=${CARNOT_SHARED:-../shared}/data/phone-study
if [ -r "$data/runs.csv" ]; then
    expect 1 "$CARNOT" compare "$data/runs.csv" --by model,quant --published "$data/final_results.csv" \
        --same "energy_j=total_energy_consumption,j_per_token=energy_per_token,output_tokens=output_token_count,decode_tps=generation_decoder_speed" \
        --product "energy_j=j_per_token*output_tokens"
    out_has "Qwen2.5-7.6B IQ4_XS: total_energy_consumption is published as 251.54, but the median of energy_j in its 30 runs is 280.59245"
    out_has "126 of 128 published figures agree"
    out_has "The products hold in 480 of 480 runs."
else
    echo "SKIPPED: no $data (CARNOT_SHARED names the folder of shared test data)"
fi
