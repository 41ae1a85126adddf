#!/bin/sh
# The files that commands write: devices, pipes, folders and a command's own input are refused before any
# work, a link is written through, and messages name what the user named.
set -u
. tests/expect.sh

arch=tests/fixtures/arch
model=$scratch/model.gguf
text=$scratch/text
ids=$scratch/ids
cp $arch/llama-f32.gguf "$model"
cat docs/FORMATS.md >"$text"
echo 1 2 3 4 >"$ids"
printf '0123456789abcdef01' >"$scratch/blocks" # one of Q4_0

# Every command that writes a file, with a small task. $1: the file.
to_logits() { "$CARNOT" logits -m "$model" --tokens "@$ids" --out "$1"; }
to_trace() { "$CARNOT" run -m "$model" --tokens "@$ids" -n 2 --ids --meter none --trace "$1"; }
to_record() { "$CARNOT" run -m "$model" --tokens "@$ids" -n 2 --ids --meter none --record "$1"; }
to_session() { "$CARNOT" run -m "$model" --tokens "@$ids" -n 2 --ids --meter none --session "$1"; }
to_bench() { "$CARNOT" bench -m "$model" -p 2 -n 0 -r 1 -t 1 --meter none --save "$1"; }
to_kernels() { "$CARNOT" kernels --format q4_0 --tier ref --job gemv --check --save "$1"; }
to_imatrix() { "$CARNOT" imatrix -m models/prose-8m-f16.gguf -f "$text" -c 32 --chunks 1 -o "$1"; }
to_base() { "$CARNOT" perplexity -m models/prose-8m-f16.gguf -f "$text" -c 32 --chunks 1 --save-base "$1"; }
to_quantize() { "$CARNOT" quantize "$model" "$1" Q8_0; }
to_synth() { "$CARNOT" synth --shape llama-3.2-1b --type Q4_0 --layers 1 "$1"; }
to_dequantize() { "$CARNOT" dequantize --type q4_0 "$scratch/blocks" "$1"; }
to_energy() { "$CARNOT" machine --energy --save "$1"; }
all="logits trace record session bench kernels imatrix base quantize synth dequantize energy"

mkdir "$scratch/folder"
mkfifo "$scratch/pipe.csv"
ln -s pipe.csv "$scratch/to-pipe.csv"
special="folder pipe.csv to-pipe.csv"
if mknod "$scratch/null.csv" c 1 3 2>/dev/null; then
    special="$special null.csv"
fi
listing() {
    find "$scratch" ! -name out ! -name err ! -path "$scratch" -printf '%P %y %i %s %l\n' | sort
}
before=$(listing)
for to in $all; do
    case $to in record | bench | kernels) names=${special#folder } ;; *) names=$special ;; esac
    for name in $names; do
        expect 1 to_"$to" "$scratch/$name"
        one_line_err
        no_out
        err_has "$scratch/$name: exists and is not a regular file, so it will not be replaced"
    done
    expect 1 to_"$to" "$scratch/no/such/x.csv"
    one_line_err
    no_out
    err_has "$scratch/no/such/x.csv: cannot create: No such file or directory"
    expect 2 to_"$to" -
    one_line_err
    no_out
    [ ! -e ./- ] || { rm ./-; fail "made a file named -"; }
done
[ "$(listing)" = "$before" ] || fail "something in the folder changed"

# Links: to what is there, and to what is not yet. The temporary file stands beside the target: a
# folder that may not be written to can hold the link.
mkdir "$scratch/far"
for to in logits trace record bench kernels quantize dequantize; do
    ln -sf far/target "$scratch/link.csv"
    for there in no yes; do
        rm -f "$scratch/far/target"
        case $to in
        logits | dequantize) printf 'old\0' >"$scratch/old" ;;
        quantize) cp "$model" "$scratch/old" ;;
        *) echo old >"$scratch/old" ;;
        esac
        [ $there = no ] || cp "$scratch/old" "$scratch/far/target"
        expect 0 to_"$to" "$scratch/link.csv"
        [ -L "$scratch/link.csv" ] || fail "$to: the link was replaced"
        if [ ! -s "$scratch/far/target" ] || cmp -s "$scratch/old" "$scratch/far/target"; then
            fail "$to: the target was not written"
        fi
    done
done
[ "$(find "$scratch/far" -type f)" = "$scratch/far/target" ] || fail "something else in the target's folder"

# Its own input, by whatever name: the message of quantize, and the file as it was.
cp "$model" "$scratch/kept"
ln -s model.gguf "$scratch/alias.gguf"
ln "$scratch/model.gguf" "$scratch/hard.gguf"
own() { # name of what is to stay as it is, command...
    file=$1
    shift
    cp "$file" "$scratch/kept"
    expect 1 "$CARNOT" "$@"
    one_line_err
    no_out
    err_has "input and output are the same file; give the output another name"
    cmp -s "$file" "$scratch/kept" || fail "$file was changed"
}
for name in model alias hard; do
    out=$scratch/$name.gguf
    own "$model" quantize "$model" "$out" Q4_0
    own "$model" logits -m "$model" --tokens 1,2 --out "$out"
    own "$model" imatrix -m "$model" -f "$text" -o "$out"
    own "$model" perplexity -m "$model" -f "$text" --save-base "$out"
    own "$model" run -m "$model" --tokens 1 -n 1 --trace "$out"
    own "$model" run -m "$model" --tokens 1 -n 1 --record "$out"
    own "$model" bench -m "$model" --save "$out"
done
own "$text" imatrix -m "$model" -f "$text" -o "$text"
own "$text" perplexity -m "$model" -f "$text" --save-base "$text"
own "$text" run -m "$model" -f "$text" --trace "$text"
own "$ids" logits -m "$model" --tokens "@$ids" --out "$ids"
own "$ids" run -m "$model" --tokens "@$ids" --trace "$ids"
own "$scratch/blocks" dequantize --type q4_0 "$scratch/blocks" "$scratch/blocks"
cp "$text" "$scratch/im"
own "$scratch/im" quantize "$model" "$scratch/im" Q4_0 --imatrix "$scratch/im"
own "$scratch/im" quantize "$model" "$scratch/im" auto --bpw 4 --imatrix "$scratch/im"

# What holds something else is not replaced, and says so; with --force it is. An empty file is nothing.
cp models/prose-8m-f16.gguf "$scratch/a-model"
echo "my notes" >"$scratch/a-text"
printf '\1\0\2\0' >"$scratch/a-blob"
printf 'SQLite format 3\0 and so on' >"$scratch/a-database"
expect 0 to_imatrix "$scratch/a-matrix"
expect 0 to_base "$scratch/a-base"
printf '<!DOCTYPE html>\n<title>a page</title>\n' >"$scratch/a-page"
for to in $all; do
    case $to in
    logits | dequantize) own_kind="blob" ;;
    imatrix) own_kind="matrix" ;;
    base) own_kind="base" ;;
    quantize | synth) own_kind="model" ;;
    *) own_kind="text" ;;
    esac
    for kind in model text blob database matrix base page; do
        [ $kind != $own_kind ] || continue
        cp "$scratch/a-$kind" "$scratch/x.csv"
        expect 1 to_"$to" "$scratch/x.csv"
        one_line_err
        no_out
        err_has "$scratch/x.csv: holds "
        err_has "--force"
        cmp -s "$scratch/a-$kind" "$scratch/x.csv" || fail "$to: replaced a $kind"
    done
done
cp "$scratch/a-model" "$scratch/x.csv"
expect 0 "$CARNOT" logits -m "$model" --tokens "@$ids" --out "$scratch/x.csv" --force
cp "$scratch/a-text" "$scratch/x.gguf"
expect 0 "$CARNOT" quantize --force "$model" "$scratch/x.gguf" Q8_0
: >"$scratch/x.csv"
expect 0 to_trace "$scratch/x.csv"
cp "$scratch/a-model" "$scratch/x.html"
expect 1 "$CARNOT" report "$scratch/table.csv" -o "$scratch/x.html"
err_has "x.html: holds a GGUF model, which a page is not to replace"
rm "$scratch"/a-* "$scratch"/x.*

# Tables: the end of the name is the format, and an unknown one is no name.
for to in record bench kernels; do
    for name in x.foo x.txt x foo.csv/x; do
        expect 2 to_"$to" "$scratch/$name"
        one_line_err
        no_out
        err_has "$scratch/$name"
        err_has ".jsonl"
    done
    for format in md csv json jsonl sql html; do
        expect 0 to_"$to" "$scratch/table.$format"
        [ -s "$scratch/table.$format" ] || fail "$to: an empty $format"
    done
done
# A record as Markdown holds what the others do.
expect 0 to_record "$scratch/table.md"
for key in architecture output_tokens peak_bytes response_ids; do
    grep -q "| $key" "$scratch/table.md" || fail "no $key in the Markdown"
done
grep -q '| llama ' "$scratch/table.md" || fail "no values in the Markdown"
grep -q '<td' "$scratch/table.html" || fail "no cells in the page's table"
[ -z "$(find "$scratch" -name '*.tmp-*')" ] || fail "left a temporary file"

# Two outputs in one file, whatever it is called; stdout is none of a page.
expect 1 "$CARNOT" run -m "$model" -p a -n 2 --trace "$scratch/two.json" --record "$scratch/./two.json"
one_line_err
err_has "two outputs"
[ ! -e "$scratch/two.json" ] || fail "the file was made"
expect 2 "$CARNOT" report "$scratch/table.json" -o -
err_has "stdout is not supported"
