/* SPDX-License-Identifier: MIT
 *
 * RAPL through the kernel's `power` PMU: /sys/bus/event_source/devices/power names the events
 * (energy-pkg, -cores, -ram, -gpu, -psys), what a count is worth (.scale, .unit) and on which CPUs
 * to open them (cpumask: one per package). Counts are system-wide, 64 bits wide, and so need no
 * care for wraps. The events nest as the zones of meter_powercap.c do, so each is a channel of its
 * own.
 *
 * Opening needs perf_event_paranoid <= 0, CAP_PERFMON or root. In a tree that is not "/" there is
 * no kernel to open an event: there the file counts/<event>.<cpu> of the PMU's directory stands for
 * what the open event would count. Everything else is the same.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char pmu_dir[] = "/sys/bus/event_source/devices/power";

/* In order of preference when "perf" alone is asked for. */
static const struct event {
    const char *file, *boundary;
} events[] = {
    {"energy-pkg",    "package"},
    { "energy-psys",  "psys"   },
    { "energy-ram",   "dram"   },
    { "energy-cores", "core"   },
    { "energy-gpu",   "uncore" },
};

enum { N_EVENTS = sizeof events / sizeof *events };

struct source {
    int fd; /* of the kernel; -1: the file below */
    struct cn_sysfs_file file;
    unsigned cpu;
    int64_t raw;      /* at the last read; -1: none yet */
    int64_t moved_ns; /* when it last changed */
    int64_t total;
};

struct state {
    const struct event *event;
    double uj; /* of one count */
    size_t n;
    struct source sources[CN_MAX_SOURCES];
};

/* What the tree says of one event. */
struct found {
    uint32_t type;
    uint64_t config;
    double uj;
    unsigned cpus[CN_MAX_SOURCES];
    size_t n_cpus;
    char left_out[96]; /* CPUs of the mask that show the counter of another */
};

static bool live(const char *root)
{
    return root[strspn(root, "/")] == 0;
}

static int text_of(const char *root, const char *file, char *text, size_t n_bytes)
{
    char path[CN_PATH_MAX];
    return cn_sysfs_path(path, root, "%s/%s", pmu_dir, file) ? cn_sysfs_text_at(path, text, n_bytes)
                                                             : -ENAMETOOLONG;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* "0", "0,18", "0-3". False if it is something else. */
static bool parse_cpus(const char *text, struct found *f)
{
    while (*text) {
        char *end;
        unsigned long from = strtoul(text, &end, 10), to = from;
        if (end == text)
            return false;
        if (*end == '-') {
            text = end + 1;
            to = strtoul(text, &end, 10);
            if (end == text)
                return false;
        }
        if (to < from || to - from >= CN_MAX_SOURCES || to > 1u << 20)
            return false;
        for (unsigned long cpu = from; cpu <= to; cpu++) {
            if (f->n_cpus == CN_MAX_SOURCES)
                return false;
            f->cpus[f->n_cpus++] = (unsigned)cpu;
        }
        if (*end && *end != ',')
            return false;
        text = *end ? end + 1 : end;
    }
    return f->n_cpus > 0;
}

static bool is_amd(const char *root)
{
    char path[CN_PATH_MAX], line[256];
    FILE *f = cn_sysfs_path(path, root, "/proc/cpuinfo") ? fopen(path, "re") : NULL;
    bool amd = false;
    for (int n = 0; f && n < 8 && fgets(line, sizeof line, f); n++)
        amd |= !strncmp(line, "vendor_id", 9) &&
               (strstr(line, "AuthenticAMD") || strstr(line, "HygonGenuine"));
    if (f)
        fclose(f);
    return amd;
}

static int64_t package_of(const char *root, unsigned cpu)
{
    char path[CN_PATH_MAX];
    int64_t id;
    if (cn_sysfs_path(path, root, "/sys/devices/system/cpu/cpu%u/topology/physical_package_id",
                      cpu) &&
        cn_sysfs_i64_at(path, &id) == 0)
        return id;
    return -1;
}

/* Kernels before 6.10 name a CPU for each die; AMD counts per package, so its dies all show the
 * same counter. */
static void drop_mirrors(const char *root, struct found *f)
{
    if (f->n_cpus < 2 || !is_amd(root))
        return;
    size_t n = 0, used = 0;
    for (size_t i = 0; i < f->n_cpus; i++) {
        int64_t package = package_of(root, f->cpus[i]);
        bool mirror = false;
        for (size_t k = 0; k < n; k++)
            mirror |= package >= 0 && package_of(root, f->cpus[k]) == package;
        if (!mirror)
            f->cpus[n++] = f->cpus[i];
        else if (used < sizeof f->left_out)
            used += (size_t)snprintf(f->left_out + used, sizeof f->left_out - used, "%s%u",
                                     used ? "," : "", f->cpus[i]);
    }
    f->n_cpus = n;
}

static bool parse_config(const char *text, uint64_t *config)
{
    unsigned long long v;
    int end = -1;
    if (sscanf(text, "event=%llx%n", &v, &end) != 1 || end < 0 || text[end])
        return false;
    *config = v;
    return true;
}

/* Reads the description of an event. False with a reason if it cannot be used; *there says whether
 * the PMU has such an event at all. */
static bool find(const char *root, const struct event *event, struct found *f, bool *there,
                 struct cn_channel *c)
{
    char text[256], file[64];
    *f = (struct found){ .n_cpus = 0 };
    snprintf(file, sizeof file, "events/%s", event->file);
    int n = text_of(root, file, text, sizeof text);
    *there = n != -ENOENT && n != -ENOTDIR;
    if (!*there)
        return false;
    if (n < 0 || !parse_config(text, &f->config)) {
        cn_channel_reason(c, "%s: %s", file,
                          n < 0 ? cn_sysfs_strerror(n)
                                : "expected event=0x..., found another form");
        return false;
    }
    n = text_of(root, "type", text, sizeof text);
    char *end = text;
    f->type = n > 0 ? (uint32_t)strtoul(text, &end, 10) : 0;
    if (n <= 0 || *end) {
        cn_channel_reason(c, "%s/type: %s", pmu_dir, n < 0 ? cn_sysfs_strerror(n) : "not a number");
        return false;
    }
    snprintf(file, sizeof file, "events/%s.unit", event->file);
    n = text_of(root, file, text, sizeof text);
    if (n > 0 && strcmp(text, "Joules") != 0) {
        cn_channel_reason(c, "%s: expected Joules, found %.40s", file, text);
        return false;
    }
    snprintf(file, sizeof file, "events/%s.scale", event->file);
    n = text_of(root, file, text, sizeof text);
    f->uj = n > 0 ? 1e6 * strtod(text, &end) : 0;
    if (n <= 0 || *end || !(f->uj > 0 && f->uj < 1e9)) {
        cn_channel_reason(c, "%s: %s", file,
                          n < 0 ? cn_sysfs_strerror(n) : "not what a count can be worth");
        return false;
    }
    n = text_of(root, "cpumask", text, sizeof text);
    if (n < 0 || !parse_cpus(text, f)) {
        cn_channel_reason(c, "%s/cpumask: %s", pmu_dir,
                          n < 0 ? cn_sysfs_strerror(n) : "not a list of CPUs");
        return false;
    }
    drop_mirrors(root, f);
    if (!strcmp(event->boundary, "psys") && f->n_cpus > 1) {
        cn_channel_reason(c,
                          "%zu psys counters, and which of them holds the whole platform is not "
                          "known",
                          f->n_cpus);
        cn_channel_remedy(c, "use perf:package");
        return false;
    }
    return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_source(const char *root, const struct event *event, const struct found *f,
                       unsigned cpu, struct source *s)
{
    *s = (struct source){ .fd = -1, .file = { .fd = -1 }, .cpu = cpu, .raw = -1 };
    if (!live(root)) {
        char path[CN_PATH_MAX];
        return cn_sysfs_path(path, root, "%s/counts/%s.%u", pmu_dir, event->file, cpu)
                   ? cn_sysfs_open(&s->file, path)
                   : -ENAMETOOLONG;
    }
    struct perf_event_attr attr = { .type = f->type, .size = sizeof attr, .config = f->config };
    long fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    s->fd = (int)fd;
    return 0;
}

static void close_source(struct source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    cn_sysfs_close(&s->file);
}

static int read_source(struct source *s, int64_t *count)
{
    if (s->fd < 0)
        return cn_sysfs_i64(&s->file, count);
    uint64_t value;
    ssize_t n;
    do
        n = read(s->fd, &value, sizeof value);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof value)
        return n < 0 ? -errno : -ENODATA;
    *count = (int64_t)value;
    return 0;
}

static void not_opened(const char *root, struct cn_channel *c, const struct event *event,
                       unsigned cpu, int error)
{
    char path[CN_PATH_MAX];
    int64_t paranoid = -2;
    if (!cn_sysfs_path(path, root, "/proc/sys/kernel/perf_event_paranoid") ||
        cn_sysfs_i64_at(path, &paranoid) != 0)
        paranoid = -2;
    if (error == -EACCES || error == -EPERM) {
        char level[24] = "not readable";
        if (paranoid != -2)
            snprintf(level, sizeof level, "%lld", (long long)paranoid);
        cn_channel_reason(c,
                          "%s on CPU %u: permission denied: kernel.perf_event_paranoid is %s, and "
                          "counting a whole CPU needs 0 or less, CAP_PERFMON, or root",
                          event->file, cpu, level);
        cn_channel_remedy(c, "sudo sysctl kernel.perf_event_paranoid=0 (until the next boot), or "
                             "sudo setcap cap_perfmon=ep carnot; in a container also allow "
                             "perf_event_open in its seccomp profile");
    } else if (!live(root)) {
        cn_channel_reason(c,
                          "%s on CPU %u: found, but %s is not the running system, so it cannot be "
                          "opened, and there is no %s/counts/%s.%u to stand for it",
                          event->file, cpu, root, pmu_dir, event->file, cpu);
        cn_channel_remedy(c, "without --root it is opened in the running kernel");
    } else {
        cn_channel_reason(c, "%s on CPU %u: perf_event_open: %s", event->file, cpu,
                          strerror(-error));
    }
}

static void close_state(void *opaque)
{
    struct state *s = opaque;
    for (size_t i = 0; s && i < s->n; i++)
        close_source(&s->sources[i]);
    free(s);
}

/* NULL, and the channel says why. */
static struct state *open_event(const struct cn_meter_request *request, const struct event *event,
                                struct cn_channel *channel)
{
    struct found f;
    bool there;
    if (!find(request->root, event, &f, &there, channel)) {
        if (!there)
            cn_channel_reason(channel, "%s is gone", event->file);
        return NULL;
    }
    struct state *s = calloc(1, sizeof *s);
    if (!s) {
        cn_channel_reason(channel, "out of memory");
        return NULL;
    }
    s->event = event;
    s->uj = f.uj;
    char *text = channel->info.sources;
    size_t used = 0, n_bytes = sizeof channel->info.sources;
    for (size_t i = 0; i < f.n_cpus; i++) {
        int error = open_source(request->root, event, &f, f.cpus[i], &s->sources[i]);
        if (error) {
            /* A sum that lacks a package would be a wrong number. */
            not_opened(request->root, channel, event, f.cpus[i], error);
            close_state(s);
            return NULL;
        }
        s->n++;
        if (used < n_bytes)
            used += (size_t)snprintf(text + used, n_bytes - used, "%s%s on CPU %u", i ? " + " : "",
                                     event->file, f.cpus[i]);
    }
    if (f.left_out[0] && used < n_bytes)
        snprintf(text + used, n_bytes - used, "; left out as dies that mirror it: CPU %s",
                 f.left_out);
    return s;
}

static const struct event *event_of(const char *boundary)
{
    const struct event *e = events;
    while (e + 1 < events + N_EVENTS && strcmp(e->boundary, boundary) != 0)
        e++;
    return e;
}

/* Some hypervisors show an event whose register they do not pass on: it opens, and counts nothing.
 * A real one steps every millisecond. Of the running kernel only, for files of a tree may be still;
 * and not where nothing stands between, for every start would wait for a step. */
static void expect_steps(const char *root, struct state *s, struct cn_channel *c)
{
    enum { TRIES = 50 };
    for (size_t i = 0; s && live(root) && cn_sysfs_is_vm(root) && i < s->n; i++) {
        int64_t first = 0, count = 0;
        int tries = 0;
        if (read_source(&s->sources[i], &first) != 0)
            continue; /* reading says why */
        do
            nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
        while (read_source(&s->sources[i], &count) == 0 && count == first && ++tries < TRIES);
        if (tries < TRIES)
            continue;
        c->info.sources[0] = 0;
        cn_channel_reason(c,
                          "%s on CPU %u stood still for a tenth of a second: the virtual machine "
                          "shows the counter, but passes nothing on",
                          s->event->file, s->sources[i].cpu);
        cn_channel_remedy(c, "measure on the host");
        return;
    }
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    bool any = false;
    for (size_t i = 0; i < N_EVENTS; i++) {
        struct found f;
        bool there;
        struct cn_channel probed = { .automatic = false };
        find(request->root, &events[i], &f, &there, &probed);
        if (!there)
            continue;
        any = true;
        char name[32];
        snprintf(name, sizeof name, "perf:%s", events[i].boundary);
        struct cn_channel *c = cn_channel_add(channels, name, events[i].boundary, "uJ", 1);
        if (!c)
            return;
        c->automatic = i == 0;
        c->info.counter = true;
        struct state *s = open_event(request, &events[i], c);
        expect_steps(request->root, s, c);
        close_state(s);
    }
    if (any)
        return;
    struct cn_channel *c = cn_channel_add(channels, "perf", "package", "uJ", 1);
    if (!c)
        return;
    c->automatic = c->info.counter = true;
    cn_channel_reason(c, "no power PMU: %s%s holds no energy event%s", request->root, pmu_dir,
                      cn_sysfs_is_vm(request->root) ? " (this is a virtual machine)" : "");
    cn_channel_remedy(c, "modprobe rapl (perf's driver of Intel and AMD CPUs); in a virtual "
                         "machine measure on the host");
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = open_event(request, event_of(channel->info.boundary), channel);
    if (!s)
        return NULL;
    opened->n_sources = (unsigned)s->n;
    /* The counts are fine, but the hardware steps by 2^-14 J as a rule. */
    opened->quantum_uj = fmax(61, s->uj);
    return s;
}

static enum cn_read read_counter(void *opaque, unsigned source, struct cn_reading *r)
{
    struct state *state = opaque;
    struct source *s = &state->sources[source];
    int64_t raw;
    int error = read_source(s, &raw);
    enum cn_read result = CN_READ_OK;
    if (error) {
        snprintf(r->why, sizeof r->why, "%s on CPU %u: %s", state->event->file, s->cpu,
                 cn_sysfs_strerror(error));
        return CN_READ_FAIL;
    }
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    if (s->raw >= 0 && raw >= s->raw &&
        !cn_joules_possible(state->uj * (double)(raw - s->raw), now - s->moved_ns)) {
        snprintf(r->why, sizeof r->why,
                 "%s on CPU %u: the count jumped forward by more than 20 kW can be",
                 state->event->file, s->cpu);
        result = CN_READ_BREAK;
    } else if (s->raw >= 0 && raw >= s->raw) {
        s->total += raw - s->raw;
    } else if (s->raw >= 0) {
        snprintf(r->why, sizeof r->why, "%s on CPU %u: the count went back", state->event->file,
                 s->cpu);
        result = CN_READ_BREAK;
    }
    if (raw != s->raw)
        s->moved_ns = now;
    s->raw = raw;
    r->value = state->uj * (double)s->total;
    return result;
}

const struct cn_meter cn_meter_perf = {
    .name = "perf",
    .probe = probe,
    .open = open_state,
    .read = read_counter,
    .close = close_state,
};
