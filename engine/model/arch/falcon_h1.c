/* SPDX-License-Identifier: MIT
 *
 * Falcon H1: attention and a state space (Mamba-2) side by side in every layer (arXiv 2507.22448).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "falcon-h1-0.5b", .n_layer = 36, .n_vocab = 32784, .vocab = &cn_vocab_falcon_h1,
      .has = CN_BIT(OUTPUT) | CN_BIT(SSM_CONV_B),
      .keys = "context_length=16384 embedding_length=1024 feed_forward_length=2048 "
              "attention.head_count=8 attention.head_count_kv=2 attention.key_length=64 "
              "attention.value_length=64 attention.layer_norm_rms_epsilon=1e-5 "
              "rope.freq_base=1e11 ssm.conv_kernel=4 ssm.inner_size=1536 ssm.state_size=128 "
              "ssm.time_step_rank=24 ssm.group_count=1" },
    { .name = "falcon-h1-1.5b", .n_layer = 24, .n_vocab = 65537, .vocab = &cn_vocab_falcon_h1,
      .has = CN_BIT(OUTPUT) | CN_BIT(SSM_CONV_B),
      .keys = "context_length=16384 embedding_length=2048 feed_forward_length=4096 "
              "attention.head_count=8 attention.head_count_kv=2 attention.key_length=128 "
              "attention.value_length=128 attention.layer_norm_rms_epsilon=1e-5 "
              "rope.freq_base=1e11 ssm.conv_kernel=4 ssm.inner_size=3072 ssm.state_size=256 "
              "ssm.time_step_rank=48 ssm.group_count=1" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_falcon_h1;
const struct cn_arch cn_arch_falcon_h1 = {
    .name = "falcon-h1",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(BARE_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                (CN_SLOTS_SSM & ~CN_BIT(SSM_NORM)),
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SSM_CONV_B) |
                CN_BIT(SSM_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .state_mixer = CN_MIXER_SSM,
    .state_beside = true,
    .rope_neox = true,
};
