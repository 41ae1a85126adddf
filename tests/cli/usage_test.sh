#!/bin/sh
# What is not a command: one line on stderr, exit 2, nothing on stdout.
set -u
. tests/expect.sh

wrong() { # arguments...
    expect 2 "$CARNOT" "$@"
    no_out
    one_line_err
}

wrong
err_has "carnot --help"
wrong frobnicate
err_has "unknown command 'frobnicate'"
wrong --frobnicate
err_has "unknown option '--frobnicate'"
wrong --hepl
err_has "did you mean '--help'?"
wrong ''
wrong --help run
# Neither new lines nor escape sequences get through to the terminal.
wrong "$(printf 'a\nb\033[2J')"
err_has 'a\nb\x1b[2J'
wrong "$(printf '%5000s' x)"

# Tiers that do not exist, by option or environment: not the model's fault, and before it is opened.
text=README.md
for args in "run -p a" "logits --tokens 1 --out /nowhere/x" "perplexity -f $text" "imatrix -f $text -o /nowhere/x" \
    "score --task choice -f $text" bench tune "dequantize --type q4_0 $text /nowhere/x"; do
    # shellcheck disable=SC2086
    wrong $args --tiers ref,sse9
    err_has "--tiers takes tiers"
    err_has "sse9"
    # shellcheck disable=SC2086
    expect 2 env CARNOT_TIERS=sse9 "$CARNOT" $args
    one_line_err
    err_has "CARNOT_TIERS takes tiers"
done
wrong bench --meter crystal-ball
wrong tune --meter crystal-ball
for t in 1025 99999 1,1025 0; do
    wrong bench -t $t
    err_has "1024"
done
wrong bench -p 0 -n 0 -o json
err_has "nothing to measure"
wrong score --task generate -f $text --regex '('
wrong score --task generate -f $text --stop ''

for command in $(commands); do
    wrong "${command}x"
    err_has "did you mean '$command'?"
done
