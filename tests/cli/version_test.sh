#!/bin/sh
# carnot --version: what was built, and the tiers CARNOT_TIERS leaves in force.
set -u
. tests/expect.sh
unset CARNOT_TIERS

expect 0 "$CARNOT" --version
no_err
grep -qxE 'carnot [0-9]+\.[0-9]+\.[0-9]+' "$scratch/out" || fail "no version"
grep -qxE 'commit    ([0-9a-f]{7,}|unknown)' "$scratch/out" || fail "no commit"
grep -qxE 'compiler  .*[0-9].*' "$scratch/out" || fail "no compiler"
grep -qxE 'detected  ref(,[a-z0-9]+)*' "$scratch/out" || fail "no tiers"
[ "$(sed -n 's/^detected  //p' "$scratch/out")" = "$(sed -n 's/^in force  //p' "$scratch/out")" ] ||
    fail "without CARNOT_TIERS all tiers are in force"

CARNOT_TIERS=ref expect 0 "$CARNOT" --version
grep -qE '^in force  ref($| )' "$scratch/out" || fail "CARNOT_TIERS=ref leaves ref alone"

CARNOT_TIERS='' expect 0 "$CARNOT" --version

# No machine has both; the tier that is not there is named and not in force.
CARNOT_TIERS=ref,avx2,neon expect 0 "$CARNOT" --version
grep -E '^in force ' "$scratch/out" | grep -q 'not on this machine' || fail "nothing said of the tier that is missing"

CARNOT_TIERS=ref,avx3 expect 2 "$CARNOT" --version
one_line_err
no_out
err_has "CARNOT_TIERS"
err_has "'avx3'"

expect 2 "$CARNOT" --version please
one_line_err
err_has "'please'"
