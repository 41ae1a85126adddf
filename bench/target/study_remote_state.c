/* SPDX-License-Identifier: MIT
 *
 * The state of a device: its files in /sys are brought into a tree here, which is read as this
 * machine's own would be.
 */
#include "bench/target/study_remote.h"

#include "base/error.h"
#include "profiler/state.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What profiler/state.c reads, as sh expands it. */
#define STATE_FILES                                                              \
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor "                 \
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq "                 \
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_max_freq "                 \
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq "                 \
    "sys/devices/platform/soc/soc:firmware/get_throttled "                       \
    "sys/class/thermal/thermal_zone*/type sys/class/thermal/thermal_zone*/temp " \
    "sys/class/hwmon/hwmon*/name sys/class/hwmon/hwmon*/temp1_input "            \
    "sys/class/power_supply/*/type sys/class/power_supply/*/scope "              \
    "sys/class/power_supply/*/capacity sys/class/power_supply/*/voltage_now "    \
    "sys/class/power_supply/*/online sys/class/backlight/*/brightness "          \
    "sys/class/backlight/*/max_brightness sys/class/backlight/*/bl_power proc/loadavg"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes a file with a line in it, and the folders it is in. */
static void put_line(const char *root, const char *path, const char *line)
{
    char full[PATH_MAX];
    if (strstr(path, "..") || strlen(path) > 250 ||
        (strncmp(path, "sys/", 4) != 0 && strncmp(path, "proc/", 5) != 0))
        return;
    size_t n = (size_t)snprintf(full, sizeof full, "%.3700s/%.250s", root, path);
    for (size_t i = n - strlen(path); i < n; i++)
        if (full[i] == '/') {
            full[i] = 0;
            mkdir(full, 0777);
            full[i] = '/';
        }
    FILE *f = fopen(full, "w");
    if (!f)
        return;
    fprintf(f, "%s\n", line);
    fclose(f);
}

enum cn_status cn_remote_look(void *state, struct cn_system_state *now, struct cn_error *err)
{
    struct cn_study_remote *r = state;
    char root[PATH_MAX], quoted[4 * CN_REMOTE_PATH], *out;
    int code;
    CN_RETURN_IF(!cn_remote_quote(r->options->root ? r->options->root : "/", quoted, sizeof quoted),
                 CN_ERR_ARGUMENT, err, "--root: too long for a device");
    /* read, echo and [ are the shell's own: a phone has hundreds of such files. */
    CN_TRY(cn_remote_shell(
        r, 0, &out, &code, err,
        "cd %s && for f in " STATE_FILES "; do\n"
        "  [ -r $f ] && v= && { IFS= read -r v <$f; [ \"$v\" ] && echo \"$f $v\"; }\n"
        "done 2>/dev/null",
        quoted));
    /* One of its own for each process: several targets are looked at at once. */
    snprintf(root, sizeof root, "%.3700s/look-%ld", r->options->work, (long)getpid());
    remove_tree(root);
    enum cn_status status = CN_OK;
    if (mkdir(root, 0777) != 0)
        status = cn_fail(err, CN_ERR_IO, "%s: %s", root, strerror(errno));
    for (char *rest = out, *line; status == CN_OK && (line = strsep(&rest, "\n")) != NULL;) {
        char *blank = strchr(line, ' ');
        if (!blank)
            continue;
        *blank = 0;
        put_line(root, line, blank + 1);
    }
    free(out);
    if (status == CN_OK)
        cn_state_read(root, now);
    remove_tree(root);
    return status;
}

uint64_t cn_remote_free_memory(void *state)
{
    struct cn_study_remote *r = state;
    struct cn_error ignored;
    char *out;
    int code;
    unsigned long long kib = 0;
    if (cn_remote_shell(r, 0, &out, &code, &ignored, "grep MemAvailable: /proc/meminfo") != CN_OK)
        return 0;
    if (sscanf(out, "MemAvailable: %llu", &kib) != 1 || kib > UINT64_MAX / 1024)
        kib = 0;
    free(out);
    return (uint64_t)kib * 1024;
}
