/* SPDX-License-Identifier: MIT
 *
 * Mamba-2: layers of nothing but a state space (arXiv 2405.21060).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "mamba2-1.3b", .n_layer = 48, .n_vocab = 50288, .vocab = &cn_vocab_phi2,
      .keys = "context_length=1048576 embedding_length=2048 feed_forward_length=0 "
              "attention.head_count=0 attention.layer_norm_rms_epsilon=1e-5 "
              "ssm.conv_kernel=4 ssm.inner_size=4096 ssm.state_size=128 "
              "ssm.time_step_rank=64 ssm.group_count=1" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_mamba2;
const struct cn_arch cn_arch_mamba2 = {
    .name = "mamba2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SSM | CN_BIT(SSM_CONV_B),
    .optional = CN_BIT(OUTPUT),
    .mixer = CN_MIXER_SSM,
};
