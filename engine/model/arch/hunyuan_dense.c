/* SPDX-License-Identifier: MIT
 *
 * Hunyuan, dense: norms of queries and keys after the rotation.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "hunyuan-1.8b", .n_layer = 32, .n_vocab = 120818, .vocab = &cn_vocab_hunyuan,
      .keys = "context_length=262144 embedding_length=2048 feed_forward_length=6144 "
              "attention.head_count=16 attention.head_count_kv=4 rope.dimension_count=128 "
              "rope.freq_base=11158840.0 attention.layer_norm_rms_epsilon=1e-5" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_hunyuan_dense;
const struct cn_arch cn_arch_hunyuan_dense = {
    .name = "hunyuan-dense",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_QK_NORM,
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .qk_norm_after_rope = true,
};
