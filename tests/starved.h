/* SPDX-License-Identifier: MIT
 *
 * Whether a test that hangs on real time had its CPUs: simulated counters that are moved by threads
 * starve beside other load, in a virtual machine whose host is busy, and under sanitizers. Such a
 * test says SKIPPED with the reason rather than judge. After <cmocka.h>.
 */
#ifndef CN_STARVED_H
#define CN_STARVED_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct starved {
    double s;        /* CLOCK_MONOTONIC */
    double waited_s; /* of all threads, for a CPU */
    double stolen_s; /* by other guests of the host */
    long put_off;
};

static inline struct starved starved_begin(void)
{
    struct starved now = { 0 };
    struct timespec t;
    struct rusage use;
    char path[300];
    double ran, waited, v[8];
    clock_gettime(CLOCK_MONOTONIC, &t);
    now.s = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    getrusage(RUSAGE_SELF, &use);
    now.put_off = use.ru_nivcsw;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *e; tasks && (e = readdir(tasks)) != NULL;) {
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fscanf(f, "%lf %lf", &ran, &waited) == 2)
            now.waited_s += 1e-9 * waited;
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    FILE *f = fopen("/proc/stat", "r");
    if (f && fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4],
                    &v[5], &v[6], &v[7]) == 8)
        now.stolen_s = v[7] / (double)sysconf(_SC_CLK_TCK);
    if (f)
        fclose(f);
    return now;
}

/* Since then: more than 20 times put off a CPU, 2% of the time waited for one, or 2% stolen. */
static inline bool starved_since(const struct starved *then)
{
    const struct starved now = starved_begin();
    const double s = now.s - then->s;
    return now.put_off - then->put_off > 20 || now.waited_s - then->waited_s > 0.02 * s ||
           now.stolen_s - then->stolen_s > 0.02 * s;
}

#endif
