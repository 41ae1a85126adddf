/* SPDX-License-Identifier: MIT
 *
 * Llama 1 to 3, Mistral, SmolLM, Mixtral (arXiv 2302.13971, 2407.21783, 2401.04088).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "smollm2-135m", .n_layer = 30, .n_vocab = 49152, .vocab = &cn_vocab_smollm,
      .keys = "context_length=8192 embedding_length=576 feed_forward_length=1536 "
              "attention.head_count=9 attention.head_count_kv=3 rope.dimension_count=64 "
              "rope.freq_base=1e5 attention.layer_norm_rms_epsilon=1e-5" },
    { .name = "llama-3.2-1b", .n_layer = 16, .n_vocab = 128256, .vocab = &cn_vocab_llama3,
      .has = CN_BIT(ROPE_FREQS),
      .rope_factor = 32,
      .keys = "context_length=131072 embedding_length=2048 feed_forward_length=8192 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=64 "
              "rope.freq_base=5e5 attention.layer_norm_rms_epsilon=1e-5" },
    { .name = "llama-3.1-8b", .n_layer = 32, .n_vocab = 128256, .vocab = &cn_vocab_llama3,
      .has = CN_BIT(OUTPUT) | CN_BIT(ROPE_FREQS),
      .rope_factor = 8,
      .keys = "context_length=131072 embedding_length=4096 feed_forward_length=14336 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=128 "
              "rope.freq_base=5e5 attention.layer_norm_rms_epsilon=1e-5" },
    { .name = "mixtral-8x7b", .n_layer = 32, .n_vocab = 32000, .vocab = &cn_vocab_mistral,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=32768 embedding_length=4096 feed_forward_length=14336 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=128 "
              "rope.freq_base=1e6 attention.layer_norm_rms_epsilon=1e-5 expert_count=8 "
              "expert_used_count=2" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_llama;
const struct cn_arch cn_arch_llama = {
    .name = "llama",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(GATE_B) |
                CN_BIT(UP_B) | CN_BIT(DOWN_B) | CN_BIT(ROPE_FREQS) | CN_BIT(ROPE_LONG) |
                CN_BIT(ROPE_SHORT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .normalise_experts = true,
    .longrope = true,
    .precise_values = CN_VALUES_IF_SHARED,
    .layers_of_8b = 32,
};
