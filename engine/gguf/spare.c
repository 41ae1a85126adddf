/* SPDX-License-Identifier: MIT
 *
 * Outputs that would replace what is read.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "engine/tools.h"

/* Whether `out` is one of the parts of which `in` is one by its name. */
static bool same_part(const char *out, const char *in)
{
    static const char end[] = "-00001-of-00001.gguf";
    const size_t n = strlen(in), n_end = sizeof end - 1;
    unsigned no, count;
    int used = 0;
    if (n < n_end || n >= PATH_MAX ||
        sscanf(in + n - n_end, "-%5u-of-%5u.gguf%n", &no, &count, &used) != 2 || used != (int)n_end)
        return false;
    char part[PATH_MAX];
    bool same = false;
    memcpy(part, in, n + 1);
    for (no = 1; no <= count && !same; no++) {
        snprintf(part + n - n_end, n_end + 1, "-%05u-of-%05u.gguf", no % 100000, count % 100000);
        same = cn_same_file(out, part);
    }
    return same;
}

enum cn_status cn_outfile_spare(const char *out, const char *in, struct cn_error *err)
{
    struct stat st;
    CN_RETURN_IF(out && in && stat(out, &st) == 0 && (cn_same_file(out, in) || same_part(out, in)),
                 CN_ERR_ARGUMENT, err,
                 "%s: input and output are the same file; give the output another name", out);
    return CN_OK;
}
