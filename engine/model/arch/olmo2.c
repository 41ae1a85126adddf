/* SPDX-License-Identifier: MIT
 *
 * OLMo 2 and, with a sliding window, OLMo 3 (arXiv 2501.00656).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_olmo2;
const struct cn_arch cn_arch_olmo2 = {
    .name = "olmo2",
    .required = CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_POST_NORMS | CN_BIT(Q_NORM) |
                CN_BIT(K_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .qk_norm = CN_QK_NORM_WHOLE,
    .output_required = true,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 4,
                .key = "attention.sliding_window_pattern"},
    .sliding_rope_unscaled = true,
};
