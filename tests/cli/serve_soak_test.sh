#!/bin/sh
# carnot serve: sixteen clients at once, some of them bad, for some seconds (SERVE_SOAK_S: longer).
set -u
. tests/expect.sh
. tests/serving.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
command -v python3 >/dev/null 2>&1 || { echo "SKIPPED: no python3"; exit 77; }
serving || exit 77
serve -m "$model" --meter none -t 1 --sleep --lanes 8 --queue 64
expect 0 python3 tests/clients/soak.py "$url" "$server" "${SERVE_SOAK_S:-4}"
out_has "all is well"
head -n 1 "$scratch/out"
ends 0
