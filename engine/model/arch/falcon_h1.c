/* SPDX-License-Identifier: MIT
 *
 * Falcon H1: attention and a state space (Mamba-2) side by side in every layer (arXiv 2507.22448).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_falcon_h1;
const struct cn_arch cn_arch_falcon_h1 = {
    .name = "falcon-h1",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(BARE_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                (CN_SLOTS_SSM & ~CN_BIT(SSM_NORM)),
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SSM_CONV_B) |
                CN_BIT(SSM_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .state_mixer = CN_MIXER_SSM,
    .state_beside = true,
    .rope_neox = true,
};
