#!/bin/sh
# Proves what the layout promises (make check): scripts/check.sh BUILD_DIR [RULE...]
# One line per rule; below a broken one the places that break it. Exit 1 if any is broken.
set -u
rules="includes circles rooms format tables headers symbols kernels isa names text length docs"
[ $# -ge 1 ] || { echo "usage: scripts/check.sh BUILD_DIR [$rules]" >&2; exit 2; }
build=$1
shift
[ $# = 0 ] || rules=$*
cd "$(dirname "$0")/.." || exit 1
command -v git >/dev/null 2>&1 || { echo "check: git is missing (apt-get install git)" >&2; exit 1; }
: "${CC:=gcc}"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
# Files that are there: known to git or new, but not ignored.
git ls-files -co --exclude-standard | sort -u | while IFS= read -r f; do
    [ -f "$f" ] && printf '%s\n' "$f"
done >"$tmp/files"
[ -s "$tmp/files" ] || { echo "check: no files; this works on a git checkout" >&2; exit 1; }

files() { # those that match the extended regular expression
    grep -E "$1" "$tmp/files"
}
C_SOURCES='\.(c|h)$'

# by_parts CHECK PATTERN: every CPU takes its share of the files that match. CHECK is called with a word of
# its own and finds its files, a line each, on stdin.
by_parts() {
    cpus=$(nproc)
    for part in $(seq "$cpus"); do
        files "$2" | awk -v n="$cpus" -v k="$part" 'NR % n == k % n' | "$1" "$part" >"$tmp/part.$part" &
    done
    wait
    cat "$tmp"/part.* | sort
    rm "$tmp"/part.*
}

# ---- includes: each floor stands only on those below ----------------------------------------------

# Angle brackets that the lower four floors may use: libc, POSIX, Linux and compiler headers.
SYSTEM='^(assert|ctype|dirent|endian|errno|fcntl|fenv|float|fnmatch|glob|inttypes|limits|locale|math|poll|pthread|regex|sched|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|termios|time|unistd|wchar|wctype|cpuid|immintrin|arm_neon|sys/[a-z_]+|linux/[a-z_]+|asm/[a-z_]+)[.]h$'

# What bench/, a client of the engine, may include of it: the public headers, and those that rooms of
# the engine have for who measures models or looks for types. None of them shows what is inside a
# model or a session.
FOR_BENCH='engine/(carnot|tools|gguf/gguf|make/budget|make/imatrix_file|model/override|run/log_prob|run/op_work)[.]h'

check_includes() {
    # shellcheck disable=SC2046
    awk -v system_headers="$SYSTEM" -v for_bench="$FOR_BENCH" '
    FILENAME == list { there[$0] = 1; next }
    FNR == 1 {
        if (FILENAME ~ /^base\//) allowed = "^base/"
        else if (FILENAME ~ /^quant\//) allowed = "^(quant|base)/"
        else if (FILENAME ~ /^engine\//) allowed = "^(engine|quant|base)/"
        else if (FILENAME ~ /^profiler\//) allowed = "^(profiler|base)/"
        else if (FILENAME ~ /^bench\//) allowed = "^((bench|profiler|quant|base)/.*|" for_bench ")$"
        else if (FILENAME ~ /^serve\//) allowed = "^((serve|bench|base)/.*[.]h|engine/(carnot|tools|run/log_prob)[.]h|profiler/profiler[.]h)$"
        else if (FILENAME ~ /^cli\//) allowed = "^(cli/.*|serve/.*[.]h|bench/.*[.]h|base/.*[.]h|quant/quant[.]h|engine/carnot[.]h|engine/tools[.]h|profiler/profiler[.]h)$"
        else allowed = "" # tests may look everywhere
    }
    match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]*[>"]/) {
        inc = substr($0, RSTART, RLENGTH)
        sub(/^[^<"]*/, "", inc)
        name = substr(inc, 2, length(inc) - 2)
        if (inc ~ /^"/) {
            if (!(name in there)) print FILENAME ": " inc " is not a path from the root"
            else if (name !~ allowed) print FILENAME ": includes " inc
        } else if (FILENAME ~ /^(base|quant|engine|profiler)\// && name !~ system_headers) {
            if (!(FILENAME ~ /^engine\// && name == "cblas.h")) # optional, found by pkg-config
                print FILENAME ": includes " inc ": not libc"
        }
    }' list="$tmp/files" "$tmp/files" $(files '\.(c|h|def)$')
}

# ---- circles: no file calls one that calls it --------------------------------------------------------

# From the symbols of the objects: who needs what who defines. The one exception is a table of vtables
# (those of formats.def, meters.def, ...): what it lists may not call it back, which the same search finds.
check_circles() {
    objects=$(files '^(base|quant|engine|profiler|bench|serve|cli)/.*\.c$' | sed "s,^\(.*\)\.c\$,$build/\1.o,")
    there=""
    for o in $objects; do
        [ -f "$o" ] && there="$there $o"
    done
    [ "$there" ] || { echo "$build: no objects (make)"; return; }
    # shellcheck disable=SC2086
    nm -A -g $there 2>/dev/null | awk -v build="$build/" '
        { file = $1; sub(/:.*/, "", file); sub(build, "", file); sub(/\.o$/, ".c", file) }
        $(NF - 1) == "U" { user[++n] = file; used[n] = $NF; next }
        { home[$NF] = file }
        END { for (i = 1; i <= n; i++)
                  if (used[i] in home && home[used[i]] != user[i]) print user[i], home[used[i]] }' |
        sort -u >"$tmp/edges"
    # tsort names the files of each circle one a line; put side by side they are one place.
    tsort "$tmp/edges" 2>&1 >/dev/null | sed -n 's/^tsort: //p' | awk '
        /^-?.*input contains a loop:$/ { if (line) print line; line = ""; next }
        { line = line (line ? ", " : "") $0 }
        END { if (line) print line }' | sed 's/$/: call each other in a circle/'
}

# ---- rooms: a folder is one concept ---------------------------------------------------------------------

MOST_MODULES=25
# Tables of files that are alike: one a row of a .def file.
ALIKE='^(quant/(ref|x86|arm)|engine/model/arch|engine/run/mixer|profiler/meters|cli/commands)$'

check_rooms() {
    files '^(base|quant|engine|profiler|bench|serve|cli|tests/unit)/.*\.[ch]$' | sed 's/\.[ch]$//' | sort -u | awk -v most=$MOST_MODULES \
        -v alike="$ALIKE" '
        { room = $0; sub(/\/[^\/]*$/, "", room); n[room]++ }
        END { for (r in n) if (n[r] > most && r !~ alike)
                  print r ": " n[r] " modules, at most " most " in a room (two concepts are two rooms)" }' | sort
}

# ---- format: clang-format changes nothing -----------------------------------------------------------

check_format() {
    tool=clang-format-14
    command -v $tool >/dev/null 2>&1 || tool=clang-format
    case $($tool --version 2>/dev/null) in
    *" 14."*) ;;
    "") echo "clang-format is missing (apt-get install clang-format-14)"; return ;;
    *) echo "clang-format 14 is wanted, found: $($tool --version)"; return ;;
    esac
    by_parts files_formatted "$C_SOURCES"
}

files_formatted() {
    while IFS= read -r f; do
        $tool --dry-run -Werror "$f" >/dev/null 2>"$tmp/said.$1" && continue
        line=$(sed -n 's/^[^:]*:\([0-9]*\):.*/\1/p' "$tmp/said.$1" | head -n 1)
        if [ "$line" ]; then
            echo "$f:$line: not formatted (make format)"
        else
            echo "$f: clang-format fails on it; fence its tables with /* clang-format off */"
        fi
    done
}

# ---- tables: rows and files say the same -------------------------------------------------------------

# The rows of a .def file, one "NAME(first, rest...)" a line, without comments.
rows() {
    [ -f "$1" ] || return 0
    $CC -E -P -x c "$1" | tr '\n' ' ' | sed 's/CN_[A-Z]*[[:space:]]*(/\
&/g' | grep '^CN_'
}
row_names() {
    rows "$1" | sed 's/^CN_[A-Z]*[[:space:]]*([[:space:]]*\([A-Za-z0-9_]*\).*/\1/'
}
lines_only_in() { # first list, second list, text with %s
    printf '%s\n' "$1" | sort -u >"$tmp/a"
    printf '%s\n' "$2" | sort -u >"$tmp/b"
    comm -23 "$tmp/a" "$tmp/b" | while IFS= read -r x; do
        # shellcheck disable=SC2059
        [ "$x" ] && printf "$3\n" "$x"
    done
}
stems() { # regular expression with one group: the group of each file that matches
    sed -nE "s,^$1\$,\\1,p" "$tmp/files"
}

check_formats_table() {
    ids=$(row_names quant/formats.def)
    for id in $ids; do
        for f in quant/ref/"$id".h quant/ref/"$id"_ref.c; do
            [ -f "$f" ] || echo "quant/formats.def: row $id has no $f"
        done
    done
    # Each id and each printed name once, and once each file type.
    # shellcheck disable=SC2016
    rows quant/formats.def | sed 's/LOCAL(\([0-9]*\))/LOCAL \1/' | awk -F '[(,][[:space:]]*' '
        { at[$4]++; named[$3]++; if (at[$4] == 2) print "quant/formats.def: two rows have the GGUF type " $4
          if (named[$3] == 2) print "quant/formats.def: two rows are called " $3 }'
    # shellcheck disable=SC2016
    sed -n 's/^CN_FILE_TYPE(//p' quant/file_types.def | awk -F '[,[:space:]]+' '
        { at[$2]++; if (at[$2] == 2) print "quant/file_types.def: two rows have the file type " $2 }'
    # gemm_ref.c, peak_ref.c and vec_ref.c are what all formats share.
    lines_only_in "$(stems 'quant/ref/(.*)_ref\.c' | grep -Ev '^(gemm|peak|vec)$')" "$ids" \
        'quant/ref/%s_ref.c: no such row in quant/formats.def'
    # "q4_k avx2" for each AVX2(...) of a row; the argument must be the row's own id.
    named=$(rows quant/formats.def | while IFS= read -r row; do
        id=$(printf '%s\n' "$row" | sed 's/^CN_[A-Z]*[[:space:]]*([[:space:]]*\([A-Za-z0-9_]*\).*/\1/')
        printf '%s\n' "${row#CN_*(}" | grep -oE '[A-Z0-9]+\([a-z_][a-z0-9_]*\)' | while IFS= read -r t; do
            arg=${t#*(}
            echo "${arg%)} $(echo "${t%%(*}" | tr '[:upper:]' '[:lower:]') $id"
        done
    done)
    printf '%s\n' "$named" | while read -r arg tier id; do
        case $tier in
        "") continue ;;
        avx2 | avxvnni | avx512 | amx) dir=quant/x86 ;;
        neon | dotprod | i8mm) dir=quant/arm ;;
        *) echo "quant/formats.def: row $id names the unknown tier $tier"; continue ;;
        esac
        [ "$arg" = "$id" ] || echo "quant/formats.def: row $id names the kernels of '$arg'"
        [ -f "$dir/${id}_$tier.c" ] || echo "quant/formats.def: row $id has no $dir/${id}_$tier.c"
    done
    pairs=$(printf '%s\n' "$named" | awk 'NF { print $3 "_" $2 }')
    for f in $(files '^quant/(x86|arm)/.*\.c$'); do
        stem=$(basename "$f" .c)
        case $f in
        quant/x86/*_avx2.c | quant/x86/*_avxvnni.c | quant/x86/*_avx512.c | quant/x86/*_amx.c) ;;
        quant/arm/*_neon.c | quant/arm/*_dotprod.c | quant/arm/*_i8mm.c) ;;
        *) echo "$f: its name does not end in a tier of this machine"; continue ;;
        esac
        case $stem in
        gemm_* | peak_* | vec_*) continue ;; # what all formats share
        esac
        printf '%s\n' "$pairs" | grep -qx "$stem" || echo "$f: not named in quant/formats.def"
    done
}

check_tables() {
    check_formats_table
    names=$(row_names engine/model/archs.def)
    lines_only_in "$names" "$(stems 'engine/model/arch/(.*)\.c')" 'engine/model/archs.def: row %s has no file in engine/model/arch/'
    lines_only_in "$(stems 'engine/model/arch/(.*)\.c')" "$names" 'engine/model/arch/%s.c: no such row in engine/model/archs.def'
    names=$(row_names engine/run/mixer/mixers.def)
    lines_only_in "$names" "$(stems 'engine/run/mixer/mixer_(.*)\.c')" 'engine/run/mixer/mixers.def: row %s has no engine/run/mixer/mixer_ file'
    lines_only_in "$(stems 'engine/run/mixer/mixer_(.*)\.c')" "$names" 'engine/run/mixer/mixer_%s.c: no such row in engine/run/mixer/mixers.def'
    names=$(row_names profiler/meters/meters.def)
    lines_only_in "$names" "$(stems 'profiler/meters/meter_(.*)\.c')" 'profiler/meters/meters.def: row %s has no profiler/meters/meter_ file'
    lines_only_in "$(stems 'profiler/meters/meter_(.*)\.c')" "$names" 'profiler/meters/meter_%s.c: no such row in profiler/meters/meters.def'
    names=$(row_names cli/commands.def)
    for name in $names; do
        grep -q "^int cn_cmd_$name(" "cli/commands/$name.c" 2>/dev/null ||
            echo "cli/commands.def: row $name has no cli/commands/$name.c with cn_cmd_$name"
        grep -q "^| .carnot ${name}[^a-z0-9_]" README.md || echo "README.md: its table of commands lacks $name"
    done
    # shellcheck disable=SC2046
    lines_only_in "$(sed -n 's/^int cn_cmd_\([a-z0-9_]*\)(.*/\1/p' $(files '^cli/.*\.c$') /dev/null)" "$names" \
        'cn_cmd_%s: no such row in cli/commands.def'
    printf '%s\n' "$names" | awk 'last > $0 { print "cli/commands.def: not sorted: " last " before " $0 } { last = $0 }'
}

# ---- headers: each compiles alone ---------------------------------------------------------------------

tier_flags() { # machine, tier; make is asked once for each
    if [ ! -f "$tmp/flags.$1$2" ]; then
        new=$(mktemp "$tmp/XXXXXX") # whole before it has its name: others read it
        make -s ${1:+CROSS="$1"} print-FLAGS_"$2" >"$new" 2>/dev/null
        mv "$new" "$tmp/flags.$1$2"
    fi
    cat "$tmp/flags.$1$2"
}

check_headers() {
    by_parts headers_alone '\.h$'
}

headers_alone() {
    arm=aarch64-linux-gnu-
    while IFS= read -r h; do
        cross="" flags=""
        case $h in
        quant/x86/*_*.h | quant/arm/*_*.h)
            tier=$(basename "$h" .h)
            tier=${tier##*_}
            case $h in quant/arm/*) cross=$arm ;; esac
            if [ "$cross" ] && ! command -v ${arm}gcc >/dev/null 2>&1; then
                echo "note: $h not compiled: no ${arm}gcc (DEPS_CROSS=1 make deps)"
                continue
            fi
            flags=$(tier_flags "$cross" "$tier")
            ;;
        esac
        # shellcheck disable=SC2086
        { [ "$cross" ] && cc=${cross}gcc || cc=$CC; }
        printf '#include "%s"\nint cn_not_empty;\n' "$h" >"$tmp/alone.$1.c"
        # shellcheck disable=SC2086
        $cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wundef -Werror -I. $flags -fsyntax-only "$tmp/alone.$1.c" 2>"$tmp/said.$1" && continue
        echo "$h: does not compile alone: $(grep -m 1 error "$tmp/said.$1" | sed 's/.*error: //')"
    done
}

# ---- symbols: what the library exports starts with cn_ -------------------------------------------------

check_symbols() {
    lib=$build/libcarnot.a
    [ -f "$lib" ] || { echo "$lib: not built (make)"; return; }
    nm -A -g --defined-only "$lib" 2>"$tmp/said" | awk '$NF !~ /^(cn_|CN_)/ { print $1 " exports " $NF }'
    grep -v 'no symbols' "$tmp/said"
    # The shared library has the names of carnot.h: each of its declarations stands in the map.
    declared=$(scripts/header.sh | sed 's,/\*.*\*/,,' | tr '\n' ' ' | grep -oE 'CN_API [^;{]*' |
        sed -nE 's/\(.*//; s/.*[ *](cn_[a-z0-9_]+)$/\1/p')
    mapped=$(sed -nE 's/^ +(cn_[a-z0-9_]+);$/\1/p' engine/carnot.map)
    lines_only_in "$declared" "$mapped" 'engine/carnot.map: %s of carnot.h is missing'
    lines_only_in "$mapped" "$declared" 'engine/carnot.map: %s is not in carnot.h'
}

# ---- kernels: what perf and a debugger show of them says format, job and tier ---------------------------

check_kernels() {
    # What is not inlined into a kernel, in the sources: those of other machines too.
    # shellcheck disable=SC2046
    awk '
    FNR == 1 {
        stem = tier = FILENAME
        sub(/.*\//, "", stem)
        sub(/_[a-z0-9]*[.]c$/, "", stem)
        sub(/.*_/, "", tier)
        sub(/[.]c$/, "", tier)
    }
    /^static [^=]*[(]/ && !/^static (inline|const)/ && match($0, /[A-Za-z0-9_]+\(/) {
        name = substr($0, RSTART, RLENGTH - 1)
        if (name == "__attribute__") next
        if (name !~ "^" stem "_[a-z0-9_]+_" tier "$")
            print FILENAME ":" FNR ": " name " is not called " stem "_JOB_" tier
    }' $(files '^quant/(ref/.*_ref|x86/.*|arm/.*)[.]c$') /dev/null
    # In the library: also what macros make.
    lib=$build/libcarnot.a
    [ -f "$lib" ] || { echo "$lib: not built (make)"; return; }
    nm -A --defined-only "$lib" 2>/dev/null | awk '
    $(NF - 1) ~ /^[tT]$/ && $1 ~ /_(ref|avx2|avxvnni|avx512|amx|neon|dotprod|i8mm)[.]o:/ {
        split($1, part, ":")
        stem = tier = part[2]
        sub(/_[a-z0-9]*[.]o$/, "", stem)
        sub(/.*_/, "", tier)
        sub(/[.]o$/, "", tier)
        name = $NF
        sub(/[.].*/, "", name) # .constprop.0 and the like
        seen++
        if (name !~ /^(_|cn_)/ && name !~ "^" stem "_[a-z0-9_]+_" tier "$")
            print part[2] ": " name " is not called " stem "_JOB_" tier
    }
    END { if (!seen) print "no kernels found in the library" }'
}

# ---- isa: conditions on the instruction set stand where they belong ------------------------------------

check_isa() {
    # shellcheck disable=SC2046
    awk '
    # Comments out, continued lines joined: logical lines text[1..n] with the number they start at.
    FNR == 1 { judge(); file = FILENAME; n = 0; comment = 0; joined = "" }
    {
        line = $0
        out = ""
        while (line != "") {
            if (comment) {
                at = index(line, "*/")
                if (!at) break
                line = substr(line, at + 2)
                comment = 0
            } else {
                at = index(line, "/*")
                if (!at) at = length(line) + 1
                else comment = 1
                out = out substr(line, 1, at - 1) " "
                line = substr(line, at + 2)
            }
        }
        if (joined == "") first = FNR
        joined = joined out
        if ($0 ~ /\\$/) { sub(/\\ *$/, " ", joined); next }
        if (joined !~ /^[ \t]*$/) { text[++n] = joined; at_line[n] = first }
        joined = ""
    }
    END { judge() }
    function judge(  i, code, tier, guard) {
        tier = file ~ /^quant\/(x86|arm)\/.*_.*\.[ch]$/
        for (i = 1; i <= n; i++) {
            if (text[i] !~ /^[ \t]*#/) { code = 1; continue }
            if (text[i] !~ /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)/) continue
            if (text[i] !~ /__(AVX|SSE|FMA|F16C|BMI|GFNI|AMX|VAES|MMX|POPCNT|ARM_|aarch64|arm__|x86_64|amd64|i386|i686|riscv|powerpc|s390)/) continue
            guard = i + 2 <= n && text[i + 1] ~ /^[ \t]*#[ \t]*error/ && text[i + 2] ~ /^[ \t]*#[ \t]*endif/
            if (tier && guard && !code) continue
            print file ":" at_line[i] ": condition on the instruction set: " text[i]
        }
    }' $(files "$C_SOURCES" | grep -vxE 'quant/(cpu|formats)\.c|base/threads\.c')
}

# ---- names, text, length -------------------------------------------------------------------------------

check_names() {
    files . | grep -vE '^tests/fixtures/|(^|/)(README\.md|\.gitignore)$' | sed 's,.*/,,' | sort | uniq -d |
        while IFS= read -r name; do
            echo "$name: $(grep -E "(^|/)$(printf '%s' "$name" | sed 's/\./\\./g')\$" "$tmp/files" | tr '\n' ' ')"
        done
}

check_text() {
    sources=$(files '\.(c|h|def)$')
    # shellcheck disable=SC2086
    awk '/\t/ { print FILENAME ":" FNR ": tab" }
         /[ \t\r]$/ { print FILENAME ":" FNR ": trailing blank" }' $sources
    # The last bytes of all files; one by one only if there is one that is no newline.
    # shellcheck disable=SC2086
    if tail -q -c 1 $sources | tr -d '\n' | grep -q .; then
        for f in $sources; do
            [ -z "$(tail -c 1 "$f")" ] || echo "$f: no newline at the end"
        done
    fi
    # Brackets keep the pattern from finding itself. -I: text files only.
    files . | tr '\n' '\0' | xargs -0 grep -nIE '(^|[^A-Za-z0-9_.~/}$)-])/(wor[k]|hom[e]|roo[t])/' /dev/null |
        sed -E 's/^([^:]*:[0-9]*):.*/\1: path of a machine/'
}

MOST_LINES=800
check_length() {
    # Made by a script from tables of others, and read by nobody.
    made='^base/unicode_tables\.c$'
    # shellcheck disable=SC2046
    awk -v most=$MOST_LINES 'FNR == most + 1 { print FILENAME ": more than " most " lines (split it by concept)" }' \
        $(files '\.(c|h|def|sh)$' | grep -vE "$made")
}

check_docs() {
    [ ! -f docs/FORMATS.md ] || scripts/formats.sh --check 2>&1
    [ ! -f docs/quality.csv ] || scripts/quality_page.sh --check 2>&1
    scripts/readme.sh --check 2>&1
}

# ---- all of them -----------------------------------------------------------------------------------------

broken=0
for rule in $rules; do
    case $rule in
    includes) what="each floor includes only those below" ;;
    format) what="clang-format 14 changes nothing" ;;
    tables) what="tables and files name each other" ;;
    headers) what="each header compiles alone" ;;
    symbols) what="the library exports cn_ names only" ;;
    kernels) what="kernels carry format, job and tier in their names" ;;
    isa) what="conditions on the instruction set stand where they belong" ;;
    names) what="file names are unique" ;;
    text) what="no tabs, trailing blanks, missing newlines, paths of a machine" ;;
    circles) what="no file calls one that calls it" ;;
    rooms) what="no room has more than $MOST_MODULES modules" ;;
    length) what="no file over $MOST_LINES lines" ;;
    docs) what="the pages made by scripts are up to date" ;;
    *) echo "check: unknown rule '$rule'" >&2; exit 2 ;;
    esac
    check_"$rule" >"$tmp/places"
    if grep -qv '^note: ' "$tmp/places"; then
        broken=$((broken + 1))
        printf 'FAILED  %-9s %s\n' "$rule" "$what"
    else
        printf 'ok      %-9s %s\n' "$rule" "$what"
    fi
    sed 's/^/        /' "$tmp/places"
done
[ $broken = 0 ]
