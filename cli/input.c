/* SPDX-License-Identifier: MIT */
#include "base/plain_text.h"
#include "base/readfile.h"
#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

char *cn_read_file(const char *path, size_t max_bytes, size_t *n)
{
    const struct cn_readfile_options o = { .max_bytes = max_bytes, .cancel = interrupted };
    struct cn_error err = { "" };
    char *data = NULL;
    enum cn_status status =
        strcmp(path, "-") == 0
            ? cn_readfile_rest(STDIN_FILENO, "standard input", &o, &data, n, &err)
            : cn_readfile(path, &o, &data, n, &err);
    if (status != CN_OK)
        cn_die("%s", err.text);
    return data;
}

char *cn_read_text(const char *path, size_t max_bytes, size_t *n)
{
    char *text = cn_read_file(path, max_bytes, n);
    if (text)
        *n = cn_plain_text(text, *n);
    return text;
}
