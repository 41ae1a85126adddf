/* SPDX-License-Identifier: MIT
 *
 * Qwen 2 and 2.5, dense (arXiv 2407.10671).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "qwen2-0.5b", .n_layer = 24, .n_vocab = 151936, .vocab = &cn_vocab_qwen,
      .keys = "context_length=32768 embedding_length=896 feed_forward_length=4864 "
              "attention.head_count=14 attention.head_count_kv=2 rope.dimension_count=64 "
              "rope.freq_base=1e6 attention.layer_norm_rms_epsilon=1e-6" },
    { .name = "qwen2.5-1.5b", .n_layer = 28, .n_vocab = 151936, .vocab = &cn_vocab_qwen,
      .keys = "context_length=32768 embedding_length=1536 feed_forward_length=8960 "
              "attention.head_count=12 attention.head_count_kv=2 rope.dimension_count=128 "
              "rope.freq_base=1e6 attention.layer_norm_rms_epsilon=1e-6" },
    { .name = "qwen2.5-3b", .n_layer = 36, .n_vocab = 151936, .vocab = &cn_vocab_qwen,
      .keys = "context_length=32768 embedding_length=2048 feed_forward_length=11008 "
              "attention.head_count=16 attention.head_count_kv=2 rope.dimension_count=128 "
              "rope.freq_base=1e6 attention.layer_norm_rms_epsilon=1e-6" },
    { .name = "qwen2.5-7b", .n_layer = 28, .n_vocab = 152064, .vocab = &cn_vocab_qwen,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=32768 embedding_length=3584 feed_forward_length=18944 "
              "attention.head_count=28 attention.head_count_kv=4 rope.dimension_count=128 "
              "rope.freq_base=1e6 attention.layer_norm_rms_epsilon=1e-6" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_qwen2;
const struct cn_arch cn_arch_qwen2 = {
    .name = "qwen2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_QKV_BIAS,
    .optional = CN_BIT(OUTPUT) | CN_BIT(OUTPUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .precise_values = CN_VALUES_ALWAYS,
};
