#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library from Python, with ctypes: hello.py MODEL.gguf TEXT continues the text by 20 tokens. libcarnot.so is looked
for where make install puts it, and in LD_LIBRARY_PATH."""
import ctypes
import sys
from ctypes import POINTER, byref, c_bool, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint, c_void_p

CN_TOKENIZE_BOS = 1
CN_WANT_LAST = 1


class Error(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char * 512)]


class SamplerOptions(ctypes.Structure):  # in the order of struct cn_sampler_options
    _fields_ = [
        ("temperature", c_float), ("top_k", c_int32), ("top_p", c_float), ("min_p", c_float),
        ("repeat_penalty", c_float), ("repeat_last_n", c_int32), ("seed", ctypes.c_uint64),
        ("ignore_eos", c_bool), ("bias", c_void_p), ("n_bias", c_size_t),
    ]


try:
    lib = ctypes.CDLL("libcarnot.so.0.2")
except OSError as error:
    sys.exit(f"{error}; make install puts it there (then run ldconfig), LD_LIBRARY_PATH=PREFIX/lib names another place")
libc = ctypes.CDLL(None)
libc.free.argtypes = [c_void_p]
ERR = POINTER(Error)
for name, result, arguments in [
    ("cn_model_open", c_int, [c_char_p, c_void_p, POINTER(c_void_p), ERR]),
    ("cn_model_close", None, [c_void_p]),
    ("cn_session_create", c_int, [c_void_p, c_void_p, POINTER(c_void_p), ERR]),
    ("cn_session_free", None, [c_void_p]),
    ("cn_session_eval", c_int, [c_void_p, POINTER(c_int32), c_int32, c_int, ERR]),
    ("cn_session_logits", c_void_p, [c_void_p, c_int32]),
    ("cn_sampler_create", c_int, [c_void_p, POINTER(SamplerOptions), POINTER(c_void_p), ERR]),
    ("cn_sampler_free", None, [c_void_p]),
    ("cn_sampler_sample", c_int32, [c_void_p, c_void_p]),
    ("cn_tokenize", c_int, [c_void_p, c_char_p, c_size_t, c_uint, POINTER(POINTER(c_int32)),
                            POINTER(c_size_t), ERR]),
    ("cn_token_bytes", c_void_p, [c_void_p, c_int32, c_bool, POINTER(c_size_t)]),
    ("cn_token_is_end", c_bool, [c_void_p, c_int32]),
]:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments

err = Error()


def check(status):
    if status:
        sys.exit(err.text.decode(errors="replace"))


def main(path, text):
    model, session, sampler = c_void_p(), c_void_p(), c_void_p()
    check(lib.cn_model_open(path.encode(), None, byref(model), byref(err)))
    check(lib.cn_session_create(model, None, byref(session), byref(err)))
    greedy = SamplerOptions(top_p=1, repeat_penalty=1)
    check(lib.cn_sampler_create(model, byref(greedy), byref(sampler), byref(err)))
    tokens, n = POINTER(c_int32)(), c_size_t()
    data = text.encode()
    check(lib.cn_tokenize(model, data, len(data), CN_TOKENIZE_BOS, byref(tokens), byref(n), byref(err)))
    check(lib.cn_session_eval(session, tokens, n.value, CN_WANT_LAST, byref(err)))
    libc.free(tokens)
    for _ in range(20):
        token = c_int32(lib.cn_sampler_sample(sampler, lib.cn_session_logits(session, 0)))
        if lib.cn_token_is_end(model, token):
            break
        n_bytes = c_size_t()
        at = lib.cn_token_bytes(model, token, False, byref(n_bytes))
        sys.stdout.buffer.write(ctypes.string_at(at, n_bytes.value))
        check(lib.cn_session_eval(session, byref(token), 1, CN_WANT_LAST, byref(err)))
    sys.stdout.buffer.write(b"\n")
    lib.cn_sampler_free(sampler)
    lib.cn_session_free(session)
    lib.cn_model_close(model)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: hello.py MODEL.gguf TEXT")
    main(*sys.argv[1:])
