#!/bin/sh
# Divergence against bits, of docs/quality.csv (scripts/quality.sh measures it; `other` is what the field's
# tool reaches with a file of the same name): the table in docs/FORMATS.md and the plot docs/formats.svg.
# With --check: exit 1 if they are not what it makes.
set -eu
cd "$(dirname "$0")/.."
page=docs/FORMATS.md plot=docs/formats.svg
rows=$(sed 1d docs/quality.csv | sort -t, -k1,1 -k3,3n -k5,5n)

# On the front: no file of the model that is no larger has less divergence.
table=$(
    echo "| model | file type | bits/weight | perplexity | KL, nats | p99 | KL of the field's file | difference | front |"
    echo "| --- | --- | --: | --: | --: | --: | --: | --: | --- |"
    printf '%s\n' "$rows" | awk -F, '
        $1 != model { model = $1; least = 1e9 }
        {
            front = $5 < least ? "yes" : ""
            if ($5 < least) least = $5
            other = $7 == "" ? "-" : sprintf("%.5f", $7)
            off = $7 == "" ? "-" : sprintf("%+.1f%%", 100 * ($5 / $7 - 1))
            printf "| %s | %s | %.3f | %.3f | %.5f | %.3f | %s | %s | %s |\n", $1, $2, $3, $4, $5, $6, other, off, front
        }'
)
picture=$(
    printf '%s\n' "$rows" | awk -F, '
        function family(type) {
            if (type ~ /_KT$/) return "kt"
            if (type ~ /^IQ._K/) return "iqk"
            if (type ~ /^IQ/) return "iq"
            return type ~ /_K/ ? "k" : "other"
        }
        function x(bits) { return 50 + (bits - 2.4) / 4.4 * 640 }
        function y(kl) { return 20 + (0.35 - log(kl) / log(10)) / 3.3 * 400 }
        BEGIN {
            print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 470\" role=\"img\" aria-label=\"KL divergence against bits per weight, file types of prose-8m\">"
            print "<style>"
            print "svg { color: #1c2127; font: 10px system-ui, sans-serif; --k: #1f6fc4; --iq: #d45500; --iqk: #1b8a4b; --kt: #a02fb0; --other: #7a828b; --line: #d4d9df; }"
            print "@media (prefers-color-scheme: dark) { svg { color: #e3e7eb; --k: #66aef7; --iq: #ff9448; --iqk: #5fce8e; --kt: #dd8aea; --other: #9aa3ad; --line: #363e47; } }"
            print "</style>"
            for (b = 2.5; b < 6.9; b += 0.5)
                printf "<path d=\"M%.1f 20V420\" stroke=\"var(--line)\"/><text x=\"%.1f\" y=\"435\" text-anchor=\"middle\" fill=\"currentColor\">%g</text>\n", x(b), x(b), b
            for (d = 0; d >= -2; d--)
                printf "<path d=\"M50 %.1fH690\" stroke=\"var(--line)\"/><text x=\"45\" y=\"%.1f\" text-anchor=\"end\" fill=\"currentColor\">%g</text>\n", y(10 ^ d), y(10 ^ d) + 3, 10 ^ d
            print "<text x=\"370\" y=\"452\" text-anchor=\"middle\" fill=\"currentColor\">bits per weight of the file</text>"
            print "<text x=\"14\" y=\"220\" text-anchor=\"middle\" transform=\"rotate(-90 14 220)\" fill=\"currentColor\">KL divergence from F16, nats</text>"
        }
        $1 == "prose-8m" && $3 < 6.8 && $5 < 2 {
            f = family($2)
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"var(--%s)\"/><text x=\"%.1f\" y=\"%.1f\" fill=\"var(--%s)\">%s</text>\n", x($3), y($5), f, x($3) + 5, y($5) - 3, f, $2
        }
        END { print "</svg>" }'
)
new=$(awk -v table="$table" '
    /<!-- quality: begin -->/ { print; print table; skip = 1 }
    /<!-- quality: end -->/ { skip = 0 }
    !skip { print }' "$page")
if [ "${1:-}" = --check ]; then
    if [ "$new" != "$(cat "$page")" ] || [ "$picture" != "$(cat "$plot")" ]; then
        echo "$page, $plot: run scripts/quality_page.sh" >&2
        exit 1
    fi
else
    printf '%s\n' "$new" >"$page"
    printf '%s\n' "$picture" >"$plot"
fi
