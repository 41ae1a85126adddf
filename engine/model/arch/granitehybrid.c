/* SPDX-License-Identifier: MIT
 *
 * Granite 4 H: Granite with a state space (Mamba-2) in most layers and attention, often without
 * positions, in the others.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_granitehybrid;
const struct cn_arch cn_arch_granitehybrid = {
    .name = "granitehybrid",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_SSM,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_SLOTS_FFN_BIAS |
                CN_BIT(SSM_CONV_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .state_mixer = CN_MIXER_SSM,
    .shared_width = CN_SHARED_BY_KEY,
    .normalise_experts = true,
    .scale_keys = true,
    .rotation_key = "rope.scaling.finetuned",
};
