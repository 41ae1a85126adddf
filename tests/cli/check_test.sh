#!/bin/sh
# Every rule of scripts/check.sh is seen to fail: a copy of the tree is broken in one place at a time,
# and the check has to name that place.
set -u
. tests/expect.sh

command -v git >/dev/null 2>&1 || { echo "SKIPPED: no git"; exit 77; }
lib=$(dirname "$CARNOT")/libcarnot.a
tree=$scratch/tree
mkdir "$tree" "$tree/build"
# Not the model and the fixtures: megabytes that no rule reads.
git ls-files -co --exclude-standard | grep -vE '^(models|tests/fixtures)/' | while IFS= read -r f; do
    [ -f "$f" ] && printf '%s\n' "$f"
done | tar -c -T - | tar -x -C "$tree" || fail "cannot copy the tree"
cp "$lib" "$tree/build/"
cd "$tree" || exit 1
{ git init -q . && git add -A && git -c user.name=t -c user.email=t@t commit -qm t; } || fail "cannot commit"
scripts/check.sh build >"$scratch/unbroken" 2>&1

# broken RULE PLACE: the rule fails and names the place, which it does not in the tree as it is; then
# all is mended.
broken() {
    ran="scripts/check.sh build $1"
    code=0
    scripts/check.sh build "$1" >"$scratch/out" 2>"$scratch/err" || code=$?
    [ $code = 1 ] || fail "expected exit 1"
    out_has "FAILED  $1"
    out_has "$2"
    ! grep -qF -- "$2" "$scratch/unbroken" || fail "names '$2' without a reason"
    git clean -qfd -e build && git checkout -q -- .
    mkdir -p profiler engine/arch quant/x86 quant/arm # git keeps no empty folders
}
mkdir -p profiler engine/arch quant/x86 quant/arm
include() { # file, header
    echo "#include \"$2\"" >>"$1"
}

# includes
include quant/table.c engine/carnot.h
broken includes 'quant/table.c: includes "engine/carnot.h"'
include engine/error.c bench/table.h
broken includes 'engine/error.c: includes "bench/table.h"'
include engine/error.c cli/cli.h
broken includes 'engine/error.c: includes "cli/cli.h"'
include profiler/new.c quant/quant.h
broken includes 'profiler/new.c: includes "quant/quant.h"'
include bench/result_table.c cli/cli.h
broken includes 'bench/result_table.c: includes "cli/cli.h"'
include cli/main.c engine/gguf.h
broken includes 'cli/main.c: includes "engine/gguf.h"'
include cli/main.c quant/gemm.h
broken includes 'cli/main.c: includes "quant/gemm.h"'
include cli/main.c cli.h
broken includes 'cli/main.c: "cli.h" is not a path from the root'
echo '#include <sqlite3.h>' >>engine/error.c
broken includes 'engine/error.c: includes <sqlite3.h>'

# format
echo 'int  cn_ugly( void );' >>engine/error.h
broken format 'engine/error.h:'
PATH_BEFORE=$PATH
mkdir "$scratch/bin"
for tool in sh git grep sed sort awk mktemp rm dirname cat head; do
    ln -s "$(command -v $tool)" "$scratch/bin/$tool"
done
PATH=$scratch/bin
code=0
scripts/check.sh build format >"$scratch/out" 2>&1 || code=$?
PATH=$PATH_BEFORE
ran="scripts/check.sh build format (without clang-format)"
[ $code = 1 ] || fail "expected exit 1"
out_has "clang-format is missing"

# tables
for place in 'row q9_z has no quant/ref/q9_z.h' 'row q9_z has no quant/ref/q9_z_ref.c' \
    'row q9_z has no quant/x86/q9_z_avx2.c' "row q9_z names the kernels of 'q9_y'" \
    'row q9_z names the unknown tier avx9'; do
    cat >>quant/formats.def <<'ROW'
CN_FORMAT(q9_z, 99, 32, 18, Q8, AVX2(q9_z) /* a comment */
                                NEON(q9_y) AVX9(q9_z))
ROW
    broken tables "$place"
done
touch quant/x86/q9_z_avx2.c
broken tables 'quant/x86/q9_z_avx2.c: not named in quant/formats.def'
touch quant/arm/q9_z_i8mm.c
broken tables 'quant/arm/q9_z_i8mm.c: not named in quant/formats.def'
touch quant/arm/helper.c
broken tables 'quant/arm/helper.c: its name does not end in a tier'
touch quant/ref/q9_z_ref.c
broken tables 'quant/ref/q9_z_ref.c: no such row'
echo 'CN_ARCH(nosuch)' >>engine/archs.def
broken tables 'engine/archs.def: row nosuch'
touch engine/arch/nosuch.c
broken tables 'engine/arch/nosuch.c: no such row'
echo 'CN_METER(nosuch)' >>profiler/meters.def
broken tables 'profiler/meters.def: row nosuch'
touch profiler/meter_nosuch.c
broken tables 'profiler/meter_nosuch.c: no such row'
echo 'CN_COMMAND(nosuch, "no such")' >>cli/commands.def
broken tables 'cli/commands.def: row nosuch'
echo 'int cn_cmd_nosuch(int argc, char **argv)' >>cli/readfile.c
broken tables 'cn_cmd_nosuch: no such row'
printf 'CN_COMMAND(zzz, "last")\nCN_COMMAND(aaa, "first")\n' >>cli/commands.def
broken tables 'cli/commands.def: not sorted: zzz before aaa'

# headers
printf 'size_t cn_needs_stddef(void);\n' >engine/alone.h
broken headers 'engine/alone.h: does not compile alone'
printf '#include <immintrin.h>\nstatic inline __m512i cn_f(void) { return _mm512_setzero_si512() }\n' >quant/x86/broken_avx512.h
broken headers 'quant/x86/broken_avx512.h: does not compile alone'

# symbols
cp build/libcarnot.a "$scratch/good.a"
for what in 'int leaked_data = 1;' 'int leaked_zero;' 'const int leaked_const = 1;' \
    'void leaked_function(void); void leaked_function(void) {}'; do
    printf '%s\n' "$what" >"$scratch/leak.c"
    cc -c -o "$scratch/leak.o" "$scratch/leak.c" && ar q build/libcarnot.a "$scratch/leak.o"
    symbol=$(printf '%s' "$what" | grep -o 'leaked_[a-z]*' | head -n 1)
    # build/ is no part of the tree; the mending is ours.
    ran="scripts/check.sh build symbols" code=0
    scripts/check.sh build symbols >"$scratch/out" 2>&1 || code=$?
    [ $code = 1 ] || fail "expected exit 1"
    out_has "exports $symbol"
    cp "$scratch/good.a" build/libcarnot.a
done
rm build/libcarnot.a
code=0
scripts/check.sh build symbols >"$scratch/out" 2>&1 || code=$?
[ $code = 1 ] || fail "expected exit 1"
out_has "build/libcarnot.a: not built"

# isa
printf '#if defined(__AVX2__)\n#endif\n' >>engine/error.c
broken isa 'engine/error.c:'
printf '#if 1 && \\\n    defined(__aarch64__)\n#endif\n' >>bench/result_table.c
broken isa 'bench/result_table.c:'
printf '#if 0\n#elif defined(__ARM_FEATURE_DOTPROD)\n#endif\n' >>cli/cli.h
broken isa 'cli/cli.h:'
printf '#ifndef __AVX2__\n#error "needs AVX2"\n#endif\nint x;\n#ifdef __AVX512F__\n#endif\n' >quant/x86/new_avx2.c
broken isa 'quant/x86/new_avx2.c:5: '
printf 'int x;\n#ifndef __AVX2__\n#error "too late"\n#endif\n' >quant/x86/new_avx2.c
broken isa 'quant/x86/new_avx2.c:2: '
# Allowed: the guard on top, a word in a comment.
printf '/* like\n#if __AVX2__ */\n#ifndef __AVX2__\n#error "needs AVX2"\n#endif\n' >quant/x86/good_avx2.c
scripts/check.sh build isa >"$scratch/out" 2>&1
! grep -q good_avx2 "$scratch/out" || fail "a guard on top is allowed"
rm quant/x86/good_avx2.c

# names
cp cli/options.c profiler/options.c
broken names 'options.c: '

# text
printf '\tint x;\n' >>engine/error.c
broken text "engine/error.c:$(($(wc -l <engine/error.c))): tab"
printf 'int x; \n' >>engine/error.c
broken text "engine/error.c:$(($(wc -l <engine/error.c))): trailing blank"
printf 'int x;' >>engine/error.c
broken text 'engine/error.c: no newline at the end'
for folder in work home root; do
    printf 'See /%s/someone/file.\n' $folder >>README.md
    broken text "README.md:$(wc -l <README.md): path of a machine"
done

# length
yes '/* a line */' | head -n 1501 >engine/long.c
broken length 'engine/long.c: 1501 lines'

# and a rule that does not exist
expect 2 scripts/check.sh build nosuchrule
err_has "unknown rule 'nosuchrule'"
