#!/bin/sh
# Completion for bash, made of what --help prints: scripts/completion.sh PROGRAM... > carnot
set -eu
[ $# -ge 1 ] || { echo "usage: scripts/completion.sh PROGRAM..." >&2; exit 2; }
commands=$("$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z0-9_]*\) .*/\1/p')
cat <<END
# Completion of carnot for bash; made by scripts/completion.sh.
_carnot()
{
    local word=\${COMP_WORDS[COMP_CWORD]} options=""
    COMPREPLY=()
    if [ "\$COMP_CWORD" = 1 ]; then
        COMPREPLY=(\$(compgen -W "--help --version $(printf '%s' "$commands" | tr '\n' ' ')" -- "\$word"))
        return
    fi
    case \${COMP_WORDS[1]} in
END
for command in $commands; do
    printf '    %s) options="%s" ;;\n' "$command" "$("$@" "$command" --help </dev/null |
        sed -n '/^Options:/,/^$/p' | grep -oE '^ +(--?[a-z][a-z0-9-]*, )*--?[a-z][a-z0-9-]*' | grep -oE -- '--?[a-z][a-z0-9-]*' |
        tr '\n' ' ' | sed 's/ $//')"
done
cat <<'END'
    esac
    if [ "${word#-}" != "$word" ]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -o filenames -F _carnot carnot
END
