#!/bin/sh
# cppcheck and clang-tidy over the sources (make lint): no finding, but for the exceptions below, each with
# its reason. scripts/lint.sh [FILE...]
set -u
cd "$(dirname "$0")/.." || exit 1
for tool in cppcheck clang-tidy; do
    command -v $tool >/dev/null 2>&1 || { echo "lint: $tool is missing (apt-get install $tool)" >&2; exit 1; }
done
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(git ls-files 'base/*.c' 'quant/*.c' 'engine/*.c' 'profiler/*.c' 'bench/*.c' 'cli/*.c' 'examples/*.c')

# cppcheck sees neither libc nor the flags of a tier, so kernels are clang-tidy's alone. Exceptions, all of
# them false in version 2.10 at every place that was looked at:
#   uninitvar, legacyUninitvar, uninitdata       arrays filled through a pointer; valgrind sees the real ones
#   memleak                                      what is copied into a struct by memcpy is not lost
#   arrayIndexOutOfBounds, ...Cond               the bound stands in the condition beside it
#   invalidFunctionArg                           log(0) where a sum of at least one exponential is meant
#   nullPointerArithmeticRedundantCheck          p + n of a failed malloc, tested before it is used
#   autoVariables                                options that point to a local of the caller that uses them
printf '%s\n' "$@" | grep -v '^quant/\(x86\|arm\)/' >build/lint.files
failed=0
if [ -s build/lint.files ]; then
    cppcheck --file-list=build/lint.files --std=c11 --language=c --enable=warning,performance,portability \
        --quiet --error-exitcode=1 -j"$(nproc)" -I. -D__x86_64__ -D__GNUC__ -DCN_COMMIT='"x"' \
        --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=toomanyconfigs \
        --suppress=unmatchedSuppression --suppress=uninitvar --suppress=legacyUninitvar --suppress=uninitdata \
        --suppress=memleak --suppress=arrayIndexOutOfBounds --suppress=arrayIndexOutOfBoundsCond \
        --suppress=invalidFunctionArg --suppress=nullPointerArithmeticRedundantCheck --suppress=autoVariables || failed=1
fi

# clang-tidy: what finds bugs, in .clang-tidy.
flags=$(make -s CC=clang print-REQUIRED | sed 's/-MMD -MP//')
for f in "$@"; do
    tier=$(basename "$f" .c)
    case $f in
    quant/arm/*) continue ;; # needs the other machine's headers
    quant/x86/*) isa=$(make -s "print-FLAGS_${tier##*_}") ;;
    *) isa="" ;;
    esac
    echo "$f -- $flags $isa -DCN_COMMIT=__FILE__ -Iengine"
done | xargs -P "$(nproc)" -L 1 clang-tidy --quiet 2>/dev/null >build/lint.log || failed=1
cat build/lint.log
[ $failed = 0 ]
