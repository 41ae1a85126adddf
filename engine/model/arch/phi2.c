/* SPDX-License-Identifier: MIT
 *
 * Phi-1 and Phi-2: parallel branches, LayerNorm, biases everywhere, partial rotation.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "phi-2", .n_layer = 32, .n_vocab = 51200, .vocab = &cn_vocab_phi2,
      .has = CN_BIT(OUTPUT) | CN_BIT(QKV_B),
      .keys = "context_length=2048 embedding_length=2560 feed_forward_length=10240 "
              "attention.head_count=32 attention.head_count_kv=32 rope.dimension_count=32 "
              "rope.freq_base=1e4 attention.layer_norm_epsilon=1e-5" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_phi2;
const struct cn_arch cn_arch_phi2 = {
    .name = "phi2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(OUTPUT_NORM) | CN_BIT(OUTPUT_NORM_B) | CN_BIT(OUTPUT_B) | CN_BIT(ATTN_NORM) |
                CN_BIT(ATTN_NORM_B) | CN_BIT(QKV) | CN_BIT(ATTN_OUT) | CN_BIT(ATTN_OUT_B),
    .optional = CN_BIT(QKV_B) | CN_BIT(Q) | CN_BIT(K) | CN_BIT(V) | CN_SLOTS_QKV_BIAS,
    .dense_ffn = CN_BIT(UP) | CN_BIT(UP_B) | CN_BIT(DOWN) | CN_BIT(DOWN_B),
    .layer_norm = true,
    .parallel = true,
    .rope_neox = true,
    .activation = CN_GELU,
    .output_required = true,
};
