/* SPDX-License-Identifier: MIT */
#include "bench/target/study_target.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

enum cn_status cn_study_remove_folder(const char *path, struct cn_error *err)
{
    DIR *dir = opendir(path);
    CN_RETURN_IF(!dir && errno != ENOENT, CN_ERR_IO, err, "%s: %s", path, strerror(errno));
    if (!dir)
        return CN_OK;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    CN_RETURN_IF(rmdir(path) != 0, CN_ERR_IO, err, "%s: %s", path, strerror(errno));
    return CN_OK;
}
