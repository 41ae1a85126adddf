/* SPDX-License-Identifier: MIT
 *
 * ERNIE 4.5, mixtures of experts after leading dense layers.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "ernie-4.5-21b-a3b", .n_layer = 28, .n_vocab = 103424, .vocab = &cn_vocab_mistral,
      .has = CN_BIT(SELECT_B),
      .keys = "context_length=131072 embedding_length=2560 feed_forward_length=12288 "
              "attention.head_count=20 attention.head_count_kv=4 rope.dimension_count=128 "
              "rope.freq_base=500000.0 attention.layer_norm_rms_epsilon=1e-5 "
              "leading_dense_block_count=1 interleave_moe_layer_step=1 expert_count=64 "
              "expert_used_count=6 expert_feed_forward_length=1536 "
              "expert_shared_feed_forward_length=3072" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_ernie4_5_moe;
const struct cn_arch cn_arch_ernie4_5_moe = {
    .name = "ernie4_5-moe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SELECT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .shared_width = CN_SHARED_BY_KEY,
    .normalise_experts = true,
    .expert_layers = {.which = CN_LAYERS_EVERY, .period = 1, .key = "interleave_moe_layer_step"},
};
