#!/bin/sh
# Writes quant/ref/<name>_grid.inc from quant/ref/codebooks/*.csv: one number an entry, element 0 in the
# lowest byte, 4 entries a line; and quant/x86/<name>_planes.inc, whose plane p has a byte per entry with
# elements n * p to n * p + n - 1 (8 / n bits each, the first lowest). The CSVs are facts of the formats (one entry a line, in index order), so
# this is only run when the layout of the tables changes.
set -eu
cd "$(dirname "$0")/../quant/ref"

grid() { # CSV name, table name, components
    awk -F, -v n="$3" -v table="$1" '
        BEGIN {
            printf "/* SPDX-License-Identifier: MIT */\n"
            printf "/* From codebooks/%s.csv by scripts/codebooks.sh. */\n", table
        }
        {
            word = ""
            for (i = n; i > 0; i--)
                word = word sprintf("%02x", $i < 0 ? $i + 256 : $i)
            printf "0x%s,%s", word, NR % 4 ? " " : "\n"
        }' "codebooks/$1.csv" >"$2_grid.inc"
}

grid iq1s iq1 8
grid iq2xxs iq2_xxs 8
grid iq2xs iq2_xs 8
grid iq2s iq2_s 8
grid iq3xxs iq3_xxs 4
grid iq3s iq3_s 4

# CSV name, table name, components, components per byte, how a component becomes its bits, and maybe a
# number of entries: the last plane, which rises with the index, then has at most two values among that
# many, and is written as first values, last values, and where the last value begins.
planes() {
    awk -F, -v n="$3" -v per="$4" -v map="$5" -v run="${6:-0}" -v table="$1" '
        function bits(v) { # as is, or the number of the level
            return map == "as_is" ? v : v == 25 || v == 0 ? 1 : v == 43 || v == 1 ? 2 : 0
        }
        function put(v) {
            printf "0x%02x,%s", v, ++written % 16 ? " " : "\n"
        }
        BEGIN {
            printf "/* SPDX-License-Identifier: MIT */\n"
            printf "/* From codebooks/%s.csv by scripts/codebooks.sh. */\n", table
        }
        {
            for (p = 0; p < n / per; p++) {
                byte = 0
                for (i = per; i > 0; i--)
                    byte = byte * 2 ^ (8 / per) + bits($(p * per + i))
                plane[p, NR - 1] = byte
            }
        }
        END {
            last = n / per - 1
            for (p = 0; p < last + !run; p++)
                for (i = 0; i < NR; i++)
                    put(plane[p, i])
            for (i = 0; run && i < NR; i += run)
                put(plane[last, i])
            for (i = 0; run && i < NR; i += run)
                put(plane[last, i + run - 1])
            for (i = 0; run && i < NR; i += run) {
                for (j = 0; plane[last, i + j] != plane[last, i + run - 1]; j++)
                    if (plane[last, i + j] != plane[last, i])
                        exit 1
                put(j)
            }
        }' "codebooks/$1.csv" >"../x86/$2_planes.inc"
}

planes iq1s iq1 8 4 level 16
planes iq2xxs iq2_xxs 8 4 level
planes iq2xs iq2_xs 8 4 level
planes iq2s iq2_s 8 4 level
planes iq3xxs iq3_xxs 4 1 as_is
planes iq3s iq3_s 4 2 as_is
