/* SPDX-License-Identifier: MIT
 *
 * Gemma 3: as Gemma 2 with Q/K norms, five sliding layers to one global (arXiv 2503.19786).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_gemma3;
const struct cn_arch cn_arch_gemma3 = {
    .name = "gemma3",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) |
                CN_BIT(K_NORM),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .activation = CN_GELU,
    .scale_embedding = true,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 6,
                .key = "attention.sliding_window_pattern"},
    .sliding_rope_base = 10000,
    .sliding_rope_unscaled = true,
    .head_scale_layers = 62,
};
