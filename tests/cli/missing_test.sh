#!/bin/sh
# Files that are not there, are folders, or are empty: one line that names the file, exit 1, and no
# output file left behind.
set -u
. tests/expect.sh

tried=0
refused() { # command, arguments; $bad is among them
    has_command "$1" || return 0
    tried=$((tried + 1))
    expect 1 "$CARNOT" "$@"
    no_out
    one_line_err
    err_has "$bad"
    [ ! -e "$scratch/new" ] || fail "left an output file behind"
}

"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && studies="" || studies=yes
: >"$scratch/empty"
mkdir "$scratch/folder"
for bad in "$scratch/missing" "$scratch/folder" "$scratch/empty"; do
    refused bench -m "$bad" -p 1 -n 1 -r 1
    refused imatrix -m "$bad" -f README.md -o "$scratch/new"
    refused imatrix --in "$bad" -o "$scratch/new"
    refused inspect "$bad"
    refused logits -m "$bad" --tokens 1 --out "$scratch/new"
    refused perplexity -m "$bad" -f README.md
    refused quantize "$bad" "$scratch/new" Q4_0
    refused run -m "$bad" -p x -n 1
    refused run --draft "$bad" -p x -n 1
    refused bench --draft "$bad" -p 0 -n 1 -r 1
    refused score -m "$bad" --task choice -f README.md
    refused score --task hellaswag -f "$bad"
    refused serve -m "$bad" --port 0
    refused tokenize -m "$bad" text
    refused tune -m "$bad"
    [ "$bad" = "$scratch/empty" ] && continue # an empty text or list may be right
    refused attribute --trace "$bad" --samples README.md
    refused compare "$bad" README.md
    refused dequantize --type q4_0 "$bad" "$scratch/new"
    refused report "$bad" -o "$scratch/new"
    refused run -f "$bad" -n 1
    [ "$bad" = "$scratch/missing" ] || refused run -p x -n 1 --session "$bad"
    [ "$studies" ] && refused study run "$bad"
    refused tokenize -f "$bad"
done
[ $tried -gt 0 ] || { echo "SKIPPED: no command that reads a file is built in"; exit 77; }
