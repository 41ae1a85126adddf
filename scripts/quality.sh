#!/bin/sh
# What a file type loses, measured: one line of a table for each, model and type.
#
#   scripts/quality.sh MODEL TEXT CALIBRATION WORK TABLE.csv TYPE...
#
# MODEL: the float original. WORK: a folder for what is kept between calls: the importance matrix (100 chunks
# of 512 of CALIBRATION) and the original's logits (20 chunks of 1024 of TEXT). Each type's file is turned
# into F32 and scored, so that the loss is that of its weights alone, whatever the kernels round. Types whose
# line TABLE.csv has already are passed over. CARNOT: the program (./carnot), THREADS: its threads (1).
set -eu
[ $# -ge 6 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0" >&2; exit 2; }
carnot=${CARNOT:-./carnot} threads=${THREADS:-1}
model=$1 text=$2 calibration=$3 work=$4 table=$5
shift 5
name=$(basename "$model" .gguf)
imatrix=$work/$name.imatrix base=$work/$name.base
mkdir -p "$work"
[ -f "$imatrix" ] || "$carnot" imatrix -m "$model" -f "$calibration" -c 512 --chunks 100 -o "$imatrix" -t "$threads" >/dev/null
[ -f "$base" ] || "$carnot" perplexity -m "$model" -f "$text" -c 1024 --chunks 20 --save-base "$base" -t "$threads" >/dev/null
[ -f "$table" ] || echo "model,type,bpw,ppl,kld,kld_p99" >"$table"
quantised=$work/quantised.$$.gguf float=$work/float.$$.gguf
trap 'rm -f "$quantised" "$float"' EXIT
for type; do
    grep -q "^$name,$type," "$table" && continue
    bpw=$("$carnot" quantize "$model" "$quantised" "$type" --imatrix "$imatrix" -t "$threads" 2>&1 |
        sed -n 's/.* parameters, \([0-9.]*\) bits per weight.*/\1/p')
    "$carnot" quantize "$quantised" "$float" F32 --allow-requantize -t "$threads" 2>/dev/null
    "$carnot" perplexity -m "$float" -f "$text" -c 1024 --chunks 20 --base "$base" -t "$threads" -o csv |
        awk -F, -v head="$name,$type,$bpw" '
            NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
            NR == 2 { print head "," $column["ppl"] "," $column["kld_mean"] "," $column["kld_p99"] }' >>"$table"
    rm -f "$quantised" "$float"
done
