/* SPDX-License-Identifier: MIT
 *
 * Qwen 3, mixtures of experts (arXiv 2505.09388).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "qwen3-30b-a3b", .n_layer = 48, .n_vocab = 151936, .vocab = &cn_vocab_qwen,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=40960 embedding_length=2048 feed_forward_length=6144 "
              "attention.head_count=32 attention.head_count_kv=4 attention.key_length=128 "
              "attention.value_length=128 rope.dimension_count=128 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-6 expert_count=128 expert_used_count=8 "
              "expert_feed_forward_length=768" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_qwen3moe;
const struct cn_arch cn_arch_qwen3moe = {
    .name = "qwen3moe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) | CN_BIT(K_NORM),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .rope_neox = true,
    .normalise_experts = true,
};
