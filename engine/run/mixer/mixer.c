/* SPDX-License-Identifier: MIT */
#include "engine/run/mixer/mixer.h"

#define CN_MIXER(name, NAME, slots) extern const struct cn_mixer cn_mixer_##name;
#include "engine/run/mixer/mixers.def"
#undef CN_MIXER

const struct cn_mixer *cn_mixer_of(const struct cn_model *model, int64_t layer, int i)
{
#define CN_MIXER(name, NAME, slots) [CN_MIXER_##NAME] = &cn_mixer_##name,
    static const struct cn_mixer *const mixers[CN_N_MIXERS] = {
#include "engine/run/mixer/mixers.def"
    };
#undef CN_MIXER
    const struct cn_layer_hparams *l = &model->hp.layers[layer];
    return i < l->n_mixers ? mixers[l->mixers[i]] : NULL;
}
