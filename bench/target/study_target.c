/* SPDX-License-Identifier: MIT */
#include "bench/target/study_target.h"

#include <string.h>

static const struct cn_study_target *const targets[] = {
#define CN_STUDY_TARGET(name) &cn_study_##name,
#include "bench/target/study_targets.def"
#undef CN_STUDY_TARGET
};

const struct cn_study_target *cn_study_target_find(const char *name, const char **address)
{
    size_t n = strcspn(name, ":");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strlen(targets[i]->name) == n && strncmp(targets[i]->name, name, n) == 0) {
            *address = name[n] ? name + n + 1 : name + n;
            return targets[i];
        }
    return NULL;
}
