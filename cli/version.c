/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/command.h"
#include "quant/quant.h"

#include <stdio.h>
#include <stdlib.h>

#define CN_VERSION "0.2.0"

#if defined(__clang__)
#define COMPILER __VERSION__
#elif defined(__GNUC__)
#define COMPILER "GCC " __VERSION__
#else
#define COMPILER "unknown"
#endif

const char *cn_version(void)
{
    return CN_VERSION " " CN_COMMIT;
}

int cn_version_print(void)
{
    uint32_t detected = cn_tiers_detect(), asked = detected;
    const char *list = getenv("CARNOT_TIERS"), *bad;
    size_t bad_len;
    char text[64];
    if (list && *list && !cn_tiers_parse(list, &asked, &bad, &bad_len))
        return cn_usage_error("CARNOT_TIERS takes tiers separated by commas (%s), not '%.*s'",
                              cn_tiers_format(UINT32_MAX, text, sizeof text), (int)bad_len, bad);
    printf("carnot " CN_VERSION "\n");
    printf("commit    %s\n", CN_COMMIT);
    printf("compiler  %s\n", COMPILER);
    printf("detected  %s\n", cn_tiers_format(detected, text, sizeof text));
    printf("in force  %s", cn_tiers_format(detected & asked, text, sizeof text));
    if (asked & ~detected)
        printf(" (CARNOT_TIERS also names %s: not on this machine)",
               cn_tiers_format(asked & ~detected, text, sizeof text));
    else if (asked != detected)
        printf(" (CARNOT_TIERS)");
    printf("\n");
    return CN_EXIT_OK;
}
