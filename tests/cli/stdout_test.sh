#!/bin/sh
# A result that cannot be written is a failure: exit 1 and a line that says so.
set -u
. tests/expect.sh

closed() {
    "$@" >&-
}
full() {
    "$@" >/dev/full
}
# The reader has gone before the first byte is written. Exit code through a file: the shell gives that
# of the last part only.
gone() {
    { sleep 0.2; code=0; "$@" || code=$?; echo "$code" >"$scratch/code"; } | true
    return "$(cat "$scratch/code")"
}

check_all() { # arguments that print something and would exit 0
    expect 1 closed "$CARNOT" "$@"
    one_line_err
    err_has "cannot write the result to stdout"
    expect 1 full "$CARNOT" "$@"
    one_line_err
    err_has "No space left on device"
    expect 1 gone "$CARNOT" "$@"
    no_err # who closed the pipe knows
}

check_all --help
check_all --version
for command in $(commands); do
    check_all "$command" --help
done

# What fails anyway keeps its exit code, and a closed stderr or stdin is no reason to fail.
expect 2 full "$CARNOT" frobnicate
no_stderr() {
    "$@" 2>&-
}
no_stdin() {
    "$@" <&-
}
expect 0 no_stderr "$CARNOT" --help
expect 2 no_stderr "$CARNOT" frobnicate
no_out
expect 0 no_stdin "$CARNOT" --version
