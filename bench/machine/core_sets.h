/* SPDX-License-Identifier: MIT
 *
 * Sets of cores that a program may be kept on.
 */
#ifndef CN_CORE_SETS_H
#define CN_CORE_SETS_H

#include <sched.h>

/* Cores to run on. */
struct cn_core_set {
    char name[32]; /* "all", "one per core", "2.8 GHz" */
    char list[96]; /* "0-3,8", as taskset takes it */
    cpu_set_t cpus;
    int n;
    double mhz; /* that they are kept below meanwhile; 0: as they are */
};

enum { CN_CORE_SETS = 6 };

/* The sets worth trying: all that this process may use; one hardware thread of each core, if cores
 * have several; and the cores of each highest frequency, if they differ. root: stands for "/", NULL
 * for it itself. Returns how many; sets that are equal to an earlier one are left out. */
int cn_core_sets(const char *root, struct cn_core_set sets[CN_CORE_SETS]);

#endif
