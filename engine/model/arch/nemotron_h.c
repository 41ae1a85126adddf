/* SPDX-License-Identifier: MIT
 *
 * Nemotron H: layers of a single branch, a state space (Mamba-2), attention without positions or a
 * feed-forward part without a gate (arXiv 2504.03624).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_nemotron_h;
const struct cn_arch cn_arch_nemotron_h = {
    .name = "nemotron_h",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_SSM,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(UP_B) |
                CN_BIT(DOWN_B) | CN_BIT(SSM_CONV_B),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .state_mixer = CN_MIXER_SSM,
    .one_branch = true,
    .parallel = true,
    .activation = CN_RELU_SQUARED,
    .unrotated = { CN_LAYERS_ALL },
};
