/* SPDX-License-Identifier: MIT
 *
 * LFM2: gated short convolutions, attention in every few layers (arXiv 2511.23404).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

extern const struct cn_arch cn_arch_lfm2;
const struct cn_arch cn_arch_lfm2 = {
    .name = "lfm2",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(FFN_NORM) | CN_BIT(EMBD_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QK_NORM | CN_SLOTS_OF_CONV,
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .state_mixer = CN_MIXER_CONV,
    .rope_neox = true,
    .sliding = { CN_LAYERS_ALL },
};
