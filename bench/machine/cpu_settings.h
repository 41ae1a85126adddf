/* SPDX-License-Identifier: MIT
 *
 * Limits that a run is measured under: the highest frequency of the cores it may use, their
 * governor, and the power that the package is allowed. They are the system's, for all programs, so
 * what was there before comes back when the run ends. A small journal says what that was: after a
 * program that was killed the next one puts it back.
 *
 * root stands for "/": files are those below ROOT/sys/devices/system/cpu/cpuN/cpufreq and
 * ROOT/sys/class/powercap; the journal is ROOT/run/carnot-settings.
 */
#ifndef CN_CPU_SETTINGS_H
#define CN_CPU_SETTINGS_H

#include <stdbool.h>

#include "base/status.h"

struct cn_cpu_settings {
    double mhz;           /* scaling_max_freq; 0: as it is */
    const char *governor; /* scaling_governor; NULL: as it is */
    double watts;         /* powercap's long-term constraint of each package; 0: as it is */
};

/* Whether anything is to be set. */
bool cn_cpu_settings_any(const struct cn_cpu_settings *settings);

struct cn_cpu_hold; /* what was there before */

/* Sets them, of all cores that this process may use; *hold is for cn_cpu_settings_release. What a
 * killed program left is put back first. CN_ERR_UNSUPPORTED if the machine has no such file,
 * CN_ERR_IO if it cannot be written or the journal cannot (errno says why), CN_ERR_ARGUMENT if the
 * system does not take the value or another program has settings in force. After a failure all is
 * as it was. */
enum cn_status cn_cpu_settings_apply(const char *root, const struct cn_cpu_settings *settings,
                                     struct cn_cpu_hold **hold, struct cn_error *err);
/* Puts back what was there before, where it is still as it was set, and frees `hold` (NULL is
 * allowed). CN_ERR_IO: some of it could not be; the journal stays. */
enum cn_status cn_cpu_settings_release(struct cn_cpu_hold *hold, struct cn_error *err);

/* The highest frequency that the cores of this process are allowed now; NaN: cannot be told. */
double cn_cpu_settings_mhz(const char *root);

/* Puts back what a program that was killed left; *n: files that were. Nothing where no journal is,
 * or its program still runs. CN_ERR_FORMAT: the journal is damaged. */
enum cn_status cn_cpu_settings_recover(const char *root, int *n, struct cn_error *err);

#endif
