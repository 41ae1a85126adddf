#!/bin/sh
# Manual pages made of what --help prints, so that the two cannot differ:
# scripts/man.sh DIR PROGRAM...   writes DIR/carnot.1 and DIR/carnot-COMMAND.1; PROGRAM... starts carnot.
set -eu
[ $# -ge 2 ] || { echo "usage: scripts/man.sh DIR PROGRAM..." >&2; exit 2; }
dir=$1
shift
mkdir -p "$dir"
version=$("$@" --version | head -n 1)
summaries=$("$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z0-9_]*\)  *\(.*\)/\1 \2/p')

page() { # name, summary; the help on stdin
    awk -v name="$1" -v summary="$2" -v version="$version" '
    function escape(s) {
        gsub(/\\/, "\\e", s)
        gsub(/-/, "\\-", s)
        return s ~ /^[.'\'']/ ? "\\&" s : s
    }
    function filled(on) { # lines of running text, or lines as they stand
        if (on != fill)
            print on ? ".fi" : ".nf"
        fill = on
    }
    BEGIN {
        upper = toupper(name)
        printf ".TH %s 1 \"\" \"%s\" \"User Commands\"\n", escape(upper), version
        printf ".SH NAME\n%s \\- %s\n", escape(name), escape(summary)
        fill = 1
    }
    NR == 1 {
        sub(/^Usage: /, "")
        print ".SH SYNOPSIS\n.nf\n" escape($0) "\n.fi\n.SH DESCRIPTION"
        next
    }
    /^[A-Z][a-z]+:$/ {
        filled(1)
        sub(/:$/, "")
        print ".SH " toupper($0)
        list = 1
        next
    }
    list && /^                    / { # the text of an entry goes on
        sub(/^ +/, "")
        print escape($0)
        next
    }
    list && /^ +[^ ]/ {
        sub(/^ +/, "")
        at = match($0, /  +/)
        term = at ? substr($0, 1, at - 1) : $0
        print ".TP\n.B " escape(term)
        if (at)
            print escape(substr($0, at + RLENGTH))
        next
    }
    /^$/ {
        if (list) print ".SH NOTES"
        blank = !list && NR > 2
        list = 0
        next
    }
    {
        if (blank) {
            filled(1)
            print ".PP"
        }
        filled($0 !~ /^  /)
        blank = 0
        print escape($0)
    }
    END {
        filled(1)
        print ".SH SEE ALSO"
        print name == "carnot" ? "\\fBcarnot\\-run\\fR(1) and the pages of the other commands" : "\\fBcarnot\\fR(1)"
    }' | awk ' # a NOTES with nothing in it is none
        held != "" && /^\.SH/ { held = "" }
        held != "" { print held; held = "" }
        $0 == ".SH NOTES" { held = $0; next }
        { print }' >"$dir/$1.1"
}

"$@" --help | page carnot "run language models on a CPU and say what every token costs in joules"
printf '%s\n' "$summaries" | while read -r command summary; do
    "$@" "$command" --help </dev/null | page "carnot-$command" "$summary"
done
