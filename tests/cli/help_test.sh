#!/bin/sh
# The help of the program and of each command, and what wrong use of each gives.
set -u
. tests/expect.sh

expect 0 "$CARNOT" --help
no_err
out_has "Usage: carnot COMMAND"
# Every row of the table is listed with its summary.
rows=$(sed -n 's/^CN_COMMAND(\([a-z0-9_]*\),.*/\1/p' cli/commands.def)
[ "$(commands)" = "$rows" ] || fail "the help lists other commands than cli/commands.def"
cp "$scratch/out" "$scratch/help"
expect 0 "$CARNOT" -h
cmp -s "$scratch/out" "$scratch/help" || fail "-h is not --help"

for command in $(commands); do
    expect 0 "$CARNOT" "$command" --help
    no_err
    head -n 1 "$scratch/out" | grep -q "^Usage: carnot $command" || fail "does not start with its usage"
    out_has "Options:"
    out_has "--help"
    sed '1,/^Options:/d' "$scratch/out" | grep -q '^[^ ]' && fail "an option's text leaves its column"

    expect 2 "$CARNOT" "$command" --no-such-option
    no_out
    one_line_err
    err_has "carnot $command: unknown option '--no-such-option'"

    expect 2 "$CARNOT" "$command" --hlep
    no_out
    one_line_err
    err_has "did you mean '--help'?"
done
