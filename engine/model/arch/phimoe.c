/* SPDX-License-Identifier: MIT
 *
 * Phi-3.5-MoE: norms with biases, longrope.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "phi-3.5-moe", .n_layer = 32, .n_vocab = 32064, .vocab = &cn_vocab_phi3,
      .has = CN_BIT(OUTPUT) | CN_BIT(ROPE_LONG) | CN_BIT(ROPE_SHORT) | CN_BIT(Q_B) | CN_BIT(K_B) | CN_BIT(V_B),
      .keys = "context_length=131072 embedding_length=4096 feed_forward_length=6400 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=128 "
              "rope.freq_base=10000.0 attention.layer_norm_rms_epsilon=1e-5 "
              "attention.sliding_window=131072 rope.scaling.original_context_length=4096 "
              "rope.scaling.attn_factor=1.190238 expert_count=16 expert_used_count=2" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_phimoe;
const struct cn_arch cn_arch_phimoe = {
    .name = "phimoe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(ATTN_NORM_B) | CN_BIT(FFN_NORM_B) |
                CN_BIT(OUTPUT_NORM_B) | CN_BIT(OUTPUT_B) | CN_SLOTS_SPLIT_QKV | CN_BIT(ATTN_OUT_B),
    .optional = CN_BIT(QKV) | CN_BIT(QKV_B) | CN_SLOTS_QKV_BIAS | CN_SLOTS_LONGROPE,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .normalise_experts = true,
    .rope_neox = true,
    .output_required = true,
    .longrope = true,
    .sliding = { .which = CN_LAYERS_ALL },
};
