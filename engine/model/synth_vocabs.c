/* SPDX-License-Identifier: MIT */
#include "engine/model/synth_vocabs.h"

/* clang-format off */
const struct cn_synth_vocab
cn_vocab_qwen = { "qwen2", 151643, 151645, false, { { 151643, "<|endoftext|>" }, { 151644, "<|im_start|>" }, { 151645, "<|im_end|>" } } },
cn_vocab_llama3 = { "llama-bpe", 128000, 128009, true, { { 128000, "<|begin_of_text|>" }, { 128001, "<|end_of_text|>" }, { 128009, "<|eot_id|>" } } },
cn_vocab_phi2 = { "gpt-2", 50256, 50256, false, { { 50256, "<|endoftext|>" } } },
cn_vocab_gemma = { "gpt-2", 2, 1, true, { { 0, "<pad>" }, { 1, "<eos>" }, { 2, "<bos>" }, { 107, "<end_of_turn>" } } },
cn_vocab_olmo = { "olmo", 50279, 50279, false, { { 1, "<|padding|>" }, { 50279, "<|endoftext|>" } } },
cn_vocab_mistral = { "gpt-2", 1, 2, true, { { 0, "<unk>" }, { 1, "<s>" }, { 2, "</s>" } } },
cn_vocab_phi3 = { "gpt-2", 1, 32000, false, { { 0, "<unk>" }, { 1, "<s>" }, { 2, "</s>" }, { 32000, "<|endoftext|>" }, { 32007, "<|end|>" } } },
cn_vocab_smollm = { "smollm", 1, 2, false, { { 0, "<|endoftext|>" }, { 1, "<|im_start|>" }, { 2, "<|im_end|>" } } },
cn_vocab_granite = { "refact", 0, 0, false, { { 0, "<|end_of_text|>" } } },
cn_vocab_gptoss = { "gpt-4o", 199998, 200002, false, { { 199998, "<|startoftext|>" }, { 199999, "<|endoftext|>" }, { 200002, "<|return|>" }, { 200012, "<|call|>" } } },
cn_vocab_deepseek = { "deepseek-llm", 100000, 100001, true, { { 100000, "<BOS>" }, { 100001, "<EOS>" } } },
cn_vocab_glm = { "glm4", 154822, 154820, false, { { 154820, "<|endoftext|>" }, { 154822, "[gMASK]" }, { 154824, "<sop>" }, { 154827, "<|user|>" } } },
cn_vocab_exaone = { "exaone4", 1, 361, false, { { 0, "[PAD]" }, { 1, "[BOS]" }, { 361, "[|endofturn|]" } } },
cn_vocab_hunyuan = { "hunyuan", 120000, 120020, false, { { 120000, "<BOS>" }, { 120020, "<EOS>" } } },
cn_vocab_cohere = { "command-r", 5, 255001, true, { { 0, "<PAD>" }, { 5, "<BOS_TOKEN>" }, { 255001, "<|END_OF_TURN_TOKEN|>" } } },
cn_vocab_qwen35 = { "qwen35", 248044, 248046, false, { { 248044, "<|endoftext|>" }, { 248045, "<|im_start|>" }, { 248046, "<|im_end|>" } } },
cn_vocab_lfm2 = { "lfm2", 1, 7, true, { { 0, "<|pad|>" }, { 1, "<|startoftext|>" }, { 6, "<|im_start|>" }, { 7, "<|im_end|>" } } },
cn_vocab_granite4 = { "dbrx", 100257, 100257, false, { { 100257, "<|end_of_text|>" }, { 100264, "<|start_of_role|>" }, { 100265, "<|end_of_role|>" } } },
cn_vocab_falcon_h1 = { "falcon-h1", 17, 11, false, { { 0, "<|pad|>" }, { 11, "<|end_of_text|>" }, { 17, "<|begin_of_text|>" } } },
cn_vocab_nemotron = { "pixtral", 1, 12, true, { { 0, "<unk>" }, { 1, "<s>" }, { 2, "</s>" }, { 12, "<SPECIAL_12>" } } };
/* clang-format on */
