/* SPDX-License-Identifier: MIT */
#include "engine/model/arch.h"

#include "quant/quant.h"

#include <stdio.h>
#include <string.h>

#define CN_ARCH(name) extern const struct cn_arch cn_arch_##name;
#include "engine/model/archs.def"
#undef CN_ARCH

#define CN_ARCH(name) &cn_arch_##name,
static const struct cn_arch *const archs[] = {
#include "engine/model/archs.def"
};
#undef CN_ARCH

enum { N_ARCHS = sizeof archs / sizeof *archs };

const struct cn_arch *cn_arch_by_name(const char *name, uint64_t n)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (strlen(archs[i]->name) == n && memcmp(archs[i]->name, name, n) == 0)
            return archs[i];
    return NULL;
}

void cn_arch_size_class(const struct cn_arch *arch, struct cn_mix_model *model)
{
    enum { LAYERS_OF_70B = 80 };
    const bool shared = model->n_head > model->n_head_kv;
    model->few_value_heads = arch && model->n_layer == LAYERS_OF_70B &&
                             (arch->precise_values == CN_VALUES_ALWAYS ||
                              (arch->precise_values == CN_VALUES_IF_SHARED && shared));
    model->class_8b = arch && arch->layers_of_8b > 0 && model->n_layer == arch->layers_of_8b;
}

const struct cn_arch *cn_arch_at(int i)
{
    return i >= 0 && i < N_ARCHS ? archs[i] : NULL;
}

void cn_arch_list(char *buf, uint64_t buf_bytes)
{
    uint64_t n = 0;
    for (int i = 0; i < N_ARCHS && n < buf_bytes; i++)
        n += (uint64_t)snprintf(buf + n, buf_bytes - n, "%s%s", i ? ", " : "", archs[i]->name);
}
