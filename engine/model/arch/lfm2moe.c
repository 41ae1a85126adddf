/* SPDX-License-Identifier: MIT
 *
 * LFM2 with experts after leading dense layers.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_lfm2moe;
const struct cn_arch cn_arch_lfm2moe = {
    .name = "lfm2moe",
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
