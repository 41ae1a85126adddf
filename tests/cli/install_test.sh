#!/bin/sh
# An installed tree is all that others need: program, pkg-config, both libraries, manual, completion; the
# examples build and run against it, and continue a text alike.
set -u
. tests/expect.sh

build=$(make -s print-BUILD)
[ "$CARNOT" = "$PWD/$build/carnot" ] || {
    echo "SKIPPED: make install installs $build, another build is tested"
    exit 77
}
[ -z "$(make -s print-SAN)" ] || {
    echo "SKIPPED: a library with a sanitizer in it is not for installing"
    exit 77
}
root=$scratch/root
ran="make install"
make -s install DESTDIR="$root" PREFIX=/opt/carnot >"$scratch/out" 2>"$scratch/err" || fail "make install"
prefix=$root/opt/carnot
text="The old man looked at the"

# A folder may have blanks in its name.
make -s install DESTDIR="$scratch/a b" PREFIX=/opt/c >"$scratch/out" 2>"$scratch/err" || fail "make install with a blank"
(cd "$root/opt/carnot" && find . -type f) | sort >"$scratch/installed"
(cd "$scratch/a b/opt/c" && find . -type f) | sort | cmp -s - "$scratch/installed" || fail "a blank in DESTDIR"

# The program finds its model where it was installed. It prints the prompt too.
continued=$(cd / && "$prefix/bin/carnot" run -p "$text" -n 20 --temp 0 --meter none 2>"$scratch/err") || fail "no text"

LD_LIBRARY_PATH=$prefix/lib
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export LD_LIBRARY_PATH PKG_CONFIG_PATH
model=$prefix/share/carnot/prose-8m-f16.gguf
if command -v pkg-config >/dev/null; then
    flags=$(pkg-config --define-variable=prefix="$prefix" --define-variable=libdir="$prefix/lib" --cflags --libs carnot)
else
    flags="-I$prefix/include -L$prefix/lib -lcarnot"
fi
# shellcheck disable=SC2086
expect 0 ${CC:-cc} -std=c11 -Wall -Wextra -Werror examples/hello.c $flags -o "$scratch/shared"
# shellcheck disable=SC2086
expect 0 ${CC:-cc} -std=c11 -I"$prefix/include" examples/hello.c "$prefix/lib/libcarnot.a" -lm -pthread -o "$scratch/static"
expect 0 "$scratch/shared" "$model" "$text"
[ "$text$(cat "$scratch/out")" = "$continued" ] || fail "the example says something else than the program"
expect 0 "$scratch/static" "$model" "$text"
[ "$text$(cat "$scratch/out")" = "$continued" ] || fail "the static example says something else than the program"
expect 1 "$scratch/shared" "$scratch/none.gguf" "$text"
err_has "none.gguf"
# shellcheck disable=SC2086
expect 0 ${CC:-cc} -std=c11 -Wall -Wextra -Werror examples/guesses.c $flags -o "$scratch/guesses"
for draft in "" "$model"; do # 40 tokens, the first 20 of which are those above
    # shellcheck disable=SC2086 # none is no argument
    expect 0 "$scratch/guesses" "$model" "$text" $draft
    case "$text$(cat "$scratch/out")" in
    "$continued"*) ;;
    *) fail "with guesses the example says something else than the program" ;;
    esac
    err_has "drafted tokens kept"
done
expect 1 "$scratch/guesses" "$model" "$text" "$scratch/none.gguf"
err_has "none.gguf"
# shellcheck disable=SC2086
expect 0 ${CC:-cc} -std=c11 -Wall -Wextra -Werror examples/lanes.c $flags -o "$scratch/lanes"
expect 0 "$scratch/lanes" "$model" "$text" "$text" "Once upon a time"
[ "$text$(sed -n 1p "$scratch/out")" = "$continued" ] || fail "of several texts the first goes on in another way"
[ "$text$(sed -n 2p "$scratch/out")" = "$continued" ] || fail "of several texts the second goes on in another way"
[ "$(sed -n 3p "$scratch/out")" ] || fail "the third text does not go on"
expect 1 "$scratch/lanes" "$scratch/none.gguf" "$text"
err_has "none.gguf"
if command -v python3 >/dev/null; then
    expect 0 python3 examples/hello.py "$model" "$text"
    [ "$text$(cat "$scratch/out")" = "$continued" ] || fail "the Python example says something else than the program"
    expect 0 env CARNOT_ROOT="$scratch/none" python3 examples/energy.py "$model" "$text" 5
    out_has "each of 5 tokens: 16"
    out_has "joules unsupported"
    expect 1 python3 examples/hello.py "$scratch/none.gguf" "$text"
    err_has "none.gguf"
    # Where no library is installed that is said in a line too.
    expect 1 env LD_LIBRARY_PATH= python3 examples/hello.py "$scratch/none.gguf" "$text"
    one_line_err
else
    echo "no python3: examples/hello.py was not run"
fi

# The shared library exports what its map says, with the version; it is looked for by the first two numbers.
ran="nm of libcarnot.so"
version=$(sed -nE 's/^#define CN_VERSION "([0-9]+\.[0-9]+)\..*/\1/p' cli/version.c)
readelf -d "$prefix/lib/libcarnot.so" | grep -q "SONAME.*\[libcarnot.so.$version\]" || fail "its name is not libcarnot.so.$version"
[ -e "$prefix/lib/libcarnot.so.$version" ] || fail "no libcarnot.so.$version"
nm -D --defined-only "$prefix/lib/libcarnot.so" | awk '$2 != "A" { print $3 }' | sort >"$scratch/exported"
sed -nE 's/^ +(cn_[a-z0-9_]+);$/\1@@CARNOT_'"$version"'/p' engine/carnot.map | sort >"$scratch/mapped"
cmp -s "$scratch/exported" "$scratch/mapped" || fail "exports other names than engine/carnot.map"

# A page for every command, with every option of its help; completion knows them too.
ran="the manual"
for command in $(commands); do
    page=$prefix/share/man/man1/carnot-$command.1
    [ -s "$page" ] || fail "no page for $command"
    "$CARNOT" "$command" --help | sed -n '/^Options:/,$p' | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' |
        while IFS= read -r option; do
            sed 's/\\-/-/g' "$page" | grep -q -- "^\.B .*$option" || echo "$command $option"
            grep -q -- "    ${command}) .*${option}[ \"]" "$prefix/share/bash-completion/completions/carnot" ||
                echo "$command $option (completion)"
        done >"$scratch/lacking"
    [ ! -s "$scratch/lacking" ] || fail "lacks $(head -n 1 "$scratch/lacking")"
done
if command -v bash >/dev/null; then
    ran="completion"
    # shellcheck disable=SC2016
    got=$(bash -c '. "$1"; COMP_WORDS=(carnot perplexity --save); COMP_CWORD=2; _carnot; echo "${COMPREPLY[*]}"' - \
        "$prefix/share/bash-completion/completions/carnot")
    [ "$got" = --save-base ] || fail "completes --save as '$got'"
fi
