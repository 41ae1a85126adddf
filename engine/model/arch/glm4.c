/* SPDX-License-Identifier: MIT
 *
 * GLM-4: norms before and after each branch, partial rotation, gate and up in one.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_glm4;
const struct cn_arch cn_arch_glm4 = {
    .name = "glm4",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(QKV) | CN_BIT(QKV_B),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .fused_gate_up = true,
};
