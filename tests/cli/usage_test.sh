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

for command in $(commands); do
    wrong "${command}x"
    err_has "did you mean '$command'?"
done
