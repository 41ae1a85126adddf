#!/bin/sh
# carnot run --session: a prompt is paid for once. The same prompt, a longer one and a chat go on from the
# file; what is no session of this model ends in one line, and the file stays.
set -u
. tests/expect.sh
has_command run || exit 77

arch=tests/fixtures/arch
arch2=tests/fixtures/arch2
ids=$(seq -s ' ' 20 49)
go() { # model, tokens, options...
    model=$1
    shift
    "$CARNOT" run -m "$model" --ids --temp 0 --ignore-eos --meter none -c 128 -t 1 --tokens "$@"
}
reused() { # tokens
    if [ "$1" = 0 ]; then
        ! grep -q reused "$scratch/err" || fail "nothing to reuse"
    else
        err_has " ($1 of them reused), "
    fi
}

# Keys and values need the last token once more, for its logits; a copy of states has them.
for of in "$arch/llama-f32.gguf 29 30" "$arch/gemma2.gguf 29 30" "$arch2/deepseek2-groups.gguf 29 30" \
    "$arch2/lfm2.gguf 30 30" "$arch2/mamba2.gguf 30 30" "$arch2/falcon-h1-norm.gguf 30 30" \
    "$arch2/qwen35-untied.gguf 30 30"; do
    # shellcheck disable=SC2086
    set -- $of
    model=$1
    again=$2
    longer=$3
    file=$scratch/session
    rm -f "$file"
    # shellcheck disable=SC2086
    {
        expect 0 go "$model" "$ids" -n 6
        cp "$scratch/out" "$scratch/plain"
        expect 0 go "$model" "$ids" -n 6 --session "$file"
        reused 0
        cmp -s "$scratch/out" "$scratch/plain" || fail "other tokens with a session"
        expect 0 go "$model" "$ids" -n 6 --session "$file"
        reused "$again"
        cmp -s "$scratch/out" "$scratch/plain" || fail "other tokens from the file"
        expect 0 go "$model" "$ids 60 61" -n 6
        cp "$scratch/out" "$scratch/plain"
        expect 0 go "$model" "$ids 60 61" -n 6 --session "$file"
        reused "$longer"
        cmp -s "$scratch/out" "$scratch/plain" || fail "other tokens behind the prompt of the file"
        expect 0 go "$model" "90 91 92" -n 2 --session "$file"
        reused 0
    }
done
[ "$(find "$scratch" -name '*.tmp-*')" = "" ] || fail "left a temporary file"

# A chat begins with what the last one was told.
file=$scratch/chat
talk() {
    printf '%s\n' "$1" | "$CARNOT" run --chat --template chatml --ids --temp 0 --ignore-eos --meter none -n 4 \
        -t 1 --session "$file" --trace "$scratch/trace" --force
}
expect 0 talk "The old man looked at the sea and said nothing."
expect 0 talk "The old man looked at the sea and said nothing."
grep -q '"reused_tokens":[1-9]' "$scratch/trace" || fail "the prompt was evaluated again"

# ---- what is no session of this ----------------------------------------------------------------------

file=$scratch/session
refused() { # what stderr has; options
    text=$1
    shift
    before=$(cksum <"$file")
    expect 1 "$@"
    one_line_err
    no_out
    err_has "$file: $text"
    [ "$(cksum <"$file")" = "$before" ] || fail "the file changed"
}
m=$arch2/lfm2.gguf
rm "$file"
expect 0 go $m "$ids" -n 2 --session "$file"
cp "$file" "$scratch/good"
refused "a session of the model " go $arch2/mamba2.gguf "$ids" -n 2 --session "$file"
refused "a session with keys and values in f32 expected, in f16 found" go $m "$ids" -n 2 --session "$file" --kv f32
refused "at most 16 tokens expected" go $m "20 21" -n 2 --session "$file" -c 16
head -c 1000 "$scratch/good" >"$file"
refused "" go $m "$ids" -n 2 --session "$file"
err_has "bytes expected of a session of 31 tokens, 1000 found"
size=$(wc -c <"$scratch/good")
{ cat "$scratch/good"; echo; } >"$file"
refused "$size bytes expected of a session of 31 tokens, $((size + 1)) found" go $m "$ids" -n 2 --session "$file"
{ head -c 3000 "$scratch/good"; printf X; tail -c +3002 "$scratch/good"; } >"$file"
refused "damaged: the checksum " go $m "$ids" -n 2 --session "$file"
echo notes >"$file"
refused "holds a text, which a session is not to replace" go $m "$ids" -n 2 --session "$file"
expect 0 go $m "$ids" -n 2 --session "$file" --force
reused 0
expect 0 go $m "$ids" -n 2 --session "$file"
reused 30

expect 2 go $m "$ids" --session "$file" --record "$scratch/record.json"
one_line_err
expect 2 "$CARNOT" run -p a --print-prompt --session "$file"
one_line_err
expect 1 go $m "$ids" --session $m
one_line_err

# Interrupted, it keeps what was there.
cp "$scratch/good" "$file"
: >"$scratch/out"
env --default-signal=INT "$CARNOT" run -p "The" -n 4000 -c 8000 --ignore-eos --meter none -t 1 \
    --session "$scratch/new" >"$scratch/out" 2>"$scratch/err" &
pid=$!
tries=0
until [ -s "$scratch/out" ] || [ $tries = 1000 ]; do
    sleep 0.02
    tries=$((tries + 1))
done
kill -s INT $pid
wait $pid
[ $? = 1 ] || fail "expected exit 1"
[ ! -e "$scratch/new" ] || fail "an interrupted run left a session"
[ -z "$(find "$scratch" -name '*.tmp-*')" ] || fail "left a temporary file"
