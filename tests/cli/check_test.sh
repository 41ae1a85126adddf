#!/bin/sh
# Every rule of scripts/check.sh is seen to fail: a copy of the tree is broken in one place at a time,
# and the check has to name that place.
set -u
. tests/expect.sh

command -v git >/dev/null 2>&1 || { echo "SKIPPED: no git"; exit 77; }
lib=$(dirname "$(readlink -f "$CARNOT")")/libcarnot.a
tree=$scratch/tree
mkdir "$tree" "$tree/build"
# Not the model and the fixtures: megabytes that no rule reads.
git ls-files -co --exclude-standard | grep -vE '^(models|tests/fixtures)/' | while IFS= read -r f; do
    [ -f "$f" ] && printf '%s\n' "$f"
done | tar -c -T - | tar -x -C "$tree" || fail "cannot copy the tree"
cp "$lib" "$tree/build/"
cd "$tree" || exit 1
{ git init -q . && git add -A && git -c user.name=t -c user.email=t@t commit -qm t; } || fail "cannot commit"
# All rules but two that take a minute: `make check` has shown that the tree keeps them.
scripts/check.sh build includes circles rooms tables symbols kernels isa names text length docs >"$scratch/unbroken" 2>&1

# broken RULE PLACE...: the rule fails and names the places, which it does not in the tree as it is;
# then all is mended.
broken() {
    rule=$1
    shift
    ran="scripts/check.sh build $rule"
    code=0
    scripts/check.sh build "$rule" >"$scratch/out" 2>"$scratch/err" || code=$?
    [ $code = 1 ] || fail "expected exit 1"
    out_has "FAILED  $rule"
    for place in "$@"; do
        out_has "$place"
        ! grep -qF -- "$place" "$scratch/unbroken" || fail "names '$place' without a reason"
    done
    git clean -qfd -e build && git checkout -q -- .
    mkdir -p engine/model/arch profiler/meters quant/x86 quant/arm # git keeps no empty folders
}
mkdir -p engine/model/arch profiler/meters quant/x86 quant/arm
include() { # file, header
    echo "#include \"$2\"" >>"$1"
}

include quant/formats.c engine/carnot.h
include engine/text/chat.c bench/page/page.h
include engine/text/chat.c cli/cli.h
include profiler/new.c quant/quant.h
include bench/page/page.c cli/cli.h
include bench/model/explain.c engine/run/session.h
include bench/model/explain.c engine/gguf/gguf.h
include bench/quality/scoring.h engine/model/model.h
include base/error.c engine/carnot.h
include bench/page/plot.c serve/server.h
include serve/answer.c engine/run/session.h
include serve/answer.c cli/cli.h
include cli/main.c engine/gguf/gguf.h
include cli/main.c quant/gemm.h
include cli/main.c cli.h
echo '#include <sqlite3.h>' >>base/error.c
echo '#include <cblas.h>' >>profiler/new.c
broken includes 'quant/formats.c: includes "engine/carnot.h"' 'engine/text/chat.c: includes "bench/page/page.h"' \
    'engine/text/chat.c: includes "cli/cli.h"' 'profiler/new.c: includes "quant/quant.h"' \
    'bench/page/page.c: includes "cli/cli.h"' 'bench/page/plot.c: includes "serve/server.h"' \
    'serve/answer.c: includes "engine/run/session.h"' 'serve/answer.c: includes "cli/cli.h"' \
    'base/error.c: includes "engine/carnot.h"' 'cli/main.c: includes "engine/gguf/gguf.h"' \
    'cli/main.c: includes "quant/gemm.h"' 'cli/main.c: "cli.h" is not a path from the root' \
    'base/error.c: includes <sqlite3.h>' 'profiler/new.c: includes <cblas.h>' \
    'bench/model/explain.c: includes "engine/run/session.h"' 'bench/quality/scoring.h: includes "engine/model/model.h"'
! grep -q 'explain.c: includes "engine/gguf/gguf.h"' "$scratch/out" || fail "bench/ may include gguf.h"

echo 'int  cn_ugly( void );' >>base/error.h
broken format 'base/error.h:'
mkdir "$scratch/bin"
for tool in sh git grep sed sort awk mktemp rm dirname cat head; do
    ln -s "$(command -v $tool)" "$scratch/bin/$tool"
done
ran="scripts/check.sh build format (without clang-format)" code=0
PATH=$scratch/bin scripts/check.sh build format >"$scratch/out" 2>&1 || code=$?
[ $code = 1 ] || fail "expected exit 1"
out_has "clang-format is missing"

cat >>quant/formats.def <<'ROW'
CN_FORMAT(q9_z, Q9_Z, 12, 32, 18, 0, Q8, AVX2(q9_z) /* a comment */
                                NEON(q9_y) AVX9(q9_z))
CN_FORMAT(q8_0, Q8_L, LOCAL(7), 32, 18, 0, Q8, )
CN_FORMAT(q8_0, Q8_M, LOCAL(7), 32, 18, 0, Q8, )
ROW
touch quant/x86/q9_y_avx2.c quant/arm/q9_z_i8mm.c quant/arm/helper.c quant/ref/q9_y_ref.c
echo 'CN_ARCH(nosuch_row)' >>engine/model/archs.def
touch engine/model/arch/nosuch_file.c
echo 'CN_METER(nosuch_row)' >>profiler/meters/meters.def
touch profiler/meters/meter_nosuch_file.c
printf 'CN_COMMAND(zzz, "last")\nCN_COMMAND(aaa, "first")\n' >>cli/commands.def
echo 'int cn_cmd_nosuch(int argc, char **argv)' >>cli/readfile.c
echo 'CN_FILE_TYPE(Q9_Z, 15, Q9_Z)' >>quant/file_types.def
broken tables 'two rows have the GGUF type 12' 'two rows have the GGUF type LOCAL 7' 'two rows have the file type 15' 'row q9_z has no quant/ref/q9_z.h' 'row q9_z has no quant/ref/q9_z_ref.c' \
    'row q9_z has no quant/x86/q9_z_avx2.c' "row q9_z names the kernels of 'q9_y'" \
    'row q9_z names the unknown tier avx9' 'quant/x86/q9_y_avx2.c: not named in quant/formats.def' \
    'quant/arm/q9_z_i8mm.c: not named in quant/formats.def' \
    'quant/arm/helper.c: its name does not end in a tier' 'quant/ref/q9_y_ref.c: no such row' \
    'engine/model/archs.def: row nosuch_row' 'engine/model/arch/nosuch_file.c: no such row' \
    'profiler/meters/meters.def: row nosuch_row' 'profiler/meters/meter_nosuch_file.c: no such row' \
    'cli/commands.def: row aaa has no cli/commands/aaa.c' 'cn_cmd_nosuch: no such row' \
    'cli/commands.def: not sorted: zzz before aaa' 'README.md: its table of commands lacks aaa'

printf 'size_t cn_needs_stddef(void);\n' >engine/alone.h
printf '#include <immintrin.h>\nstatic inline __m512i cn_f(void) { return _mm512_setzero_si512() }\n' >quant/x86/broken_avx512.h
broken headers 'engine/alone.h: does not compile alone' 'quant/x86/broken_avx512.h: does not compile alone'

# build/ is no part of the tree; what is broken there is mended by hand.
cp build/libcarnot.a "$scratch/good.a"
printf '%s\n' 'int leaked_data = 1;' 'int leaked_zero;' 'const int leaked_const = 1;' \
    'void leaked_function(void); void leaked_function(void) {}' 'int cn_right;' 'static int mine;' >"$scratch/leak.c"
gcc -w -c -o "$scratch/leak.o" "$scratch/leak.c" && ar q build/libcarnot.a "$scratch/leak.o"
broken symbols 'exports leaked_data' 'exports leaked_zero' 'exports leaked_const' 'exports leaked_function'
! grep -qE 'cn_right|mine' "$scratch/out" || fail "names what is right"
rm build/libcarnot.a
broken symbols 'build/libcarnot.a: not built'
cp "$scratch/good.a" build/libcarnot.a

echo 'static void gemv(void) {}' >>quant/arm/q4_k_neon.c
echo 'static void q4_k_gemv_ref(void) {}' >>quant/x86/q4_k_avx2.c
echo 'static int q4_0_helper_ref(int x) { return x; }' >>quant/ref/q4_0_ref.c # right
printf 'static void arrange(void) {}\nvoid (*cn_table)(void) = arrange;\n' >"$scratch/q9_z_avx2.c"
gcc -w -c -o "$scratch/q9_z_avx2.o" "$scratch/q9_z_avx2.c" && ar q build/libcarnot.a "$scratch/q9_z_avx2.o"
broken kernels 'gemv is not called q4_k_JOB_neon' 'q4_k_gemv_ref is not called q4_k_JOB_avx2' \
    'q9_z_avx2.o: arrange is not called q9_z_JOB_avx2'
! grep -q 'helper' "$scratch/out" || fail "names what is right"
rm build/libcarnot.a
broken kernels 'build/libcarnot.a: not built'
cp "$scratch/good.a" build/libcarnot.a

printf '#if defined(__AVX2__)\n#endif\n' >>base/error.c
printf '#if 1 && \\\n    defined(__aarch64__)\n#endif\n' >>base/table.c
printf '#if 0\n#elif defined(__ARM_FEATURE_DOTPROD)\n#endif\n' >>cli/cli.h
printf '#ifndef __AVX2__\n#error "needs AVX2"\n#endif\nint x;\n#ifdef __AVX512F__\n#endif\n' >quant/x86/new_avx2.c
printf 'int x;\n#ifndef __ARM_NEON\n#error "too late"\n#endif\n' >quant/arm/new_neon.h
# Allowed: the guard on top, a word in a comment.
printf '/* like\n#if __AVX2__ */\n#ifndef __AVX2__\n#error "needs AVX2"\n#endif\n' >quant/x86/good_avx2.c
broken isa 'base/error.c:' 'base/table.c:' 'cli/cli.h:' 'quant/x86/new_avx2.c:5: ' 'quant/arm/new_neon.h:2: '
! grep -q good_avx2 "$scratch/out" || fail "a guard on top is allowed"
! grep -qF 'quant/x86/new_avx2.c:1: ' "$scratch/out" || fail "a guard on top is allowed"

cp cli/options.c profiler/options.c
broken names 'options.c: '

printf '\tint x;\n' >>base/error.c
printf 'int x; \n' >>cli/options.c
printf 'int x;' >>cli/main.c
for folder in work home root; do
    printf 'See /%s/someone/file.\n' $folder >>README.md
done
n=$(wc -l <README.md)
broken text "base/error.c:$(($(wc -l <base/error.c))): tab" \
    "cli/options.c:$(($(wc -l <cli/options.c))): trailing blank" 'cli/main.c: no newline at the end' \
    "README.md:$n: path of a machine" "README.md:$((n - 1)): path of a machine" "README.md:$((n - 2)): path of a machine"

yes '/* a line */' | head -n 801 >engine/long.c
yes '/* a line */' | head -n 800 >engine/short.c
broken length 'engine/long.c: more than 800 lines'
! grep -q 'short' "$scratch/out" || fail "800 lines are allowed"

for i in $(seq 26); do
    echo 'int cn_x;' >"engine/run/module_$i.c"
done
broken rooms 'engine/run: '

printf '%s\n' 'void cn_there(void); void cn_here(void);' 'void cn_here(void) { cn_there(); }' >"$scratch/here.c"
printf '%s\n' 'void cn_there(void); void cn_here(void);' 'void cn_there(void) { cn_here(); }' >"$scratch/there.c"
mkdir -p build/base
for module in here there; do
    touch base/$module.c
    gcc -c -o build/base/$module.o "$scratch/$module.c"
done
broken circles 'base/here.c, base/there.c: call each other in a circle'
rm build/base/here.o build/base/there.o

echo 'CN_PRETOKENIZER("nosuch-pre", g, 0)' >>engine/text/pretokenizers.def
broken docs 'README.md: run scripts/readme.sh'
echo 'CN_FILE_TYPE(Q9_Z, 99, Q9_Z)' >>quant/file_types.def
broken docs 'README.md: run scripts/readme.sh'
echo 'CN_ARCH(another)' >>engine/model/archs.def
echo '    .name = "another",' >engine/model/arch/another.c
broken docs 'README.md: run scripts/readme.sh'
echo 'CN_ARCH(nosuch_row)' >>engine/model/archs.def
broken docs 'engine/model/arch/nosuch_row.c'
sed -i 's/^| f32 | 0 /| f32 | 7 /' docs/FORMATS.md
broken docs 'docs/FORMATS.md: run scripts/formats.sh'

expect 2 scripts/check.sh build nosuchrule
err_has "unknown rule 'nosuchrule'"
