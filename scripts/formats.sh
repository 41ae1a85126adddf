#!/bin/sh
# The table of formats in docs/FORMATS.md, made from quant/formats.def and the reference files. With
# --check: exit 1 if the page does not hold it.
set -eu
cd "$(dirname "$0")/.."
page=docs/FORMATS.md
table=$(
    echo "| format | GGUF type | elements | bytes | row header | bits/weight | offset | largest code | scale per | minima | avx2 | avxvnni | avx512 | neon | dotprod |"
    echo "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --- | --- | --- | --- | --- | --- |"
    sed -n 's/^CN_FORMAT(\([a-z0-9_]*\), *[A-Z0-9_]*, *\([0-9A-Z()]*\), *\([0-9]*\), *\([0-9]*\), *\([0-9]*\), *[A-Z0-9]*, *\(.*\))$/\1 \2 \3 \4 \5 \6/p' quant/formats.def |
        while read -r id code elems bytes header tiers; do
            panel=$(grep -A4 '\.kernels' "quant/ref/${id}_ref.c" | tr '\n' ' ')
            field() {
                printf '%s' "$panel" | sed -n "s/.*\.$1 = \([a-zA-Z0-9_]*\).*/\1/p"
            }
            constant() { # of the file, or of the header that a family shares
                for file in "quant/ref/${id}_ref.c" quant/ref/kt.h quant/trellis.h; do
                    c=$(grep -o "\b$1 = [A-Za-z0-9_]*" "$file" | head -1 | sed 's/.*= //')
                    case $c in
                    '') ;;
                    *[!0-9]*) constant "$c" && return ;;
                    *) echo "$c" && return ;;
                    esac
                done
                echo "$1"
            }
            value() { # a number, or a constant
                v=$(field "$1")
                case $v in
                '') echo - ;;
                *[!0-9]*) constant "$v" ;;
                *) echo "$v" ;;
                esac
            }
            has() { case " $tiers " in *"$1("*) echo yes ;; *) echo - ;; esac; }
            bits=$(awk "BEGIN { printf \"%.4f\", $bytes * 8 / $elems }" | sed 's/0*$//; s/\.$//')
            minima=$(field has_min)
            echo "| $id | $code | $elems | $bytes | $header | $bits | $(value offset) | $(value code_max) | $(value sub) | $([ "$minima" = true ] && echo yes || echo -) | $(has AVX2) | $(has AVXVNNI) | $(has AVX512) | $(has NEON) | $(has DOTPROD) |"
        done
)
new=$(awk -v table="$table" '
    /<!-- formats: begin -->/ { print; print table; skip = 1 }
    /<!-- formats: end -->/ { skip = 0 }
    !skip { print }' "$page")
if [ "${1:-}" = --check ]; then
    [ "$new" = "$(cat "$page")" ] || { echo "docs/FORMATS.md: run scripts/formats.sh" >&2; exit 1; }
else
    printf '%s\n' "$new" >"$page"
fi
