#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model that says what it was told to: parrot.py OUT.gguf. Each of its tokens is followed by one other, so that greedy
answers are known: behind <|ask|> it thinks and calls a tool, behind <|tell|> it answers, and behind <|fields|> it calls
with marks that are control tokens, for another template than its own."""
import struct
import sys

CHAINS = [["<|ask|>", "<think>", "I do not know.", "</think>", "Let me ask.", "<tool_call>", "{\"name\": \"weather\", ",
           "\"arguments\": {\"city\": \"Oslo\"}}", "</tool_call>", "</s>"],
          ["<|tell|>", "It is 4 degrees", " in Oslo.", "</s>"],
          ["<|fields|>", "[CALL]", "weather", "[KEY]", "city", "[VALUE]", "Bergen", "[END]", "</s>"]]
TEMPLATE = """{%- for t in tools or [] %}[{{ t.function.name }}]{% endfor -%}
{%- for m in messages %}[{{ m.role }}]{{ (m.content or '').split('</think>')[-1] }}{% for c in m.tool_calls or [] -%}
<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>
{%- endfor %}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|tell|>' if messages[-1].role == 'tool' else '<|ask|>' }}{% endif %}"""
WIDTH = 64
UNKNOWN, CONTROL, USER, BYTE = 2, 3, 4, 6

tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
tokens += [(f"<0x{i:02X}>", BYTE) for i in range(256)]
tokens += [(text, CONTROL if text.startswith("[") else USER) for chain in CHAINS for text in chain if text != "</s>"]
number = {text: i for i, (text, _) in enumerate(tokens)}


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def key(name, kind, data):
    return text(name) + struct.pack("<I", kind) + data


def array(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def floats(rows):
    return b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)


def main(out):
    embedding = [[0.0] * WIDTH for _ in tokens]
    output = [[0.0] * WIDTH for _ in tokens]
    place = 0
    for chain in CHAINS:
        for here, following in zip(chain, chain[1:]):
            embedding[number[here]][place] = 1.0
            output[number[following]][place] = 4.0
            place += 1
    one, zero = [[1.0] * WIDTH], [[0.0] * WIDTH] * WIDTH
    tensors = [("token_embd.weight", embedding), ("output.weight", output), ("output_norm.weight", one)]
    tensors += [(f"blk.0.{name}_norm.weight", one) for name in ("attn", "ffn")]
    tensors += [(f"blk.0.{name}.weight", zero) for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate",
                                                            "ffn_up", "ffn_down")]
    u32 = {"context_length": 512, "embedding_length": WIDTH, "block_count": 1, "feed_forward_length": WIDTH,
           "attention.head_count": 1, "attention.head_count_kv": 1, "rope.dimension_count": WIDTH}
    keys = [key("general.architecture", 8, text("llama")),
            key("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-6))]
    keys += [key("llama." + name, 4, struct.pack("<I", value)) for name, value in u32.items()]
    keys += [key("tokenizer.ggml.model", 8, text("llama")),
             key("tokenizer.ggml.tokens", 9, array(8, [text(t) for t, _ in tokens])),
             key("tokenizer.ggml.scores", 9, array(6, [struct.pack("<f", 0.0)] * len(tokens))),
             key("tokenizer.ggml.token_type", 9, array(5, [struct.pack("<i", k) for _, k in tokens])),
             key("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 1)),
             key("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 2)),
             key("tokenizer.chat_template", 8, text(TEMPLATE))]
    infos, data = b"", b""
    for name, rows in tensors:
        shape = [WIDTH] if len(rows) == 1 else [WIDTH, len(rows)]
        infos += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        infos += struct.pack("<IQ", 0, len(data))
        data += floats(rows)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + infos
    with open(out, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: parrot.py OUT.gguf")
    main(sys.argv[1])
