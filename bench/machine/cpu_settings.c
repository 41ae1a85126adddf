/* SPDX-License-Identifier: MIT */
#include "bench/machine/cpu_settings.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 1024, VALUE_ROOM = 64, MAX_FILES = 4096 };

static const char CPUFREQ[] = "sys/devices/system/cpu/cpu", POWERCAP[] = "sys/class/powercap/";
static const char JOURNAL[] = "run/carnot-settings";

/* A file, what stood in it, and what stands there now. */
struct entry {
    char name[160]; /* below the root */
    char before[VALUE_ROOM], now[VALUE_ROOM];
};

struct cn_cpu_hold {
    char root[PATH_ROOM];
    int journal; /* locked as long as the settings hold; -1: none */
    struct entry *entries;
    int n;
};

/* ---- files ----------------------------------------------------------------------------------- */

static bool join(char path[PATH_ROOM], const char *root, const char *name)
{
    return snprintf(path, PATH_ROOM, "%s/%s", root ? root : "", name) < PATH_ROOM;
}

/* The one line of a file, without its newline. False with errno. */
static bool read_value(const char *root, const char *name, char value[VALUE_ROOM])
{
    char path[PATH_ROOM];
    const int fd = join(path, root, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    const ssize_t n = fd < 0 ? -1 : read(fd, value, VALUE_ROOM - 1);
    const int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    if (n < 0)
        return false;
    value[n] = 0;
    value[strcspn(value, "\n")] = 0;
    return true;
}

static bool write_value(const char *root, const char *name, const char *value)
{
    char path[PATH_ROOM];
    /* A file of a tree on disk is cut off first; sysfs takes no notice. */
    const int fd = join(path, root, name) ? open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) : -1;
    const ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));
    const int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return n == (ssize_t)strlen(value);
}

/* ---- the journal: NAME TAB BEFORE TAB NOW on each line --------------------------------------- */

/* Names that were written by nobody but this program. */
static bool known_name(const char *name)
{
    return (strncmp(name, CPUFREQ, sizeof CPUFREQ - 1) == 0 ||
            strncmp(name, POWERCAP, sizeof POWERCAP - 1) == 0) &&
           !strstr(name, "..");
}

static bool known_value(const char *value)
{
    return value[0] && value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789_-")] == 0;
}

/* Opens and locks it. CN_OK and hold->journal < 0: there is none. */
static enum cn_status open_journal(struct cn_cpu_hold *hold, bool create, struct cn_error *err)
{
    char path[PATH_ROOM], folder[PATH_ROOM];
    CN_RETURN_IF(!join(path, hold->root, JOURNAL), CN_ERR_ARGUMENT, err, "%.100s...: too long",
                 hold->root);
    if (create && *hold->root && join(folder, hold->root, "run"))
        mkdir(folder, 0755); /* of a tree that stands for / */
    const int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0), 0644);
    if (fd < 0 && !create && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return CN_OK;
    if (fd < 0)
        return cn_fail_errno(err, "%s: what was set before cannot be kept", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return cn_fail(err, CN_ERR_ARGUMENT, "%s: another program has settings in force", path);
    }
    hold->journal = fd;
    return CN_OK;
}

static enum cn_status write_journal(const struct cn_cpu_hold *hold, struct cn_error *err)
{
    const int fd = dup(hold->journal);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out)
        return cn_fail_errno(err, "%s/%s", hold->root, JOURNAL);
    rewind(out);
    bool ok = ftruncate(hold->journal, 0) == 0;
    for (int i = 0; i < hold->n; i++)
        fprintf(out, "%s\t%s\t%s\n", hold->entries[i].name, hold->entries[i].before,
                hold->entries[i].now);
    ok = fflush(out) == 0 && ok;
    ok = fsync(hold->journal) == 0 && ok;
    ok = fclose(out) == 0 && ok;
    return ok ? CN_OK : cn_fail_errno(err, "%s/%s", hold->root, JOURNAL);
}

static enum cn_status add(struct cn_cpu_hold *hold, const struct entry *e, struct cn_error *err)
{
    CN_RETURN_IF(hold->n == MAX_FILES, CN_ERR_FORMAT, err, "more than %d files to set", MAX_FILES);
    struct entry *entries = realloc(hold->entries, ((size_t)hold->n + 1) * sizeof *entries);
    CN_RETURN_IF(!entries, CN_ERR_MEMORY, err, "out of memory");
    hold->entries = entries;
    entries[hold->n++] = *e;
    return CN_OK;
}

static enum cn_status read_journal(struct cn_cpu_hold *hold, struct cn_error *err)
{
    const int fd = dup(hold->journal);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    char line[sizeof(struct entry) + 8];
    enum cn_status status = in ? CN_OK : cn_fail_errno(err, "%s/%s", hold->root, JOURNAL);
    if (in)
        rewind(in);
    while (status == CN_OK && fgets(line, sizeof line, in)) {
        struct entry e;
        char rest;
        const bool good = strchr(line, '\n') &&
                          sscanf(line, "%159[^\t]\t%63[^\t]\t%63[^\t\n]%c", e.name, e.before, e.now,
                                 &rest) == 4 &&
                          rest == '\n' && known_name(e.name) && known_value(e.before) &&
                          known_value(e.now);
        status = good ? add(hold, &e, err)
                      : cn_fail(err, CN_ERR_FORMAT,
                                "%s/%s is damaged: look at it, put back what it tells by hand, and "
                                "remove it",
                                hold->root, JOURNAL);
    }
    if (in)
        fclose(in);
    return status;
}

/* ---- setting and putting back ---------------------------------------------------------------- */

/* Whether the system has what was written: to the letter, or a number near it, as where a driver
 * has steps. */
static bool taken(const char *asked, const char *has)
{
    char *end;
    const double a = strtod(asked, &end), b = strtod(has, NULL);
    return strcmp(asked, has) == 0 || (*end == 0 && a > 0 && fabs(a - b) <= 0.01 * a);
}

/* What the journal tells goes back, the last first. A file that says something else by now was set
 * by somebody, and one that is gone is gone. */
static enum cn_status put_back(struct cn_cpu_hold *hold, int *n, struct cn_error *err)
{
    enum cn_status status = CN_OK;
    for (int i = hold->n - 1; i >= 0; i--) {
        const struct entry *e = &hold->entries[i];
        char value[VALUE_ROOM];
        if (!read_value(hold->root, e->name, value) || strcmp(value, e->before) == 0 ||
            !taken(e->now, value))
            continue;
        if (!write_value(hold->root, e->name, e->before))
            status = cn_fail_errno(err, "%s/%s: cannot be put back to %s", hold->root, e->name,
                                   e->before);
        else
            ++*n;
    }
    char path[PATH_ROOM];
    if (status == CN_OK && join(path, hold->root, JOURNAL))
        unlink(path);
    return status;
}

static void forget(struct cn_cpu_hold *hold)
{
    if (hold->journal >= 0)
        close(hold->journal);
    free(hold->entries);
    hold->entries = NULL;
    hold->journal = -1;
    hold->n = 0;
}

/* One file more that is to be set. */
static enum cn_status plan(struct cn_cpu_hold *hold, const char *name, const char *value,
                           struct cn_error *err)
{
    struct entry e;
    snprintf(e.name, sizeof e.name, "%s", name);
    snprintf(e.now, sizeof e.now, "%s", value);
    if (!read_value(hold->root, name, e.before))
        return cn_fail_errno(err, "%s/%s", hold->root, name);
    CN_RETURN_IF(!known_value(e.before), CN_ERR_FORMAT, err, "%s/%s: one word expected, '%s' found",
                 hold->root, name, e.before);
    return strcmp(e.before, value) == 0 ? CN_OK : add(hold, &e, err);
}

static enum cn_status plan_cpus(struct cn_cpu_hold *hold, const struct cn_cpu_settings *s,
                                struct cn_error *err)
{
    cpu_set_t cpus;
    char name[160], value[VALUE_ROOM];
    int found = 0;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        return cn_fail_errno(err, "the cores of this process");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        char path[PATH_ROOM];
        snprintf(name, sizeof name, "%s%d/cpufreq", CPUFREQ, cpu);
        if (!CPU_ISSET(cpu, &cpus) || !join(path, hold->root, name) || access(path, F_OK) != 0)
            continue;
        found++;
        /* A governor may bring limits of its own, so it goes first. */
        if (s->governor) {
            snprintf(name, sizeof name, "%s%d/cpufreq/scaling_governor", CPUFREQ, cpu);
            CN_TRY(plan(hold, name, s->governor, err));
        }
        if (s->mhz > 0) {
            snprintf(name, sizeof name, "%s%d/cpufreq/scaling_max_freq", CPUFREQ, cpu);
            snprintf(value, sizeof value, "%.0f", s->mhz * 1000);
            CN_TRY(plan(hold, name, value, err));
        }
    }
    CN_RETURN_IF(!found, CN_ERR_UNSUPPORTED, err,
                 "%s/%s*/cpufreq: none, so the system has no say in the frequency (a virtual "
                 "machine?)",
                 hold->root, CPUFREQ);
    return CN_OK;
}

/* Which constraint of a zone is the long-term one. */
static int long_term(const struct cn_cpu_hold *hold, const char *zone)
{
    char name[160], value[VALUE_ROOM];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%.64s/constraint_%d_name", POWERCAP, zone, i);
        if (read_value(hold->root, name, value) && strcmp(value, "long_term") == 0)
            return i;
    }
    return 0;
}

static enum cn_status plan_packages(struct cn_cpu_hold *hold, double watts, struct cn_error *err)
{
    char path[PATH_ROOM], name[160], value[VALUE_ROOM];
    DIR *zones = join(path, hold->root, POWERCAP) ? opendir(path) : NULL;
    int found = 0;
    enum cn_status status = CN_OK;
    for (struct dirent *e; zones && status == CN_OK && (e = readdir(zones)) != NULL;) {
        snprintf(name, sizeof name, "%s%.64s/name", POWERCAP, e->d_name);
        if (!read_value(hold->root, name, value) || strncmp(value, "package", 7) != 0)
            continue;
        found++;
        snprintf(name, sizeof name, "%s%.64s/constraint_%d_power_limit_uw", POWERCAP, e->d_name,
                 long_term(hold, e->d_name));
        snprintf(value, sizeof value, "%.0f", watts * 1e6);
        status = plan(hold, name, value, err);
    }
    if (zones)
        closedir(zones);
    CN_RETURN_IF(!found, CN_ERR_UNSUPPORTED, err, "%s/%s*: no package whose power can be limited",
                 hold->root, POWERCAP);
    return status;
}

static enum cn_status set_all(struct cn_cpu_hold *hold, struct cn_error *err)
{
    for (int i = 0; i < hold->n; i++) {
        struct entry *e = &hold->entries[i];
        char has[VALUE_ROOM];
        if (!write_value(hold->root, e->name, e->now))
            return cn_fail_errno(err, "%s/%s: cannot be set to %s", hold->root, e->name, e->now);
        if (!read_value(hold->root, e->name, has))
            return cn_fail_errno(err, "%s/%s", hold->root, e->name);
        const bool good = taken(e->now, has) && known_value(has);
        char asked[VALUE_ROOM];
        memcpy(asked, e->now, sizeof asked);
        if (known_value(has))
            memcpy(e->now, has, sizeof has); /* what is to be found there when it goes back */
        CN_RETURN_IF(!good, CN_ERR_ARGUMENT, err, "%s/%s: %s was asked for, the system has %s",
                     hold->root, e->name, asked, has);
    }
    return CN_OK;
}

/* ---- for others ------------------------------------------------------------------------------ */

bool cn_cpu_settings_any(const struct cn_cpu_settings *s)
{
    return s->mhz > 0 || s->governor || s->watts > 0;
}

double cn_cpu_settings_mhz(const char *root)
{
    double most = (double)NAN;
    cpu_set_t cpus;
    char name[160], value[VALUE_ROOM];
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        return most;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        snprintf(name, sizeof name, "%s%d/cpufreq/scaling_max_freq", CPUFREQ, cpu);
        if (CPU_ISSET(cpu, &cpus) && read_value(root, name, value) && atof(value) > 0)
            most = fmax(most, atof(value) / 1000);
    }
    return most;
}

static struct cn_cpu_hold *new_hold(const char *root)
{
    struct cn_cpu_hold *hold = calloc(1, sizeof *hold);
    if (hold) {
        hold->journal = -1;
        snprintf(hold->root, sizeof hold->root, "%s", root ? root : "");
    }
    return hold;
}

enum cn_status cn_cpu_settings_recover(const char *root, int *n, struct cn_error *err)
{
    struct cn_cpu_hold *hold = new_hold(root);
    *n = 0;
    CN_RETURN_IF(!hold, CN_ERR_MEMORY, err, "out of memory");
    enum cn_status status = open_journal(hold, false, err);
    if (status == CN_OK && hold->journal >= 0) {
        status = read_journal(hold, err);
        if (status == CN_OK)
            status = put_back(hold, n, err);
    } else if (status == CN_ERR_ARGUMENT) {
        status = CN_OK; /* its program runs */
    }
    forget(hold);
    free(hold);
    return status;
}

enum cn_status cn_cpu_settings_apply(const char *root, const struct cn_cpu_settings *s,
                                     struct cn_cpu_hold **out, struct cn_error *err)
{
    int n;
    CN_TRY(cn_cpu_settings_recover(root, &n, err));
    CN_RETURN_IF(s->governor && !known_value(s->governor), CN_ERR_ARGUMENT, err,
                 "governor: a word expected, '%.64s' given", s->governor);
    struct cn_cpu_hold *hold = new_hold(root);
    CN_RETURN_IF(!hold, CN_ERR_MEMORY, err, "out of memory");
    enum cn_status status = CN_OK;
    if (s->governor || s->mhz > 0)
        status = plan_cpus(hold, s, err);
    if (status == CN_OK && s->watts > 0)
        status = plan_packages(hold, s->watts, err);
    if (status == CN_OK && hold->n > 0) {
        status = open_journal(hold, true, err);
        if (status == CN_OK)
            status = write_journal(hold, err);
        if (status == CN_OK)
            status = set_all(hold, err);
        if (status == CN_OK)
            status = write_journal(hold, err); /* with what the system made of it */
        if (status != CN_OK && hold->journal >= 0)
            put_back(hold, &n, NULL);
    }
    if (status != CN_OK) {
        forget(hold);
        free(hold);
        return status;
    }
    *out = hold;
    return CN_OK;
}

enum cn_status cn_cpu_settings_release(struct cn_cpu_hold *hold, struct cn_error *err)
{
    if (!hold)
        return CN_OK;
    int n = 0;
    enum cn_status status = hold->journal >= 0 ? put_back(hold, &n, err) : CN_OK;
    forget(hold);
    free(hold);
    return status;
}
