/* SPDX-License-Identifier: MIT */
#include "cli/settings.h"

int cn_settings_begin(const char *root, const struct cn_cpu_settings *settings,
                      struct cn_cpu_hold **hold)
{
    struct cn_error err = { "" };
    int n;
    *hold = NULL;
    if (cn_cpu_settings_recover(root, &n, &err) != CN_OK)
        return cn_die("%s", err.text);
    if (n > 0)
        cn_warn("%d setting%s of the CPU put back that a program which was killed had left", n,
                n == 1 ? "" : "s");
    if (cn_cpu_settings_any(settings) && cn_cpu_settings_apply(root, settings, hold, &err) != CN_OK)
        return cn_die("%s", err.text);
    return -1;
}

int cn_settings_end(struct cn_cpu_hold *hold, int code)
{
    struct cn_error err = { "" };
    return cn_cpu_settings_release(hold, &err) == CN_OK ? code : cn_die("%s", err.text);
}
