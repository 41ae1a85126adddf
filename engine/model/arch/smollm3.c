/* SPDX-License-Identifier: MIT
 *
 * SmolLM3: Llama with every fourth layer without positions.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "smollm3-3b", .n_layer = 36, .n_vocab = 128256, .vocab = &cn_vocab_llama3,
      .keys = "context_length=65536 embedding_length=2048 feed_forward_length=11008 "
              "attention.head_count=16 attention.head_count_kv=4 rope.dimension_count=128 "
              "rope.freq_base=5e6 attention.layer_norm_rms_epsilon=1e-6" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_smollm3;
const struct cn_arch cn_arch_smollm3 = {
    .name = "smollm3",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_SLOTS_FFN_BIAS,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .unrotated = {.which = CN_LAYERS_EVERY, .period = 4},
};
