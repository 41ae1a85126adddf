/* SPDX-License-Identifier: MIT */
#include "engine/run/mixer/mixer.h"

#define CN_MIXER(name, NAME) extern const struct cn_mixer cn_mixer_##name;
#include "engine/run/mixer/mixers.def"
#undef CN_MIXER

const struct cn_mixer *cn_mixer_of(const struct cn_model *model, int64_t layer)
{
#define CN_MIXER(name, NAME) [CN_MIXER_##NAME] = &cn_mixer_##name,
    static const struct cn_mixer *const mixers[CN_N_MIXERS] = {
#include "engine/run/mixer/mixers.def"
    };
#undef CN_MIXER
    return mixers[model->hp.layers[layer].mixer];
}

int64_t cn_mixer_capacity(const struct cn_mixer_sizes *sizes, int64_t layer)
{
    const struct cn_layer_hparams *l = &sizes->model->hp.layers[layer];
    /* The tokens of a pass are stored before the first of them looks back. */
    const int64_t ring = l->window + sizes->n_batch;
    return l->window > 0 && ring < sizes->n_ctx ? ring : sizes->n_ctx;
}
