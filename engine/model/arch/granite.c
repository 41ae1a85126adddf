/* SPDX-License-Identifier: MIT
 *
 * Granite 3: Llama with scales on embedding, residual, scores and logits.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "granite-3-2b", .n_layer = 40, .n_vocab = 49155, .vocab = &cn_vocab_granite,
      .keys = "context_length=4096 embedding_length=2048 feed_forward_length=8192 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=64 "
              "rope.freq_base=1e4 attention.layer_norm_rms_epsilon=1e-5 "
              "attention.scale=0.015625 embedding_scale=12.0 residual_scale=0.22 "
              "logit_scale=8.0" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_granite;
const struct cn_arch cn_arch_granite = {
    .name = "granite",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(GATE_B) |
                CN_BIT(UP_B) | CN_BIT(DOWN_B) | CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .scale_keys = true,
};
