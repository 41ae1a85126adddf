/* SPDX-License-Identifier: MIT */
#include "bench/machine/core_sets.h"

#include "profiler/sysfs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first CPU of the core that a CPU belongs to; itself if that is not known. */
static int core_of(const char *root, int cpu)
{
    char path[CN_PATH_MAX], text[64];
    if (!cn_sysfs_path(path, root, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                       cpu) ||
        cn_sysfs_text_at(path, text, sizeof text) < 0 || text[0] < '0' || text[0] > '9')
        return cpu;
    return (int)strtol(text, NULL, 10);
}

/* Highest frequency in kHz; 0: not known. */
static int64_t frequency_of(const char *root, int cpu)
{
    char path[CN_PATH_MAX];
    int64_t khz;
    if (!cn_sysfs_path(path, root, "/sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu) ||
        cn_sysfs_i64_at(path, &khz) != 0)
        return 0;
    return khz;
}

static void name_cpus(struct cn_core_set *set)
{
    size_t used = 0;
    set->n = CPU_COUNT(&set->cpus);
    set->list[0] = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && used < sizeof set->list; cpu++) {
        int last = cpu;
        if (!CPU_ISSET(cpu, &set->cpus))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set->cpus))
            last++;
        used += (size_t)snprintf(set->list + used, sizeof set->list - used,
                                 last > cpu ? "%s%d-%d" : "%s%d", used ? "," : "", cpu, last);
        cpu = last;
    }
}

/* Keeps the set at the end of the list unless it is empty or there already. */
static int keep(struct cn_core_set *sets, int n)
{
    name_cpus(&sets[n]);
    bool fresh = sets[n].n > 0;
    for (int i = 0; i < n; i++)
        fresh = fresh && !CPU_EQUAL(&sets[i].cpus, &sets[n].cpus);
    return fresh ? n + 1 : n;
}

int cn_core_sets(const char *root, struct cn_core_set sets[CN_CORE_SETS])
{
    cpu_set_t all;
    if (!root)
        root = "";
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return 0;
    sets[0] = (struct cn_core_set){ .name = "all", .cpus = all };
    int n = keep(sets, 0);

    cpu_set_t seen;
    CPU_ZERO(&seen);
    sets[n] = (struct cn_core_set){ .name = "one per core" };
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int core = CPU_ISSET(cpu, &all) ? core_of(root, cpu) : CPU_SETSIZE;
        if (core >= CPU_SETSIZE || CPU_ISSET(core, &seen))
            continue;
        CPU_SET(core, &seen);
        CPU_SET(cpu, &sets[n].cpus);
    }
    n = keep(sets, n);

    cpu_set_t left = all;
    while (n < CN_CORE_SETS && CPU_COUNT(&left)) {
        int64_t most = 0;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &left) && frequency_of(root, cpu) > most)
                most = frequency_of(root, cpu);
        if (most == 0)
            break;
        sets[n] = (struct cn_core_set){ .list = "" };
        snprintf(sets[n].name, sizeof sets[n].name, "%.2f GHz", 1e-6 * (double)most);
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &left) && frequency_of(root, cpu) == most) {
                CPU_SET(cpu, &sets[n].cpus);
                CPU_CLR(cpu, &left);
            }
        n = keep(sets, n);
    }
    return n;
}
