/* SPDX-License-Identifier: MIT
 *
 * Where things are when the user does not say.
 */
#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL "prose-8m-f16.gguf"

const char *cn_default_model(void)
{
    const char *chosen = getenv("CARNOT_MODEL");
    if (chosen && *chosen)
        return chosen;
    if (access("models/" MODEL, R_OK) == 0)
        return "models/" MODEL;
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n > 0) {
        /* Beside the program; in the tree, where the program is build/<triple>/carnot; installed.
         */
        static const char *const places[] = { "models/", "../../models/", "../share/carnot/" };
        static char path[PATH_MAX];
        program[n] = 0;
        int dir = (int)(strrchr(program, '/') - program);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            int len = snprintf(path, sizeof path, "%.*s/%s" MODEL, dir, program, places[i]);
            if (len > 0 && len < (int)sizeof path && access(path, R_OK) == 0)
                return path;
        }
    }
    return "models/" MODEL;
}
