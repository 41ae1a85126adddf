#!/bin/sh
# carnot run --chat: a line in, an answer out, the history kept.
set -u
. tests/expect.sh
has_command run || exit 77

talk() { # text, options...
    text=$1
    shift
    printf '%s' "$text" | "$CARNOT" run --chat --meter none --temp 0 --ignore-eos --ids "$@"
}
lines() {
    wc -l <"$scratch/out"
}

expect 0 talk 'hello
' --template chatml -n 5
err_has " prompt tokens, 5 generated | prefill "
err_has " tokens/s | prefill unsupported, decode unsupported | peak RSS "
[ "$(lines)" = 1 ] || fail "one answer expected"
[ "$(wc -w <"$scratch/out")" = 5 ] || fail "5 ids expected"
cp "$scratch/out" "$scratch/first"

# The second answer is to the whole conversation: what --messages gives for the same history.
expect 0 talk 'hello

and then?' --template chatml -n 5
# It says at its end what all answers took: of the second prompt the first and its answer were there already.
[ "$(grep -c ' generated' "$scratch/err")" = 1 ] || fail "one summary expected"
grep -qE '^2 answers: [0-9]+ prompt tokens \([0-9]+ of them reused\), 10 generated \| prefill [0-9.]+ tokens/s \| decode ' \
    "$scratch/err" || fail "the summary is another"
[ "$(lines)" = 2 ] || fail "two answers expected, for two lines that are not empty"
[ "$(head -n 1 "$scratch/out")" = "$(cat "$scratch/first")" ] || fail "the first answer changed"
tail -n 1 "$scratch/out" >"$scratch/second"
# shellcheck disable=SC2046
answer=$("$CARNOT" tokenize --detokenize "$(cat "$scratch/first")" | sed 's/\\/\\\\/g; s/"/\\"/g' |
    awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }')
printf '[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "%s"}, {"role": "user", "content": "and then?"}]' \
    "$answer" >"$scratch/messages.json"
expect 0 "$CARNOT" run --messages "$scratch/messages.json" --template chatml -n 5 --temp 0 --ignore-eos --ids
[ "$(cat "$scratch/out")" = "$(cat "$scratch/second")" ] || fail "the history was not kept"

# Nothing said, nothing answered.
expect 0 talk '' --template chatml
no_out
expect 1 talk 'hello
' -n 5
one_line_err
err_has "--template"
expect 2 talk 'hello
' --template nosuch -n 5
err_has "nosuch"
expect 1 talk 'hello, hello, hello, hello
' --template chatml -n 5 -c 8
one_line_err
err_has "context of 8 tokens is full"
expect 0 talk 'hello
again
' --template chatml -n 3 --trace "$scratch/trace"
[ "$(grep -c '"phase":"prefill"' "$scratch/trace")" = 2 ] || fail "a prefill per answer expected"
