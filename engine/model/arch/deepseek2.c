/* SPDX-License-Identifier: MIT
 *
 * DeepSeek-V2 and V3, GLM-4.7-Flash and others: latent attention, many small experts beside shared
 * ones (arXiv 2405.04434, 2412.19437).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_deepseek2;
const struct cn_arch cn_arch_deepseek2 = {
    .name = "deepseek2",
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(Q_DOWN) | CN_BIT(Q_DOWN_NORM) | CN_BIT(Q_UP) |
                CN_BIT(KV_DOWN) | CN_BIT(KV_DOWN_NORM) | CN_BIT(K_UP) | CN_BIT(V_UP) |
                CN_BIT(ATTN_OUT),
    .optional =
        CN_BIT(OUTPUT) | CN_BIT(Q) | CN_BIT(KV_UP) | CN_BIT(SELECT_B) | CN_BIT(GATE_UP_EXPS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .mixer = CN_MIXER_LATENT,
    .shared_width = CN_SHARED_AS_EXPERT,
    .yarn_scales_scores = true,
};
