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

bool cn_arch_has_few_value_heads(const struct cn_arch *arch, const struct cn_mix_model *model)
{
    enum { LAYERS = 80 };
    if (!arch || model->n_layer != LAYERS)
        return false;
    return arch->precise_values == CN_VALUES_ALWAYS ||
           (arch->precise_values == CN_VALUES_IF_SHARED && model->n_head > model->n_head_kv);
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
