/* SPDX-License-Identifier: MIT
 *
 * RAPL through powercap: /sys/class/powercap/intel-rapl:* and intel-rapl-mmio:* (AMD uses the same
 * names). Energy counters in uJ that step about once a millisecond and wrap at max_energy_range_uj.
 *
 * Zones nest: package holds core and uncore, psys holds the packages; dram is beside them. So each
 * kind of zone is a channel of its own, and only zones of one kind are added: one per socket and
 * die. Left out are second views of the same counter: intel-rapl-mmio where intel-rapl has that
 * socket, and dies that mirror their socket's counter (AMD). A socket that cannot be read makes the
 * channel unusable: a sum that lacks a socket would be a wrong number.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char class_dir[] = "/sys/class/powercap";

/* In order of preference when "powercap" alone is asked for. */
enum kind { PACKAGE, PSYS, DRAM, CORE, UNCORE, N_KINDS, NAMELESS = N_KINDS };
static const char *const kind_names[N_KINDS] = { "package", "psys", "dram", "core", "uncore" };

enum { MAX_ZONES = 4096 };

struct zone {
    char id[64]; /* "intel-rapl:0:1" */
    char dir[CN_PATH_MAX];
    char name[64];
    enum kind kind;
    int socket, die; /* -1: the name does not say */
    bool mmio;
    int error; /* of the name, if the kind is NAMELESS */
};

struct scan {
    struct zone *zones;
    size_t n;
    int error; /* of the class directory; 0 or -errno */
};

/* ---- finding zones --------------------------------------------------------------------------- */

static bool parse_name(struct zone *z)
{
    z->socket = z->die = -1;
    int end = -1;
    if (sscanf(z->name, "package-%d-die-%d%n", &z->socket, &z->die, &end) == 2 && end > 0 &&
        !z->name[end]) {
        z->kind = PACKAGE;
        return true;
    }
    z->die = -1;
    end = -1;
    if (sscanf(z->name, "package-%d%n", &z->socket, &end) == 1 && end > 0 && !z->name[end]) {
        z->kind = PACKAGE;
        return true;
    }
    z->socket = -1;
    for (int k = 0; k < N_KINDS; k++)
        if (k != PACKAGE && !strcmp(z->name, kind_names[k])) {
            z->kind = (enum kind)k;
            return true;
        }
    return false;
}

static struct zone *known(const struct scan *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->zones[i].id, id))
            return &s->zones[i];
    return NULL;
}

/* What the zone is; false if it is none of those that are known. One whose name cannot be read may
 * be any, which has to be told: a sum could lack it. */
static bool identify(struct zone *z)
{
    char path[CN_PATH_MAX];
    int n = cn_sysfs_path(path, z->dir, "/name") ? cn_sysfs_text_at(path, z->name, sizeof z->name)
                                                 : -ENAMETOOLONG;
    if (n > 0)
        return parse_name(z);
    z->kind = NAMELESS;
    z->socket = z->die = -1;
    z->error = n ? n : -ENODATA;
    return true;
}

static void add_zone(struct scan *s, struct zone *z)
{
    struct zone *before = known(s, z->id);
    if (before && before->kind != NAMELESS)
        return;
    if (!identify(z))
        return;
    if (before) {
        *before = *z;
        return;
    }
    struct zone *grown = s->n < MAX_ZONES ? realloc(s->zones, (s->n + 1) * sizeof *grown) : NULL;
    if (grown) {
        s->zones = grown;
        s->zones[s->n++] = *z;
    }
}

/* Kernels link every zone into the class directory; a tree copied from one may only have the nested
 * directories. So both are looked at, and a zone is known by its id. */
static int walk(struct scan *s, const char *dir, int depth)
{
    char **names;
    size_t n;
    int error = cn_sysfs_list(dir, &names, &n);
    if (error)
        return error;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(names[i], "intel-rapl", 10) != 0)
            continue;
        struct zone z = { .mmio = !strncmp(names[i], "intel-rapl-mmio", 15) };
        if (!cn_sysfs_path(z.dir, dir, "/%s", names[i]) || strlen(names[i]) >= sizeof z.id)
            continue;
        snprintf(z.id, sizeof z.id, "%s", names[i]);
        if (strchr(z.id, ':'))
            add_zone(s, &z);
        if (depth < 3)
            walk(s, z.dir, depth + 1);
    }
    cn_sysfs_list_free(names, n);
    return 0;
}

static int by_id_depth(const void *a, const void *b)
{
    const struct zone *x = a, *y = b;
    if (x->mmio != y->mmio)
        return x->mmio ? 1 : -1;
    size_t m = strlen(x->id), n = strlen(y->id);
    return m != n ? (m < n ? -1 : 1) : strcmp(x->id, y->id);
}

static struct scan scan(const char *root)
{
    struct scan s = { 0 };
    char dir[CN_PATH_MAX];
    s.error = cn_sysfs_path(dir, root, "%s", class_dir) ? walk(&s, dir, 0) : -ENAMETOOLONG;
    if (s.n)
        qsort(s.zones, s.n, sizeof *s.zones, by_id_depth);
    /* A zone inside a package belongs to its socket and die. */
    for (size_t i = 0; i < s.n; i++) {
        struct zone *z = &s.zones[i];
        for (size_t k = 0; z->socket < 0 && k < s.n; k++) {
            const struct zone *parent = &s.zones[k];
            size_t len = strlen(parent->id);
            if (parent->kind == PACKAGE && !strncmp(z->id, parent->id, len) && z->id[len] == ':') {
                z->socket = parent->socket;
                z->die = parent->die;
            }
        }
    }
    return s;
}

static int zone_energy(const struct zone *z, int64_t *uj)
{
    char path[CN_PATH_MAX];
    return cn_sysfs_path(path, z->dir, "/energy_uj") ? cn_sysfs_i64_at(path, uj) : -ENAMETOOLONG;
}

/* Two dies of a socket that show one counter: the second lies between two reads of the first, give
 * or take what a busy package uses between two steps. Counters of their own differ by far more. */
static bool mirrored(const struct zone *a, const struct zone *b)
{
    enum { SLACK_UJ = 200000 };
    int64_t a0, b0, a1;
    if (zone_energy(a, &a0) || zone_energy(b, &b0) || zone_energy(a, &a1))
        return false;
    return b0 >= a0 - SLACK_UJ && b0 <= a1 + SLACK_UJ;
}

/* The zones of a kind that are added up, with a line that says which. */
static size_t choose(const struct scan *s, enum kind kind, const struct zone **chosen,
                     char *sources, size_t n_bytes)
{
    size_t n = 0, used = 0;
    sources[0] = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct zone *z = &s->zones[i], *twin = NULL;
        if (z->kind != kind)
            continue;
        const char *why = NULL;
        for (size_t k = 0; k < n && k < CN_MAX_SOURCES && !why; k++) {
            twin = chosen[k];
            if (twin->socket != z->socket)
                continue;
            if (z->mmio && !twin->mmio)
                why = "is another view of";
            else if (z->mmio == twin->mmio && mirrored(twin, z))
                why = "mirrors";
        }
        if (used < n_bytes)
            used += (size_t)snprintf(sources + used, n_bytes - used, "%s%s (%s)%s%s%s",
                                     used ? ", " : "", z->id, z->name, why ? " left out: " : "",
                                     why ? why : "", why ? " " : "");
        if (why && used < n_bytes)
            used += (size_t)snprintf(sources + used, n_bytes - used, "%s", twin->id);
        if (!why && n < CN_MAX_SOURCES)
            chosen[n] = z;
        n += !why;
    }
    return n;
}

/* A zone without a name that may be of this kind, beside the n that are; NULL: there is none.
 * Sockets are not inside of another zone, their parts are. */
static const struct zone *lacking(const struct scan *s, enum kind kind,
                                  const struct zone *const *chosen, size_t n)
{
    for (size_t i = 0; i < s->n && kind != PSYS; i++) {
        const struct zone *z = &s->zones[i];
        bool outer = strchr(z->id, ':') == strrchr(z->id, ':');
        if (z->kind == NAMELESS && outer == (kind == PACKAGE) &&
            !(z->mmio && n > 0 && !chosen[0]->mmio)) /* a second view */
            return z;
    }
    return NULL;
}

/* ---- probe ----------------------------------------------------------------------------------- */

static void unreadable(struct cn_channel *c, const struct zone *z, int error)
{
    if (error == -EACCES || error == -EPERM) {
        cn_channel_reason(c,
                          "%s/energy_uj: permission denied (only root may read it since "
                          "CVE-2020-8694, Linux 5.10)",
                          z->id);
        cn_channel_remedy(c,
                          "run as root, or: sudo chmod 0444 /sys/class/powercap/*/energy_uj; to "
                          "keep it over a reboot, in /etc/sysfs.conf: mode "
                          "class/powercap/%s/energy_uj = 0444",
                          z->id);
    } else {
        cn_channel_reason(c, "%s/energy_uj: %s", z->id, cn_sysfs_strerror(error));
        cn_channel_remedy(c, "reload the driver: modprobe -r intel_rapl_msr && modprobe "
                             "intel_rapl_msr; in a container, mount all of /sys/class/powercap and "
                             "/sys/devices/virtual/powercap");
    }
}

static void nameless(struct cn_channel *c, const struct zone *z)
{
    cn_channel_reason(c,
                      "%s/name: %s, so what it counts is not known, and the sum of the others may "
                      "lack it",
                      z->id, cn_sysfs_strerror(z->error));
    cn_channel_remedy(c, "%s",
                      z->error == -EACCES || z->error == -EPERM
                          ? "run as root, or: sudo chmod a+r /sys/class/powercap/*/name"
                          : "reload the driver: modprobe -r intel_rapl_msr && modprobe "
                            "intel_rapl_msr; in a container, mount all of /sys/class/powercap and "
                            "/sys/devices/virtual/powercap");
}

static void too_many(struct cn_channel *c, size_t n)
{
    cn_channel_reason(c, "%zu zones to add up, %d at the most expected", n, CN_MAX_SOURCES);
    cn_channel_remedy(c, "record them yourself and use file: or carnot attribute");
}

static void check_zones(struct cn_channel *c, const struct scan *s, enum kind kind,
                        const struct zone **zones, size_t n)
{
    int64_t uj;
    const struct zone *lacks = lacking(s, kind, zones, n);
    if (lacks) {
        nameless(c, lacks);
        return;
    }
    if (n > CN_MAX_SOURCES) {
        too_many(c, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int error = zone_energy(zones[i], &uj);
        if (error) {
            unreadable(c, zones[i], error);
            return;
        }
    }
    if (kind == PSYS && n > 1) {
        cn_channel_reason(c,
                          "%zu psys zones count differently, and which of them holds the whole "
                          "platform is not known",
                          n);
        cn_channel_remedy(c, "use powercap:package");
    }
}

static void probe_nothing(const struct cn_meter_request *request, const struct scan *s,
                          struct cn_channel_list *channels)
{
    struct cn_channel *c = cn_channel_add(channels, "powercap", "package", "uJ", 1);
    if (!c)
        return;
    c->automatic = true;
    c->info.counter = true;
    bool vm = cn_sysfs_is_vm(request->root);
    if (s->error == -ENOENT || s->error == -ENOTDIR)
        cn_channel_reason(c, "no %s%s: %s", request->root, class_dir,
                          vm ? "this is a virtual machine, and RAPL is not passed to it"
                             : "the kernel offers no RAPL here (a virtual machine, a container, or "
                               "a CPU without it)");
    else if (s->error)
        cn_channel_reason(c, "%s%s: %s", request->root, class_dir, cn_sysfs_strerror(s->error));
    else
        cn_channel_reason(c, "%s%s holds no intel-rapl zone", request->root, class_dir);
    cn_channel_remedy(c, vm ? "measure on the host, or record an outside meter and use file: or "
                              "carnot attribute"
                            : "modprobe intel_rapl_msr; in a container mount /sys/class/powercap; "
                              "else record an outside meter and use file: or carnot attribute");
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    struct scan s = scan(request->root);
    bool any = false;
    for (int k = 0; k < N_KINDS; k++) {
        const struct zone *zones[CN_MAX_SOURCES];
        char sources[256], name[32];
        size_t n = choose(&s, (enum kind)k, zones, sources, sizeof sources);
        if (!n && !(k == PACKAGE && lacking(&s, PACKAGE, zones, 0)))
            continue;
        any = true;
        snprintf(name, sizeof name, "powercap:%s", kind_names[k]);
        struct cn_channel *c = cn_channel_add(channels, name, kind_names[k], "uJ", 1);
        if (!c)
            break;
        c->automatic = k == PACKAGE;
        c->info.counter = true;
        snprintf(c->info.sources, sizeof c->info.sources, "%s", sources);
        check_zones(c, &s, (enum kind)k, zones, n);
    }
    if (!any)
        probe_nothing(request, &s, channels);
    free(s.zones);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct counter {
    struct cn_sysfs_file file;
    char id[64];
    int64_t range;  /* max_energy_range_uj; 0: cannot be read */
    int64_t raw;    /* at the last read; -1: none yet */
    int64_t at_ns;  /* when that was */
    int64_t total;  /* uJ since opened */
    unsigned n_odd; /* reads in a row without a number */
};

struct state {
    size_t n;
    struct counter counters[];
};

static void close_state(void *opaque)
{
    struct state *s = opaque;
    for (size_t i = 0; s && i < s->n; i++)
        cn_sysfs_close(&s->counters[i].file);
    free(s);
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct scan s = scan(request->root);
    const struct zone *zones[CN_MAX_SOURCES];
    const char *boundary = channel->info.boundary;
    int kind = 0;
    while (kind + 1 < N_KINDS && strcmp(boundary, kind_names[kind]) != 0)
        kind++;
    size_t n =
        choose(&s, (enum kind)kind, zones, channel->info.sources, sizeof channel->info.sources);
    const struct zone *lacks = lacking(&s, (enum kind)kind, zones, n);
    const bool fit = n <= CN_MAX_SOURCES;
    struct state *state =
        n && fit && !lacks ? calloc(1, sizeof *state + n * sizeof *state->counters) : NULL;
    if (!state && lacks)
        nameless(channel, lacks);
    else if (!fit)
        too_many(channel, n);
    else if (!state)
        cn_channel_reason(channel, n ? "out of memory" : "the zones are gone");
    int64_t least_range = INT64_MAX;
    for (size_t i = 0; state && i < n; i++) {
        struct counter *c = &state->counters[i];
        char path[CN_PATH_MAX];
        c->raw = -1;
        c->file.fd = -1;
        state->n++;
        snprintf(c->id, sizeof c->id, "%s", zones[i]->id);
        int error = cn_sysfs_path(path, zones[i]->dir, "/energy_uj") ? cn_sysfs_open(&c->file, path)
                                                                     : -ENAMETOOLONG;
        if (error) {
            unreadable(channel, zones[i], error);
            close_state(state);
            state = NULL;
            break;
        }
        if (!cn_sysfs_path(path, zones[i]->dir, "/max_energy_range_uj") ||
            cn_sysfs_i64_at(path, &c->range) != 0 || c->range < 0)
            c->range = 0;
        if (c->range && c->range < least_range)
            least_range = c->range;
    }
    opened->n_sources = (unsigned)n;
    /* One count of the usual unit, 2^-14 J. */
    opened->quantum_uj = 61;
    /* Two wraps between two reads cannot be told from one: read at least twice per wrap at 1 kW. */
    if (least_range != INT64_MAX)
        opened->min_hz = 2 * 1000 / (1e-6 * (double)least_range);
    free(s.zones);
    return state;
}

static enum cn_read first(struct counter *c, int64_t raw, int64_t now)
{
    c->raw = raw;
    c->at_ns = now;
    return CN_READ_OK;
}

/* A counter that went back has wrapped, or was reset (driver reloaded, machine suspended). */
static enum cn_read went_back(struct counter *c, int64_t raw, int64_t now, struct cn_reading *r)
{
    int64_t added = c->range - c->raw + raw;
    bool wrap = c->range > 0 && c->raw <= c->range && added >= 0 &&
                cn_joules_possible((double)added, now - c->at_ns);
    if (wrap)
        c->total += added;
    else if (c->range <= 0)
        snprintf(
            r->why, sizeof r->why,
            "%s: the counter went back and max_energy_range_uj cannot be read, so the energy in "
            "between is not known",
            c->id);
    else
        snprintf(r->why, sizeof r->why, "%s: the counter was reset", c->id);
    first(c, raw, now);
    return wrap ? CN_READ_OK : CN_READ_BREAK;
}

/* A counter that went on, as far as that can be. */
static enum cn_read went_on(struct counter *c, int64_t raw, int64_t now, struct cn_reading *r)
{
    int64_t added = raw - c->raw;
    bool possible = cn_joules_possible((double)added, now - c->at_ns);
    if (possible)
        c->total += added;
    else
        snprintf(r->why, sizeof r->why, "%s: the counter jumped forward by more than 20 kW can be",
                 c->id);
    first(c, raw, now);
    return possible ? CN_READ_OK : CN_READ_BREAK;
}

static enum cn_read odd(struct counter *c, int error, struct cn_reading *r)
{
    /* A file that is being rewritten is empty for a moment; one that stays so is broken. */
    bool passing = error == -ENODATA || error == -EINVAL || error == -ENOENT;
    if (passing && ++c->n_odd < 10)
        return CN_READ_SKIP;
    snprintf(r->why, sizeof r->why, "%s/energy_uj: %s", c->id, cn_sysfs_strerror(error));
    return CN_READ_FAIL;
}

static enum cn_read read_counter(void *opaque, unsigned source, struct cn_reading *r)
{
    struct counter *c = &((struct state *)opaque)->counters[source];
    int64_t raw;
    int error = cn_sysfs_i64(&c->file, &raw);
    /* Read again before believing in a wrap: simulated files may be caught half written. */
    if (!error && c->raw >= 0 && raw < c->raw)
        error = cn_sysfs_i64(&c->file, &raw);
    if (!error && raw < 0)
        error = -EINVAL;
    if (error)
        return odd(c, error, r);
    c->n_odd = 0;
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    enum cn_read result = CN_READ_OK;
    if (c->raw < 0) {
        result = first(c, raw, now);
    } else if (raw < c->raw) {
        result = went_back(c, raw, now, r);
    } else {
        result = went_on(c, raw, now, r);
    }
    r->value = (double)c->total;
    return result;
}

const struct cn_meter cn_meter_powercap = {
    .name = "powercap",
    .probe = probe,
    .open = open_state,
    .read = read_counter,
    .close = close_state,
};
