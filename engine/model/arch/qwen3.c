/* SPDX-License-Identifier: MIT
 *
 * Qwen 3, dense (arXiv 2505.09388).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "qwen3-0.6b", .n_layer = 28, .n_vocab = 151936, .vocab = &cn_vocab_qwen,
      .keys = "context_length=40960 embedding_length=1024 feed_forward_length=3072 "
              "attention.head_count=16 attention.head_count_kv=8 attention.key_length=128 "
              "attention.value_length=128 rope.dimension_count=128 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-6" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_qwen3;
const struct cn_arch cn_arch_qwen3 = {
    .name = "qwen3",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) | CN_BIT(K_NORM),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
};
