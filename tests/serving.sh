# shellcheck shell=sh
# shellcheck disable=SC2034 # what expect.sh tells of is set here
# For scripts that talk to carnot serve, beside expect.sh: starts it on a free port, asks, ends it.

server="" url="" asked=""
# shellcheck disable=SC2154 # scratch is set by expect.sh
trap '[ "$server" ] && kill -9 $asked $server ${parrot_server:-} 2>/dev/null; rm -rf "$scratch"' EXIT

# Whether this program serves and there is curl.
serving() {
    has_command serve || { echo "SKIPPED: no carnot serve"; return 1; }
    command -v curl >/dev/null 2>&1 || { echo "SKIPPED: no curl"; return 1; }
    "$CARNOT" serve --port 0 -m "$scratch/none" 2>&1 | grep -q libmicrohttpd || return 0
    echo "SKIPPED: built without libmicrohttpd"
    return 1
}

# serve OPTIONS...: sets $server and $url.
serve() {
    ran="carnot serve $*"
    code=0
    : >"$scratch/serve"
    "$CARNOT" serve --port 0 "$@" 2>"$scratch/serve" &
    server=$!
    asked=$server
    listens
}

# serve_under PROGRAM ARGUMENTS... -- OPTIONS...: the same as a child of PROGRAM.
serve_under() {
    ran="carnot serve, as a child: $*"
    code=0
    : >"$scratch/serve"
    above=""
    while [ "$1" != -- ]; do
        above="$above $1"
        shift
    done
    shift
    # shellcheck disable=SC2086
    $above -- "$CARNOT" serve --port 0 "$@" 2>"$scratch/serve" &
    server=$!
    listens
    asked=$(tr -d ' ' <"/proc/$server/task/$server/children")
}

listens() {
    tries=0
    until url=$(sed -n 's/^carnot serve: listening on //p' "$scratch/serve") && [ "$url" ]; do
        tries=$((tries + 1))
        if [ $tries -ge 600 ] || ! kill -0 "$server" 2>/dev/null; then
            cp "$scratch/serve" "$scratch/err"
            fail "it does not listen"
        fi
        sleep 0.05
    done
}

# ends CODE: SIGTERM, and its exit.
ends() {
    ran="the end of carnot serve"
    kill -TERM "$asked"
    code=0
    wait "$server" || code=$?
    server=""
    [ "$code" = "$1" ] || { cp "$scratch/serve" "$scratch/err"; fail "expected exit $1"; }
}

# get STATUS PATH [CURL OPTIONS...], post STATUS PATH BODY [CURL OPTIONS...]: the answer is in $scratch/out.
get() {
    expected=$1
    path=$2
    shift 2
    ran="GET $path $*"
    code=$(curl -sS -m 60 -o "$scratch/out" -w '%{http_code}' "$@" "$url$path" 2>"$scratch/err")
    [ "$code" = "$expected" ] || fail "expected status $expected"
}
post() {
    expected=$1
    path=$2
    printf '%s' "$3" >"$scratch/body"
    shift 3
    ran="POST $path $(head -c 300 "$scratch/body") $*"
    code=$(curl -sS -m 60 -o "$scratch/out" -w '%{http_code}' --data-binary @"$scratch/body" "$@" "$url$path" 2>"$scratch/err")
    [ "$code" = "$expected" ] || fail "expected status $expected"
}

# The first string under a key, as JSON writes it.
value() {
    grep -o "\"$1\": \"\([^\"\\\\]\|\\\\.\)*\"" "$scratch/out" | head -n 1 | sed 's/^"[^"]*": "//; s/"$//'
}
