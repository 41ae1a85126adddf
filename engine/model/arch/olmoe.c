/* SPDX-License-Identifier: MIT
 *
 * OLMoE (arXiv 2409.02060).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "olmoe-1b-7b", .n_layer = 16, .n_vocab = 50304, .vocab = &cn_vocab_olmo,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=4096 embedding_length=2048 feed_forward_length=1024 "
              "attention.head_count=16 attention.head_count_kv=16 rope.dimension_count=128 "
              "rope.freq_base=1e4 attention.layer_norm_rms_epsilon=1e-5 expert_count=64 "
              "expert_used_count=8" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_olmoe;
const struct cn_arch cn_arch_olmoe = {
    .name = "olmoe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) | CN_BIT(K_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .rope_neox = true,
    .qk_norm = CN_QK_NORM_WHOLE,
    .output_required = true,
};
