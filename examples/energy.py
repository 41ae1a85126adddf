#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tokens cost, from Python with ctypes: energy.py MODEL.gguf TEXT [N] decodes N tokens (100) and prints what each
took: bytes of weights and cache read, operations, seconds, and joules where the machine has a counter that can be read
(powercap, below CARNOT_ROOT or /). Without one it says so."""
import ctypes
import glob
import os
import sys
import time
from ctypes import POINTER, byref, c_int32, c_int64, c_size_t, c_void_p

import hello  # the functions of the library, and how they are called

lib = hello.lib


class Work(ctypes.Structure):  # in the order of struct cn_work
    _fields_ = [(name, c_int64) for name in ("bytes", "kv_bytes", "state_bytes", "int8_ops", "float_ops", "unpacked")]


lib.cn_session_work.restype, lib.cn_session_work.argtypes = None, [c_void_p, POINTER(Work)]


class Counter:
    """The joules of all packages, from any beginning on. It wraps around at max_energy_range_uj."""

    def __init__(self):
        root = os.environ.get("CARNOT_ROOT", "")
        zones = glob.glob(root + "/sys/class/powercap/intel-rapl:[0-9]")
        self.zones = [z for z in zones if os.access(z + "/energy_uj", os.R_OK)]

    def read(self):
        return [int(open(z + "/energy_uj").read()) for z in self.zones]

    def since(self, then):
        total = 0
        for zone, now, before in zip(self.zones, self.read(), then):
            whole = int(open(zone + "/max_energy_range_uj").read())
            total += now - before if now >= before else now + whole - before
        return total / 1e6


def main(path, text, n):
    model, session, sampler = c_void_p(), c_void_p(), c_void_p()
    hello.check(lib.cn_model_open(path.encode(), None, byref(model), byref(hello.err)))
    hello.check(lib.cn_session_create(model, None, byref(session), byref(hello.err)))
    greedy = hello.SamplerOptions(top_p=1, repeat_penalty=1)
    hello.check(lib.cn_sampler_create(model, byref(greedy), byref(sampler), byref(hello.err)))
    tokens, n_tokens, data = POINTER(c_int32)(), c_size_t(), text.encode()
    hello.check(lib.cn_tokenize(model, data, len(data), hello.CN_TOKENIZE_BOS, byref(tokens), byref(n_tokens),
                                byref(hello.err)))
    hello.check(lib.cn_session_eval(session, tokens, n_tokens.value, hello.CN_WANT_LAST, byref(hello.err)))
    hello.libc.free(tokens)
    counter, before, after = Counter(), Work(), Work()
    lib.cn_session_work(session, byref(before))
    joules, start = counter.read(), time.monotonic()
    for _ in range(n):
        token = c_int32(lib.cn_sampler_sample(sampler, lib.cn_session_logits(session, 0)))
        hello.check(lib.cn_session_eval(session, byref(token), 1, hello.CN_WANT_LAST, byref(hello.err)))
    seconds = time.monotonic() - start
    spent = f"{counter.since(joules) / n:.6g} J" if counter.zones else "joules unsupported: no counter can be read"
    lib.cn_session_work(session, byref(after))
    operations = after.int8_ops - before.int8_ops + after.float_ops - before.float_ops
    print(f"each of {n} tokens: {(after.bytes - before.bytes) / n:.0f} bytes, {operations / n:.0f} operations, "
          f"{seconds / n * 1e3:.3f} ms, {spent}")
    lib.cn_sampler_free(sampler)
    lib.cn_session_free(session)
    lib.cn_model_close(model)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: energy.py MODEL.gguf TEXT [N]")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 100)
