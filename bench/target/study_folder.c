/* SPDX-License-Identifier: MIT */
#include "bench/target/study_folder.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
