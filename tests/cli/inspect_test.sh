#!/bin/sh
# carnot inspect: what it prints, and the validator's verdict on every corrupt file.
set -u
. tests/expect.sh
has_command inspect || exit 77

bad=tests/fixtures/bad

expect 0 "$CARNOT" inspect
no_err
out_has "| architecture "
out_has "| qwen2 "
out_has "memory at context 4096"

expect 0 "$CARNOT" inspect --check --tensors --keys $bad/good.gguf
no_err
out_has "token_embd.weight"
out_has "llama.attention.head_count_kv"
grep -q '^| ok *| yes *|$' "$scratch/out" || fail "not ok"

# One object, not an array of rows.
expect 0 "$CARNOT" inspect -o json --tensors $bad/good.gguf
[ "$(wc -l <"$scratch/out")" = 1 ] || fail "not one line"
for part in '"architecture":' '"tensor_types":' '"Q8_0": 8' '"n_params":' '"bpw":' '"file_type":' \
    '"ok":' '"name": "blk.0.ffn_down.weight"'; do
    out_has "$part"
done
case $(head -c 1 "$scratch/out") in "{") ;; *) fail "not an object" ;; esac

expect 0 "$CARNOT" inspect -o csv --tensors $bad/good.gguf
[ "$(wc -l <"$scratch/out")" = 12 ] || fail "11 tensors and a heading expected"
expect 2 "$CARNOT" inspect -o csv --tensors --keys $bad/good.gguf
one_line_err
expect 2 "$CARNOT" inspect -o yaml $bad/good.gguf
one_line_err
expect 2 "$CARNOT" inspect one.gguf two.gguf
one_line_err
expect 1 "$CARNOT" inspect $bad/no-such.gguf
one_line_err
err_has "no-such.gguf"

# Without --check an inconsistency is a warning.
expect 0 "$CARNOT" inspect $bad/heads-5.gguf
one_line_err
grep -q '^| ok *| no *|$' "$scratch/out" || fail "ok"
expect 1 "$CARNOT" inspect --check -o json $bad/heads-5.gguf
one_line_err
out_has '"ok": false'

# Every corrupt file: the verdict that bad.csv asks for, and one line that names the file.
n=0
tail -n +2 $bad/bad.csv >"$scratch/list"
while IFS= read -r line; do
    file=${line%%,*}
    rest=${line%,*}
    expected=${rest##*,}
    case $expected in
    error)
        expect 1 "$CARNOT" inspect --check "$bad/$file"
        one_line_err
        err_has "$bad/$file: "
        ;;
    load) expect 0 "$CARNOT" inspect --check "$bad/$file" ;;
    *)
        ran="inspect --check $file"
        code=0
        "$CARNOT" inspect --check "$bad/$file" >"$scratch/out" 2>"$scratch/err" || code=$?
        [ "$code" -le 1 ] || fail "neither refused nor accepted"
        ;;
    esac
    n=$((n + 1))
done <"$scratch/list"
[ $n = 150 ] || fail "150 files expected, $n checked"

# What cannot be run says so, sound as it may be; and an importance matrix of the older form is known.
old_matrix() { # 1 entry "ab" of 2 values, 3 calls; 5 chunks; the text's name "t"
    printf '\1\0\0\0\2\0\0\0ab\3\0\0\0\2\0\0\0\0\0\200\77\0\0\0\100\5\0\0\0\1\0\0\0t'
}
old_matrix >"$scratch/old.dat"
expect 0 "$CARNOT" inspect "$scratch/old.dat" --tensors -o csv
out_has "ab,F32"
expect 0 "$CARNOT" inspect "$scratch/old.dat" --keys --check
out_has imatrix
out_has "| chunks "
no_err
head -c 20 "$scratch/old.dat" >"$scratch/short.dat"
expect 1 "$CARNOT" inspect "$scratch/short.dat"
one_line_err
LC_ALL=C sed 's/qwen2/qwenX/g' models/prose-8m-f16.gguf >"$scratch/unknown.gguf"
expect 0 "$CARNOT" inspect "$scratch/unknown.gguf"
one_line_err
err_has "this file cannot be run: "
err_has qwenX
expect 0 "$CARNOT" inspect "$scratch/unknown.gguf" -o json
out_has '"cannot_run": "'
expect 0 "$CARNOT" inspect models/prose-8m-f16.gguf
no_err
