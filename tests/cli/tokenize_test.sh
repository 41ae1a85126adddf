#!/bin/sh
# carnot tokenize: ids, back to bytes, lines, special tokens; reference vectors where they are at hand.
set -u
. tests/expect.sh
has_command tokenize || exit 77

is() { # stdout is exactly this line
    [ "$(cat "$scratch/out")" = "$1" ] || fail "expected '$1'"
}

expect 0 "$CARNOT" tokenize "Hello world"
no_err
is "0 40 512 79 993"
expect 0 "$CARNOT" tokenize --no-bos "Hello world"
is "40 512 79 993"
expect 0 "$CARNOT" tokenize ""
is "0"
expect 0 "$CARNOT" tokenize --no-bos ""
is ""
[ "$(wc -l <"$scratch/out")" = 1 ] || fail "an empty text has a line too"
expect 0 "$CARNOT" tokenize --no-bos "<|endoftext|>a"
is "28 92 603 79 683 69 1104 92 30 65"
expect 0 "$CARNOT" tokenize --no-bos --parse-special "<|endoftext|>a"
is "0 65"
expect 0 "$CARNOT" tokenize --no-bos -- "--lines"
no_err

# Lines: each on its own; empty ones count; the last one needs no newline.
printf 'a\n\nHello world\na' >"$scratch/in"
expect 0 "$CARNOT" tokenize --no-bos --lines -f "$scratch/in"
[ "$(cat "$scratch/out")" = "65

40 512 79 993
65" ] || fail "four lines expected"
expect 0 "$CARNOT" tokenize --lines -f - <"$scratch/in"
[ "$(head -n 2 "$scratch/out" | tail -n 1)" = 0 ] || fail "a line of BOS alone expected"

# And back: exactly the bytes, whatever they are.
head -c 5000 models/prose-8m-f16.gguf >"$scratch/bytes"
expect 0 "$CARNOT" tokenize -f "$scratch/bytes"
cp "$scratch/out" "$scratch/ids"
expect 0 "$CARNOT" tokenize --detokenize -f "$scratch/ids"
cmp -s "$scratch/bytes" "$scratch/out" || fail "the bytes have changed"
expect 0 "$CARNOT" tokenize --detokenize "0 40 512 79 993"
is "Hello world"
expect 0 "$CARNOT" tokenize --detokenize --parse-special "0,65"
is "<|endoftext|>a"
printf '65\n\n40 512 79 993\n65\n' >"$scratch/ids"
expect 0 "$CARNOT" tokenize --detokenize --lines -f "$scratch/ids"
printf 'a\n\nHello world\na\n' | cmp -s - "$scratch/out" || fail "other lines expected"

for bad in "65 x" "-1" "8192" "99999999999" "65;65" "1.5" "+1"; do
    expect 1 "$CARNOT" tokenize --detokenize -- "$bad"
    no_out
    one_line_err
done
expect 2 "$CARNOT" tokenize
one_line_err
expect 2 "$CARNOT" tokenize -f "$scratch/in" text
one_line_err
expect 1 "$CARNOT" tokenize -f "$scratch/nosuch"
one_line_err
expect 1 "$CARNOT" tokenize -m "$scratch/nosuch" text
one_line_err
for bad in tokens-none tokens-int tokmodel-unknown pre-unknown scores-short missing-tokenizer-ggml-model; do
    expect 1 "$CARNOT" tokenize -m tests/fixtures/bad/$bad.gguf text
    no_out
    one_line_err
done

# Vocabularies without tensors.
shared=${CARNOT_SHARED:-../shared}/fixtures/tokenizer
for name in gpt-2 qwen2 llama-bpe llama-spm phi-3; do
    vocab=$shared/ggml-vocab-$name.gguf
    [ -r "$vocab" ] || { echo "SKIPPED: no $vocab (CARNOT_SHARED names the folder of shared test data)"; continue; }
    expect 0 "$CARNOT" tokenize -m "$vocab" "Hello, y'all!  How are you?"
    expect 0 "$CARNOT" tokenize -m "$vocab" --detokenize "$(cat "$scratch/out")"
    is "Hello, y'all!  How are you?"
done

# What a file leaves open.
cases=${CARNOT_SHARED:-../shared}/cases/engine
if [ -r "$cases/nopre-vocab.gguf" ]; then
    expect 0 "$CARNOT" tokenize -m "$cases/nopre-vocab.gguf" Hello
    one_line_err
    err_has 'nopre-vocab.gguf: the file names no pre-tokenizer (tokenizer.ggml.pre)'
    expect 0 "$CARNOT" tokenize -m "$cases/phi35-vocab.gguf" --parse-special "<|user|>
Hello<|end|>
<|assistant|>
"
    is "1 32010 15043 32007 32001"
    expect 0 "$CARNOT" run -m "$cases/noeos.gguf" --tokens 1,2 --logit-bias 11=1000 -n 5 --ids
    out_has "11 11 11 11 11"
    expect 1 "$CARNOT" run -m "$cases/noeos.gguf" -p '' -n 5
    err_has 'no BOS'
else
    echo "SKIPPED: no $cases (CARNOT_SHARED names the folder of shared test data)"
fi

# A context beyond the training is told.
expect 0 "$CARNOT" run -c 1025 -n 1 --temp 0 -p a
err_has 'a context of 1025 tokens, but the model was trained on 1024'
expect 0 "$CARNOT" run -c 1024 -n 1 --temp 0 -p a
! grep -q warning "$scratch/err" || fail "no warning expected"
exit 0
