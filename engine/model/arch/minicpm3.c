/* SPDX-License-Identifier: MIT
 *
 * MiniCPM3: latent attention with one matrix for keys and values, constants on embedding, branches
 * and output (arXiv 2404.06395).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_minicpm3;
const struct cn_arch cn_arch_minicpm3 = {
    .name = "minicpm3",
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(Q_DOWN) | CN_BIT(Q_DOWN_NORM) | CN_BIT(Q_UP) |
                CN_BIT(KV_DOWN) | CN_BIT(KV_DOWN_NORM) | CN_BIT(KV_UP) | CN_BIT(ATTN_OUT),
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_LONGROPE,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .mixer = CN_MIXER_LATENT,
    .rope_neox = true,
    .longrope = true,
    .embedding_scale = 12,
    .residual_depth_scale = 1.4f,
    .output_width_scale = 256,
};
