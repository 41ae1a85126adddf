#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients at once, some of them bad: soak.py URL PID SECONDS [CLIENTS].

Greedy answers have to be what the same request gets alone; clients hang up at any moment, send what is no request, and
bodies of 64 MB. At the end no lane is busy, and the memory of process PID has not grown since the first quarter."""
import http.client
import json
import random
import socket
import sys
import threading
import time
import urllib.parse

PROMPTS = ["The old man looked at the sea and", "She opened the letter", "It was a dark night when", "The king of the",
           "He went to bed and fell", "In the morning the children"]
LARGE = b'{"prompt": "' + b"a" * (64 << 20) + b'"}'


def connect(at):
    return http.client.HTTPConnection(at.hostname, at.port, timeout=300)


def complete(at, prompt, n):
    connection = connect(at)
    connection.request("POST", "/v1/completions", json.dumps(
        {"prompt": prompt, "max_tokens": n, "temperature": 0, "ignore_eos": True}))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def stream(at, prompt, n, stop_after):
    connection = connect(at)
    connection.request("POST", "/v1/completions", json.dumps(
        {"prompt": prompt, "max_tokens": n, "temperature": 0, "ignore_eos": True, "stream": True}))
    answer = connection.getresponse()
    text = ""
    while answer.status == 200:
        line = answer.readline()
        if not line or line == b"data: [DONE]\n":
            break
        if line.startswith(b"data: "):
            text += json.loads(line[6:])["choices"][0]["text"]
            stop_after -= 1
            if stop_after == 0:
                text = None
                break
    status = answer.status
    connection.close()
    return status, text


def hang_up(at, prompt):
    body = json.dumps({"prompt": prompt, "max_tokens": 200, "ignore_eos": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    data = head + body
    with socket.create_connection((at.hostname, at.port)) as s:
        s.sendall(data[:random.randint(1, len(data))] if random.random() < 0.5 else data)
        time.sleep(random.random() * 0.1)


def garble(at):
    body = random.choice([b"", b"{", b"[]", b'{"prompt": ' + bytes(random.randrange(256) for _ in range(100)),
                          b'{"prompt": [' * 200, b'{"prompt": "a", "n": 99}'])
    connection = connect(at)
    connection.request("POST", random.choice(["/v1/completions", "/v1/chat/completions"]), body)
    status = connection.getresponse().status
    connection.close()
    assert 400 <= status < 500, status


def flood(at):
    connection = connect(at)
    try:
        connection.request("POST", "/v1/completions", LARGE)
        assert connection.getresponse().status == 413
    except (ConnectionError, BrokenPipeError):
        pass  # it did not read on, which is what it should do
    connection.close()


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def main(url, pid, seconds, n_clients):
    at = urllib.parse.urlparse(url)
    alone = {}
    for prompt in PROMPTS:
        status, body = complete(at, prompt, 40)
        assert status == 200, body
        alone[prompt] = json.loads(body)["choices"][0]["text"]
    end = time.time() + seconds
    counts, wrong, lock = {}, [], threading.Lock()

    def count(what):
        with lock:
            counts[what] = counts.get(what, 0) + 1

    def client():
        while time.time() < end and not wrong:
            prompt, dice = random.choice(PROMPTS), random.random()
            n = random.randint(1, 40)
            try:
                if dice < 0.4:
                    status, body = complete(at, prompt, n)
                    if status == 200 and not alone[prompt].startswith(json.loads(body)["choices"][0]["text"]):
                        wrong.append((prompt, n, body))
                    count(f"whole {status}")
                elif dice < 0.7:
                    status, text = stream(at, prompt, n, random.choice([0, 0, 3]))
                    if text is not None and status == 200 and not alone[prompt].startswith(text):
                        wrong.append((prompt, n, text))
                    count(f"stream {status}" + ("" if text is not None else " left"))
                elif dice < 0.85:
                    hang_up(at, prompt)
                    count("hung up")
                elif dice < 0.98:
                    garble(at)
                    count("garbled")
                else:
                    flood(at)
                    count("64 MB")
            except Exception as error:  # noqa: BLE001: whatever it is, it ends the run
                wrong.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(n_clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 4)
    early = memory(pid)
    for thread in threads:
        thread.join()
    time.sleep(1)
    late = memory(pid)
    connection = connect(at)
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read().decode()
    print(" ".join(f"{k}: {v}," for k, v in sorted(counts.items())), f"memory {early} then {late} KiB")
    assert not wrong, wrong[0]
    assert 'carnot_lanes{state="busy"} 0\n' in metrics and "carnot_waiting 0\n" in metrics, metrics
    assert late < early * 1.1 + 8192, "memory grows"
    print("all is well")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: soak.py URL PID SECONDS [CLIENTS]")
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 16)
