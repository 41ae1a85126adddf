#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tasks of HellaSwag as an evaluation harness asks them over HTTP: lm_eval.py URL DATA N [PER_REQUEST].

The likelihood of each ending by "echo" and "logprobs", nothing generated. Prints a line a task: its line in DATA, the
chosen ending by mean and by sum: the columns line, got and got_raw of `carnot score --answers`."""
import json
import sys
import urllib.request


def tasks(path, n):
    lines = open(path, encoding="utf-8").read().split("\n")
    for i in range(0, 6 * n, 6):
        yield i + 1, lines[i], lines[i + 2:i + 6]


def ask(url, prompts):
    body = {"prompt": prompts, "max_tokens": 0, "echo": True, "logprobs": 1, "temperature": 0}
    request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        choices = json.load(answer)["choices"]
    return [choice["logprobs"] for choice in sorted(choices, key=lambda c: c["index"])]


def common(lists):
    """Tokens that all endings share, one less than the shortest has at the most."""
    n = min(len(x) for x in lists) - 1
    for i in range(n):
        if any(x[i] != lists[0][i] for x in lists):
            return i
    return n


def main(url, data, n, per_request):
    waiting = []
    for line, context, endings in tasks(data, n):
        waiting.append((line, [context + " " + e for e in endings]))
        if len(waiting) == per_request:
            judge(url, waiting)
            waiting = []
    if waiting:
        judge(url, waiting)


def judge(url, waiting):
    answers = ask(url, [text for _, texts in waiting for text in texts])
    for i, (line, _) in enumerate(waiting):
        of_task = answers[4 * i:4 * i + 4]
        first = common([a["tokens"] for a in of_task])
        sums = [sum(a["token_logprobs"][first:]) for a in of_task]
        means = [s / (len(a["tokens"]) - first) for s, a in zip(sums, of_task)]
        print(f"{line},{means.index(max(means))},{sums.index(max(sums))}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: lm_eval.py URL DATA N [PER_REQUEST]")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 4)
