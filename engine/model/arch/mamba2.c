/* SPDX-License-Identifier: MIT
 *
 * Mamba-2: layers of nothing but a state space (arXiv 2405.21060).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_mamba2;
const struct cn_arch cn_arch_mamba2 = {
    .name = "mamba2",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SSM | CN_BIT(SSM_CONV_B),
    .optional = CN_BIT(OUTPUT),
    .mixer = CN_MIXER_SSM,
};
