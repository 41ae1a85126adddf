/* SPDX-License-Identifier: MIT
 *
 * ERNIE 4.5, dense.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "ernie-4.5-0.3b", .n_layer = 18, .n_vocab = 103424, .vocab = &cn_vocab_mistral,
      .keys = "context_length=131072 embedding_length=1024 feed_forward_length=3072 "
              "attention.head_count=16 attention.head_count_kv=2 attention.key_length=128 "
              "attention.value_length=128 rope.dimension_count=128 rope.freq_base=500000.0 "
              "attention.layer_norm_rms_epsilon=1e-5" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_ernie4_5;
const struct cn_arch cn_arch_ernie4_5 = {
    .name = "ernie4_5",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
};
