/* SPDX-License-Identifier: MIT
 *
 * Ministral 3: Llama with YaRN, and queries that grow with the position.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "ministral-3-3b", .n_layer = 26, .n_vocab = 131072, .vocab = &cn_vocab_mistral,
      .keys = "context_length=262144 embedding_length=3072 feed_forward_length=9216 "
              "attention.head_count=32 attention.head_count_kv=8 attention.key_length=128 "
              "attention.value_length=128 rope.dimension_count=128 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-5 rope.scaling.type=yarn "
              "rope.scaling.factor=16.0 rope.scaling.original_context_length=16384 "
              "rope.scaling.yarn_log_multiplier=1.0 attention.temperature_scale=0.1" },
    { .name = "ministral-3-8b", .n_layer = 34, .n_vocab = 131072, .vocab = &cn_vocab_mistral,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=262144 embedding_length=4096 feed_forward_length=14336 "
              "attention.head_count=32 attention.head_count_kv=8 attention.key_length=128 "
              "attention.value_length=128 rope.dimension_count=128 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-5 rope.scaling.type=yarn "
              "rope.scaling.factor=16.0 rope.scaling.original_context_length=16384 "
              "rope.scaling.yarn_log_multiplier=1.0 attention.temperature_scale=0.1" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_mistral3;
const struct cn_arch cn_arch_mistral3 = {
    .name = "mistral3",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_SLOTS_FFN_BIAS |
                CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .normalise_experts = true,
};
