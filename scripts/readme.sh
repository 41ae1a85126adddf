#!/bin/sh
# The lists in README.md of what there is support for: architectures, file types and pre-tokenizers, made
# from the tables that the program is made from. With --check: exit 1 if the page does not hold them.
set -eu
cd "$(dirname "$0")/.."
page=README.md

# Names, one a line, as `a`, `b`, `c` in lines of the page's width.
as_text() {
    sed 's/.*/`&`/' | paste -sd, | sed 's/,/, /g' | fold -s -w 119 | sed 's/ *$//'
}

architectures() {
    sed -n 's/^CN_ARCH(\([a-z0-9_]*\))$/\1/p' engine/model/archs.def | while read -r id; do
        name=$(sed -n 's/^    \.name = "\([^"]*\)".*/\1/p' "engine/model/arch/$id.c")
        [ -n "$name" ] || { echo "engine/model/arch/$id.c: no .name in its descriptor" >&2; exit 1; }
        echo "$name"
    done
}

# The mixes, and each format that is not one of them (or another name of one) under its own name.
file_types() {
    sed -n 's/^CN_FILE_TYPE(\([A-Z0-9_]*\),.*/\1/p' quant/file_types.def
    sed -n 's/^CN_FORMAT([a-z0-9_]*, *\([A-Z0-9_]*\),.*/\1/p' quant/formats.def | while read -r name; do
        grep -qE "^CN_FILE_TYPE(_ALIAS)?\($name," quant/file_types.def || echo "$name"
    done
}

pretokenizers() {
    sed -n 's/^CN_PRETOKENIZER("\([^"]*\)".*/\1/p' engine/text/pretokenizers.def | LC_ALL=C sort
}

text=$(cat "$page")
for list in architectures file_types pretokenizers; do
    names=$($list) || exit 1
    [ -n "$names" ] || { echo "readme.sh: no $list found" >&2; exit 1; }
    grep -q "<!-- $list: begin -->" "$page" || { echo "$page: no place for its list of $list" >&2; exit 1; }
    text=$(printf '%s\n' "$text" | awk -v list="$list" -v names="$(printf '%s\n' "$names" | as_text)" '
        $0 == "<!-- " list ": begin -->" { print; print names; skip = 1 }
        $0 == "<!-- " list ": end -->" { skip = 0 }
        !skip { print }')
done
if [ "${1:-}" = --check ]; then
    [ "$text" = "$(cat "$page")" ] || { echo "$page: run scripts/readme.sh" >&2; exit 1; }
else
    printf '%s\n' "$text" >"$page"
fi
