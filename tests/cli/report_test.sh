#!/bin/sh
# carnot report: pages of saved tables, and what it refuses. Pages of studies are tests/unit/report_test
# and tests/cli/study_test.
set -u
. tests/expect.sh

"$CARNOT" meters -o json >"$scratch/meters.json"
printf '[{"model": "m", "bpw": 4.5, "test": "decode", "tps_median": 10, "file_type": "Q4_K_M"}]' >"$scratch/models.json"
expect 0 "$CARNOT" report "$scratch/models.json" "$scratch/meters.json" --head "carnot <b>" -o "$scratch/page.html"
no_out
page=$scratch/page.html
for heading in Models Meters; do
    grep -q "<h2>$heading</h2>" "$page" || fail "no heading $heading"
done
grep -q 'powercap' "$page" || fail "the table of meters is not there"
grep -q 'carnot &lt;b&gt;' "$page" || fail "the head is not there, or not as text"
grep -qE '(src|href)="?[a-z]+:' "$page" && fail "the page wants something from outside"
if command -v gnuplot >/dev/null; then
    grep -q '<svg ' "$page" || fail "no plot"
else
    grep -q 'gnuplot is missing' "$page" || fail "nothing says why there is no plot"
fi

# The page must not take the place of what it is made of, under any name.
ln -s meters.json "$scratch/other.json"
expect 2 "$CARNOT" report "$scratch/meters.json" -o "$scratch/other.json"
one_line_err
err_has "would replace"
[ -s "$scratch/meters.json" ] || fail "it is gone"

expect 2 "$CARNOT" report "$scratch/meters.json" "$scratch/study.db"
one_line_err
expect 1 "$CARNOT" report README.md -o "$scratch/new.html"
one_line_err
err_has README.md
[ ! -e "$scratch/new.html" ] || fail "left a page behind"
echo '[1, 2]' >"$scratch/numbers.json"
expect 1 "$CARNOT" report "$scratch/numbers.json" -o "$scratch/new.html"
one_line_err
err_has numbers.json
echo '[{"a": 1}' >"$scratch/cut.json"
expect 1 "$CARNOT" report "$scratch/cut.json" -o "$scratch/new.html"
one_line_err
err_has cut.json
expect 1 "$CARNOT" report "$scratch/meters.json" -o /nowhere/page.html
one_line_err
err_has /nowhere/page.html
