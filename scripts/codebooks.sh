#!/bin/sh
# Writes quant/ref/<name>_grid.inc from quant/ref/codebooks/*.csv: one number an entry, element 0 in the
# lowest byte, 4 entries a line. The CSVs are facts of the formats (one entry a line, in index order), so
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
