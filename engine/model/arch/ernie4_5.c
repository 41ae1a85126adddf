/* SPDX-License-Identifier: MIT
 *
 * ERNIE 4.5, dense.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_ernie4_5;
const struct cn_arch cn_arch_ernie4_5 = {
    .name = "ernie4_5",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
};
