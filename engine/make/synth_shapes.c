/* SPDX-License-Identifier: MIT
 *
 * Hyperparameters as published with the models (their config.json).
 */
#include "engine/make/synth_shapes.h"

/* clang-format off */
static const struct cn_synth_vocab
qwen = { "qwen2", 151643, 151645, false,
    { { 151643, "<|endoftext|>" }, { 151644, "<|im_start|>" }, { 151645, "<|im_end|>" } } },
llama3 = { "llama-bpe", 128000, 128009, true,
    { { 128000, "<|begin_of_text|>" }, { 128001, "<|end_of_text|>" }, { 128009, "<|eot_id|>" } } },
phi2 = { "gpt-2", 50256, 50256, false, { { 50256, "<|endoftext|>" } } },
gemma = { "gpt-2", 2, 1, true,
    { { 0, "<pad>" }, { 1, "<eos>" }, { 2, "<bos>" }, { 107, "<end_of_turn>" } } },
olmo = { "olmo", 50279, 50279, false, { { 1, "<|padding|>" }, { 50279, "<|endoftext|>" } } },
mistral = { "gpt-2", 1, 2, true, { { 0, "<unk>" }, { 1, "<s>" }, { 2, "</s>" } } },
phi3 = { "gpt-2", 1, 32000, false,
    { { 0, "<unk>" }, { 1, "<s>" }, { 2, "</s>" }, { 32000, "<|endoftext|>" }, { 32007, "<|end|>" } } },
smollm = { "smollm", 1, 2, false,
    { { 0, "<|endoftext|>" }, { 1, "<|im_start|>" }, { 2, "<|im_end|>" } } },
granite = { "refact", 0, 0, false, { { 0, "<|end_of_text|>" } } };

const struct cn_synth_shape cn_synth_shapes[] = {
/*                                layers  embd     ff heads kv d_head rot   vocab     ctx      base   eps experts used ff_e  tied   freq */
    { "smollm2-135m",  "llama",       30,  576,  1536,  9,  3,  64,  64,  49152,   8192,   1e5f, 1e-5f,   0, 0,    0, true,   0, &smollm },
    { "qwen2-0.5b",    "qwen2",       24,  896,  4864, 14,  2,  64,  64, 151936,  32768,   1e6f, 1e-6f,   0, 0,    0, true,   0, &qwen },
    { "qwen2.5-1.5b",  "qwen2",       28, 1536,  8960, 12,  2, 128, 128, 151936,  32768,   1e6f, 1e-6f,   0, 0,    0, true,   0, &qwen },
    { "qwen2.5-3b",    "qwen2",       36, 2048, 11008, 16,  2, 128, 128, 151936,  32768,   1e6f, 1e-6f,   0, 0,    0, true,   0, &qwen },
    { "qwen2.5-7b",    "qwen2",       28, 3584, 18944, 28,  4, 128, 128, 152064,  32768,   1e6f, 1e-6f,   0, 0,    0, false,  0, &qwen },
    { "qwen3-0.6b",    "qwen3",       28, 1024,  3072, 16,  8, 128, 128, 151936,  40960,   1e6f, 1e-6f,   0, 0,    0, true,   0, &qwen },
    { "qwen3-30b-a3b", "qwen3moe",    48, 2048,  6144, 32,  4, 128, 128, 151936,  40960,   1e6f, 1e-6f, 128, 8,  768, false,  0, &qwen },
    { "llama-3.2-1b",  "llama",       16, 2048,  8192, 32,  8,  64,  64, 128256, 131072,   5e5f, 1e-5f,   0, 0,    0, true,  32, &llama3 },
    { "llama-3.1-8b",  "llama",       32, 4096, 14336, 32,  8, 128, 128, 128256, 131072,   5e5f, 1e-5f,   0, 0,    0, false,  8, &llama3 },
    { "mixtral-8x7b",  "llama",       32, 4096, 14336, 32,  8, 128, 128,  32000,  32768,   1e6f, 1e-5f,   8, 2,    0, false,  0, &mistral },
    { "olmoe-1b-7b",   "olmoe",       16, 2048,  1024, 16, 16, 128, 128,  50304,   4096,   1e4f, 1e-5f,  64, 8,    0, false,  0, &olmo },
    { "gemma-2-2b",    "gemma2",      26, 2304,  9216,  8,  4, 256, 256, 256000,   8192,   1e4f, 1e-6f,   0, 0,    0, true,   0, &gemma },
    { "gemma-2-9b",    "gemma2",      42, 3584, 14336, 16,  8, 256, 256, 256000,   8192,   1e4f, 1e-6f,   0, 0,    0, true,   0, &gemma },
    { "phi-2",         "phi2",        32, 2560, 10240, 32, 32,  80,  32,  51200,   2048,   1e4f, 1e-5f,   0, 0,    0, false,  0, &phi2 },
    { "phi-3.5-mini",  "phi3",        32, 3072,  8192, 32, 32,  96,  96,  32064, 131072,   1e4f, 1e-5f,   0, 0,    0, false,  0, &phi3 },
    { "granite-3-2b",  "granite",     40, 2048,  8192, 32,  8,  64,  64,  49155,   4096,   1e4f, 1e-5f,   0, 0,    0, true,   0, &granite },
};
/* clang-format on */
const int cn_n_synth_shapes = sizeof cn_synth_shapes / sizeof *cn_synth_shapes;
