/* SPDX-License-Identifier: MIT
 *
 * Phi-3 and 3.5: fused projections, sliding window, longrope (arXiv 2404.14219).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "phi-3.5-mini", .n_layer = 32, .n_vocab = 32064, .vocab = &cn_vocab_phi3,
      .has = CN_BIT(ROPE_LONG) | CN_BIT(ROPE_SHORT) | CN_BIT(OUTPUT),
      .keys = "context_length=131072 embedding_length=3072 feed_forward_length=8192 "
              "attention.head_count=32 attention.head_count_kv=32 rope.dimension_count=96 "
              "rope.freq_base=1e4 attention.layer_norm_rms_epsilon=1e-5 "
              "rope.scaling.original_context_length=4096 rope.scaling.attn_factor=1.190238" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_phi3;
const struct cn_arch cn_arch_phi3 = {
    .name = "phi3",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(QKV) | CN_BIT(ATTN_OUT),
    .optional = CN_BIT(OUTPUT) | CN_BIT(ROPE_LONG) | CN_BIT(ROPE_SHORT),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .rope_neox = true,
    .fused_gate_up = true,
    .longrope = true,
    .sliding = { .which = CN_LAYERS_ALL },
};
