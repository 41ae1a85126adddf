#!/bin/sh
# carnot score: the three kinds of task, tables, wrong use and wrong files.
set -u
. tests/expect.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
data=$scratch/data

# A language model prefers what is a sentence.
cat >"$data" <<END
The old man took off his hat and
1
the of the of a an it it he. 
sat down in the chair.
of hat hat hat hat hat.
and and and and, but or.
She opened the letter and began to
0
read it aloud.
on on on on.
hundred of the is was.
the the the the the the.
END
expect 0 "$CARNOT" score -m "$model" --task hellaswag -f "$data" -t 1 -o json
out_has '"task": "hellaswag", "tasks": 2, "correct": 2, "accuracy": 1'
out_has '"accuracy_hi": 1'
out_has '"chance": 0.25'
no_err
expect 0 "$CARNOT" score -m "$model" -m "$model" --task hellaswag -f "$data" -t 1 --tasks 1 -o csv
[ "$(grep -c ',hellaswag,1,1,1,' "$scratch/out")" = 2 ] || fail "not one row for each model"
expect 0 "$CARNOT" score -m "$model" --task hellaswag -f "$data" -t 1 --answers -o csv
out_has "$model,1,true,1,1,1,sat down in the chair."

cat >"$data" <<END
{"question": "The king and the", "choices": ["queen", "of", "is"], "answer": 0}
{"question": "He went to bed and fell", "choices": ["table", "asleep"], "answer": 0, "id": 7}
END
expect 0 "$CARNOT" score -m "$model" --task choice -f "$data" -t 1 -o json
out_has '"tasks": 2, "correct": 1, "accuracy": 0.5'
out_has '"chance": 0.41666666666666'
expect 0 "$CARNOT" score -m "$model" --task choice -f - -t 1 <"$data"
out_has "| choice |"

# What the model says to the end of a line is what it must say again, with or without examples.
"$CARNOT" run -m "$model" -p "He opened the door and" -n 4 -t 1 --temp 0 >"$scratch/said" 2>/dev/null
answer=$(head -n 1 "$scratch/said" | sed 's/^He opened the door and//; s/^ *//; s/ *$//')
printf '{"prompt": "He opened the door and", "answer": "%s"}\n' "$answer" >"$data"
expect 0 "$CARNOT" score -m "$model" --task generate -f "$data" -n 4 -t 1 -o json
out_has '"task": "generate", "tasks": 1, "correct": 1, "accuracy": 1'
out_has '"accuracy_raw": null'
printf 'He opened the door' >"$scratch/prefix"
printf '{"prompt": " and", "answer": "%s"}\n' "$answer" >"$data"
expect 0 "$CARNOT" score -m "$model" --task generate -f "$data" -n 4 -t 1 --prefix "$scratch/prefix" -o json
out_has '"correct": 1'
expect 0 "$CARNOT" score -m "$model" --task generate -f "$data" -n 4 -t 1 --prefix "$scratch/prefix" \
    --regex 'nothing like (it)' --answers -o csv
out_has "$model,1,false,$answer,\"\","

# Wrong use.
expect 2 "$CARNOT" score -m "$model" -f "$data"
expect 2 "$CARNOT" score -m "$model" --task mmlu -f "$data"
err_has "hellaswag, choice or generate expected, 'mmlu' given"
expect 2 "$CARNOT" score -m "$model" --task choice
expect 2 "$CARNOT" score -m "$model" --task choice -f "$data" --regex x
expect 2 "$CARNOT" score -m "$model" --task choice -f "$data" --tasks 0
expect 2 "$CARNOT" score -m "$model" --task generate -f "$data" --regex '('
one_line_err
expect 2 "$CARNOT" score -m "$model" --task generate -f "$data" --stop ''
one_line_err

# Wrong files: one line that names the place.
broken() { # kind, text, what the line has
    printf '%b' "$2" >"$data"
    expect 1 "$CARNOT" score -m "$model" --task "$1" -f "$data"
    no_out
    one_line_err
    err_has "$data"
    err_has "$3"
}
broken hellaswag 'a\n0\nb\nc\nd\n' 'line 6: an ending expected'
broken hellaswag 'a\nx\nb\nc\nd\ne\n' 'line 2: the number'
broken choice '{"question": "q", "choices": ["a", "b"]}' 'no "answer"'
broken choice '{"question": "q", "choices": ["a", "b"], "answer": 3}' '0 to 1'
broken choice '\n{"question"' 'line 2'
broken generate '{"prompt": 1, "answer": ""}' '"prompt": a string expected'
broken generate '' 'no tasks'
