/* SPDX-License-Identifier: MIT
 *
 * LFM2 with experts after leading dense layers.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "lfm2-8b-a1b", .n_layer = 24, .n_vocab = 65536, .vocab = &cn_vocab_lfm2,
      .keys = "context_length=128000 embedding_length=2048 feed_forward_length=7168 "
              "attention.head_count=32 "
              "attention.head_count_kv=[0,0,8,0,0,0,8,0,0,0,8,0,0,0,8,0,0,0,8,0,0,8,0,0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.freq_base=1e6 shortconv.l_cache=3 "
              "leading_dense_block_count=2 expert_count=32 expert_used_count=4 "
              "expert_feed_forward_length=1792 expert_gating_func=2" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_lfm2moe;
const struct cn_arch cn_arch_lfm2moe = {
    .name = "lfm2moe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(FFN_NORM) | CN_BIT(EMBD_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QK_NORM | CN_SLOTS_OF_CONV,
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_BIT(SELECT_B),
    .state_mixer = CN_MIXER_CONV,
    .gating = CN_GATING_SIGMOID,
    .shared_width = CN_SHARED_BY_KEY,
    .normalise_experts = true,
    .rope_neox = true,
};
