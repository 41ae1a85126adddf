/* SPDX-License-Identifier: MIT
 *
 * Nemotron 3: Nemotron H whose feed-forward layers are experts beside a shared one, in a narrower
 * space in some models.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_nemotron_h_moe;
const struct cn_arch cn_arch_nemotron_h_moe = {
    .name = "nemotron_h_moe",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_SSM,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SSM_CONV_B),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .experts = CN_BIT(ROUTER) | CN_BIT(SELECT_B) | CN_BIT(UP_EXPS) | CN_BIT(DOWN_EXPS) |
               CN_BIT(UP_SHARED) | CN_BIT(DOWN_SHARED) | CN_BIT(EXPERTS_DOWN) | CN_BIT(EXPERTS_UP),
    .state_mixer = CN_MIXER_SSM,
    .one_branch = true,
    .parallel = true,
    .activation = CN_RELU_SQUARED,
    .gating = CN_GATING_SIGMOID,
    .shared_width = CN_SHARED_BY_KEY,
    .unrotated = { CN_LAYERS_ALL },
};
