#!/bin/sh
# run and bench with --draft, --lookup and --mtp: the text stays, and what drafts did is told.
set -u
. tests/expect.sh
has_command run || exit 77
unset CARNOT_TIERS
model=models/prose-8m-f16.gguf
prompt="One, two, three. One, two, three. One, two,"

expect 0 "$CARNOT" quantize $model "$scratch/small.gguf" Q4_0
draft=$scratch/small.gguf

# Greedily drafts change nothing but the speed; a second turn of a chat begins behind the first.
expect 0 "$CARNOT" run -p "$prompt" -n 40 --temp 0 --ids -t 1
cp "$scratch/out" "$scratch/plain"
for drafts in "--lookup 3" "--draft $draft" "--draft $draft --draft-tokens 2" "--lookup 1 -b 4"; do
    # shellcheck disable=SC2086 # they are several words
    expect 0 "$CARNOT" run -p "$prompt" -n 40 --temp 0 --ids -t 1 $drafts --trace "$scratch/trace"
    cmp -s "$scratch/out" "$scratch/plain" || fail "$drafts: another text"
    err_has "tokens a pass"
    err_has "40 generated"
    grep -q '"phase":"verify"' "$scratch/trace" || fail "$drafts: no phase verify"
    grep -q '"phase":"draft"' "$scratch/trace" || fail "$drafts: no phase draft"
    ! grep -q '"phase":"decode"' "$scratch/trace" || fail "$drafts: a phase decode"
done
expect 0 "$CARNOT" run -p "$prompt" -n 200 -c 60 --temp 0 --ids -t 1 --lookup 3
err_has "the context of 60 tokens is full"
# shellcheck disable=SC2046 # ids are words
set -- $(cat "$scratch/out")
n=$#
expect 0 "$CARNOT" run -p "$prompt" -n 200 -c 60 --temp 0 --ids -t 1
# shellcheck disable=SC2046
set -- $(cat "$scratch/out")
[ $# = $n ] || fail "$# tokens without drafts, $n with"

# What was evaluated is kept as without drafts.
for drafts in "" "--lookup 3"; do
    rm -f "$scratch/session"
    # shellcheck disable=SC2086
    expect 0 "$CARNOT" run -p "$prompt" -n 20 --temp 0 -t 1 --session "$scratch/session" $drafts
    expect 0 "$CARNOT" run -p "$prompt" -n 20 --temp 0 --ids -t 1 --session "$scratch/session"
    err_has "reused"
    cut -d' ' -f1-20 "$scratch/plain" >"$scratch/beginning"
    [ "$(cut -d' ' -f1-20 "$scratch/out")" = "$(cat "$scratch/beginning")" ] || fail "another text"
done

# The record's decode is the sum of what gave tokens.
expect 0 "$CARNOT" run -p "$prompt" -n 20 --temp 0 -t 1 --lookup 3 --record "$scratch/run.json"
for phase in decode draft verify; do
    grep -q "phase[^a-z]*$phase" "$scratch/run.json" || fail "no $phase in the record"
done

# bench: plain and drafted decode of the same text.
expect 0 "$CARNOT" bench -p 0 -n 12 -r 2 -t 1 --lookup 3 --meter none -o json
cp "$scratch/out" "$scratch/bench.json"
grep -c '"test": "decode"' "$scratch/bench.json" | grep -qx 2 || fail "two rows expected"
out_has '"draft": null'
out_has '"draft": "lookup:3"'
out_has '"same_text": 1'
grep '"draft": "lookup:3"' "$scratch/bench.json" | grep -q '"tokens_per_pass": [1-9]' ||
    fail "no tokens_per_pass"
printf 'It was a dark night, and the rain fell.' >"$scratch/text"
expect 0 "$CARNOT" bench -p 0 -n 6 -r 1 -t 1 --draft "$draft" -f "$scratch/text" --meter none
out_has "tokens/pass"
out_has "small.gguf"

# A file's own NextN block; a session from a file does not know what the block has to read.
mtp=tests/fixtures/arch2/qwen35-mtp.gguf
ids="3 14 15 92 65 35 89 79 32"
expect 0 "$CARNOT" run -m $mtp --tokens "$ids" -n 30 --temp 0 --ids -t 1
cp "$scratch/out" "$scratch/plain"
rm -f "$scratch/session"
for options in "" "--draft-tokens 2" "--session $scratch/session" "--session $scratch/session"; do
    # shellcheck disable=SC2086
    expect 0 "$CARNOT" run -m $mtp --tokens "$ids" -n 30 --temp 0 --ids -t 1 --mtp $options
    cmp -s "$scratch/out" "$scratch/plain" || fail "--mtp $options: another text"
    err_has "tokens a pass"
done
expect 0 "$CARNOT" bench -m $mtp -p 0 -n 12 -r 1 -t 1 --mtp --meter none -o json
out_has '"draft": "mtp"'
out_has '"same_text": 1'
expect 0 "$CARNOT" inspect $mtp
out_has "3 and 1 for drafting (NextN)"

# What is wrong is said in one line.
wrong() { # code, message, command
    code_wanted=$1 message=$2
    shift 2
    expect "$code_wanted" "$CARNOT" "$@"
    one_line_err
    err_has "$message"
    no_out
}
wrong 2 "one of --draft" run -p a -n 1 --draft "$draft" --lookup 2
wrong 2 "one of --draft" run -p a -n 1 --mtp --lookup 2
wrong 2 "goes with --draft" run -p a -n 1 --draft-tokens 4
wrong 2 "goes with --draft" run -p a -n 1 --for energy
wrong 2 "time or energy" run -p a -n 1 --lookup 2 --for fun
wrong 2 "--lookup" run -p a -n 1 --lookup 16
wrong 2 "--draft-tokens" run -p a -n 1 --lookup 2 --draft-tokens 64
wrong 1 "no NextN block: there is none in the file" run -p a -n 1 --mtp
wrong 1 "no NextN block" bench -p 0 -n 2 --mtp --meter none
wrong 2 "--lanes does not go with --mtp" run -p a -n 1 --mtp --lanes 2
wrong 2 "--lanes goes without --lookup" bench -n 2 --lookup 2 --lanes 2
wrong 1 "vocabulary is another" run -p a -n 1 --draft tests/fixtures/arch2/lfm2.gguf
wrong 1 "$scratch/none" run -p a -n 1 --draft "$scratch/none"
wrong 2 "without --explain" bench --lookup 2 --split ops
wrong 2 "without --against" bench --lookup 2 --against "$CARNOT"
wrong 2 "-d does not go" bench --lookup 2 -d 5
wrong 2 "-f goes with" bench -f "$scratch/text"
wrong 1 "$scratch/none" bench --lookup 2 -f "$scratch/none" -n 2
