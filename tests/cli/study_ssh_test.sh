#!/bin/sh
# carnot study on ssh:HOST: a server of its own on 127.0.0.1, with keys made for it.
set -u
. tests/expect.sh
has_command study || exit 77
"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && { echo "SKIPPED: built without SQLite"; exit 77; }
PATH=$PATH:/usr/sbin
sshd=$(command -v sshd) || { echo "SKIPPED: no sshd (apt-get install openssh-server)"; exit 77; }
model=$PWD/tests/fixtures/arch/llama-f32.gguf
binary=$(readlink -f "$CARNOT")
cd "$scratch" || exit 1

# sshd started by root wants this folder, which Debian's service makes.
made=""
[ "$(id -u)" != 0 ] || [ -d /run/sshd ] || { mkdir -m 755 /run/sshd && made=/run/sshd; }
pid=""
stop() { # the server, and the connection that is kept open
    # shellcheck disable=SC2086
    [ -z "$pid" ] || ssh $CARNOT_SSH_OPTIONS -q -oControlPath=run/carnot-%C -O exit "$(id -un)@127.0.0.1"
    [ -z "$pid" ] || { kill "$pid" && wait "$pid"; }
    pid=""
}
end() {
    stop 2>/dev/null
    [ -z "$made" ] || rmdir "$made"
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 130' INT TERM

ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
# The home of its own keeps the user's shell files, and what a study leaves there, out of the test.
mkdir home
start() { # port
    cat >sshd.conf <<END
Port $1
ListenAddress 127.0.0.1
HostKey $scratch/host
AuthorizedKeysFile $scratch/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME=$scratch/home
END
    : >sshd.log
    "$sshd" -D -f sshd.conf -E sshd.log &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        grep -q "Server listening" sshd.log && return
        sleep 0.05
    done
    pid=""
    false
}
port=$((20000 + $$ % 20000))
tries=0
until start $port; do
    grep -q "in use" sshd.log || { sed 's/^/sshd: /' sshd.log; echo "SKIPPED: sshd does not start"; exit 77; }
    tries=$((tries + 1)) port=$((port + 7))
    [ $tries -lt 20 ] || fail "no free port"
done
echo "[127.0.0.1]:$port $(cat host.pub)" >known
CARNOT_SSH_OPTIONS="-F none -oPort=$port -oIdentityFile=$scratch/user -oIdentitiesOnly=yes -oUserKnownHostsFile=$scratch/known"
export CARNOT_SSH_OPTIONS
unset XDG_CACHE_HOME CARNOT_SSH_FOLDER
mkdir -m 700 run
export XDG_RUNTIME_DIR="$scratch/run"
target=ssh:$(id -un)@127.0.0.1

cat >tiny.plan <<END
name tiny
seed 3
repetitions 2
warmup 0
file tiny A $model
threads 1 2
ids p 5 9 3 7
output 4
meter none
idle 0
limits none
checks off
END
runs() { # DB: what does not depend on time
    "$CARNOT" study export "$1" --table runs -o jsonl >export.jsonl || return 1
    sed -E 's/.*"run": ([0-9]+), "block": ([0-9]+), .*"status": "([a-z]+)".*"response_ids": ("[^"]*").*/\1 \2 \3 \4/' export.jsonl
}

# The same program gives the same tokens here and there.
expect 0 "$CARNOT" study run tiny.plan --db here.db
expect 0 "$CARNOT" study run tiny.plan --db there.db --target "$target" --device-binary "$binary"
err_has "copying $model"
runs here.db >here.rows
runs there.db >there.rows
[ "$(grep -c ' done "' there.rows)" = 4 ] || fail "4 runs done expected"
cmp -s here.rows there.rows || fail "the runs differ: $(diff here.rows there.rows)"
expect 0 "$CARNOT" study export there.db --table devices -o jsonl
out_has "\"target\": \"$target\""
[ -e "home/.cache/carnot/carnot-$(sha256sum "$model" | cut -c1-16)/llama-f32.gguf" ] || fail "the model is not where it belongs"
ls home/.cache/carnot/carnot-jobs-*/*run-* 2>/dev/null && fail "a job was left there"

# What is there already is not copied again. A server that is not there is told, and the study goes on later.
stop 2>/dev/null
expect 1 "$CARNOT" study run tiny.plan --db again.db --target "$target" --device-binary "$binary"
one_line_err
err_has "cannot connect: "
start $port || fail "sshd does not start again"
expect 0 "$CARNOT" study run --db again.db --target "$target" --device-binary "$binary"
runs again.db | cmp -s - here.rows || fail "the runs differ after the server came back"
grep -q "copying" "$scratch/err" && fail "copied once more"

# A key that is not let in; names that are no hosts.
stop 2>/dev/null
start $port || fail "sshd does not start again"
sed -i 's/^/#/' user.pub
expect 1 "$CARNOT" study run tiny.plan --db locked.db --target "$target"
one_line_err
err_has "Permission denied"
# shellcheck disable=SC2016
for bad in "ssh:" "ssh:-oProxyCommand=touch x" 'ssh:a$(touch x)' "ssh:a b"; do
    expect 1 "$CARNOT" study run tiny.plan --db locked.db --target "$bad"
    one_line_err
    err_has "target ssh: "
done
[ ! -e x ] || fail "the name of a host was run"
