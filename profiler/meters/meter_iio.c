/* SPDX-License-Identifier: MIT
 *
 * On-device power monitors of phones (ODPM): the energy_value of /sys/bus/iio/devices/iio:device*
 * (pac1934, s2mpg10 and their like in Pixels) lists the rails of one chip with their energy since
 * boot in uWs:
 *
 *     t=349894
 *     CH0(T=349894)[S10M_VDD_TPU], 5578756
 *     CH1(T=349894)[VSYS_PWR_MODEM], 29110940
 *
 * and older kernels give the time alone and "CH1[VSYS_PWR_MODEM], 29110940" or the bare name.
 *
 * Each rail is a channel. Two sums are offered, of rails that do not contain each other: iio:cpu,
 * the rails of the CPU clusters, and iio:rails, all bucks (S<n>..) and all loads straight from the
 * battery's bus (VSYS..). LDOs (L<n>..) hang on bucks and are left out, and so are rails whose name
 * says nothing.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char class_dir[] = "/sys/bus/iio/devices";

enum { MAX_DEVICES = 8, MAX_RAILS = 32 /* of a device */, TEXT_BYTES = 4096 };

struct rail {
    char name[48];
    int64_t uj;
};

struct device {
    struct cn_sysfs_file file;
    char id[32];                  /* "iio:device0" */
    struct rail rails[MAX_RAILS]; /* as first read */
    size_t n_rails;
    bool wanted[MAX_RAILS];
    bool begun;
    int64_t moved_ns; /* when the sum of those last changed */
    int64_t total;
};

struct state {
    struct device devices[MAX_DEVICES];
    size_t n;
    size_t sources[MAX_DEVICES]; /* devices that hold a rail that is wanted */
    size_t n_sources;
};

/* ---- reading --------------------------------------------------------------------------------- */

/* One line; false if it is not of the form. *is_rail: it holds one (else the time). */
static bool parse_line(char *line, struct rail *rail, bool *is_rail)
{
    size_t n = strlen(line);
    while (n > 0 && isspace((unsigned char)line[n - 1]))
        line[--n] = 0;
    line += strspn(line, " \t");
    *is_rail = false;
    if (!*line)
        return true;
    const char *digits = strncmp(line, "t=", 2) ? line : line + 2;
    size_t len = strspn(digits, "0123456789");
    if (len && (!digits[len] || !strcmp(digits + len, ",")))
        return true;
    char *comma = strrchr(line, ',');
    if (!comma)
        return false;
    *comma = 0;
    const char *number = comma + 1 + strspn(comma + 1, " \t");
    char *end;
    errno = 0;
    long long uj = strtoll(number, &end, 10);
    if (errno || end == number || *end || uj < 0)
        return false;
    char *name = strchr(line, '['), *close = name ? strchr(name, ']') : NULL;
    if (name && !close)
        return false;
    name = name ? name + 1 : line;
    len = close ? (size_t)(close - name) : strcspn(name, "( \t");
    if (!len || len >= sizeof rail->name)
        return false;
    for (size_t i = 0; i < len; i++)
        rail->name[i] = isalnum((unsigned char)name[i]) || strchr("_.+-", name[i]) ? name[i] : '_';
    rail->name[len] = 0;
    rail->uj = uj;
    *is_rail = true;
    return true;
}

/* All rails of a device. Their number, or -errno (EINVAL: not of the form). */
static int read_rails(struct cn_sysfs_file *f, struct rail rails[MAX_RAILS])
{
    char text[TEXT_BYTES];
    int length = cn_sysfs_all(f, text, sizeof text);
    if (length <= 0)
        return length < 0 ? length : -ENODATA;
    if (length == TEXT_BYTES - 1)
        return -EINVAL;
    int n = 0;
    for (char *save = text, *line; (line = strsep(&save, "\n")) != NULL;) {
        struct rail rail;
        bool is_rail;
        if (!parse_line(line, &rail, &is_rail) || (is_rail && n == MAX_RAILS))
            return -EINVAL;
        if (is_rail)
            rails[n++] = rail;
    }
    return n ? n : -ENODATA;
}

static const char *describe_error(int error)
{
    return error == -EINVAL ? "not lines of rails and their energy" : cn_sysfs_strerror(error);
}

/* ---- finding --------------------------------------------------------------------------------- */

static void close_state(void *opaque)
{
    struct state *s = opaque;
    for (size_t i = 0; s && i < s->n; i++)
        cn_sysfs_close(&s->devices[i].file);
    free(s);
}

/* Opens every device that has energies. NULL, and c says why, if there is none or one cannot be
 * read. */
static struct state *open_devices(const char *root, struct cn_channel *c)
{
    char dir[CN_PATH_MAX], path[CN_PATH_MAX], **names;
    size_t n;
    int error =
        cn_sysfs_path(dir, root, "%s", class_dir) ? cn_sysfs_list(dir, &names, &n) : -ENAMETOOLONG;
    if (error) {
        cn_channel_reason(c, "%s%s: %s", root, class_dir, cn_sysfs_strerror(error));
        return NULL;
    }
    struct state *s = calloc(1, sizeof *s);
    bool ok = s != NULL;
    if (!ok)
        cn_channel_reason(c, "out of memory");
    for (size_t i = 0; i < n && ok && s->n < MAX_DEVICES; i++) {
        struct device *d = &s->devices[s->n];
        if (!cn_sysfs_path(path, dir, "/%s/energy_value", names[i]))
            continue;
        error = cn_sysfs_open(&d->file, path);
        if (error == -ENOENT || error == -ENOTDIR)
            continue; /* another kind of sensor */
        snprintf(d->id, sizeof d->id, "%.31s", names[i]);
        int rails = error;
        if (!error) {
            s->n++;
            rails = read_rails(&d->file, d->rails);
        }
        if (rails < 0) {
            cn_channel_reason(c, "%s/energy_value: %s", names[i], describe_error(rails));
            if (rails == -EACCES || rails == -EPERM)
                cn_channel_remedy(c, "run as root; without it use the battery");
            ok = false;
        } else {
            d->n_rails = (size_t)rails;
        }
    }
    cn_sysfs_list_free(names, n);
    if (ok && s->n == 0) {
        cn_channel_reason(c, "no device in %s%s has an energy_value", root, class_dir);
        ok = false;
    }
    if (ok)
        return s;
    close_state(s);
    return NULL;
}

/* "S10M_VDD_TPU": a letter, a number, M or S (main or sub chip), "_". */
static bool numbered(const char *name, char letter)
{
    size_t n = *name == letter ? strspn(name + 1, "0123456789") : 0;
    return n && (name[n + 1] == 'M' || name[n + 1] == 'S') && name[n + 2] == '_';
}

static bool wanted(const char *which, const char *rail)
{
    if (!strcmp(which, "cpu"))
        return numbered(rail, 'S') && strstr(rail, "_VDD_CPU");
    if (!strcmp(which, "rails"))
        return numbered(rail, 'S') || !strncmp(rail, "VSYS", 4);
    return !strcmp(which, rail);
}

/* Marks the rails of a channel and writes which they are. How many. */
static size_t choose(struct state *s, const char *which, char *text, size_t n_bytes)
{
    size_t n = 0, used = 0;
    text[0] = 0;
    s->n_sources = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct device *d = &s->devices[i];
        bool any = false;
        for (size_t k = 0; k < d->n_rails; k++) {
            d->wanted[k] = wanted(which, d->rails[k].name);
            if (!d->wanted[k])
                continue;
            any = true;
            n++;
            if (used < n_bytes)
                used += (size_t)snprintf(text + used, n_bytes - used, "%s%s", used ? " + " : "",
                                         d->rails[k].name);
        }
        if (any)
            s->sources[s->n_sources++] = i;
    }
    return n;
}

/* ---- the meter ------------------------------------------------------------------------------- */

static void add(struct cn_channel_list *channels, struct state *s, const char *which,
                const char *boundary)
{
    char sources[256], name[64];
    if (!choose(s, which, sources, sizeof sources))
        return;
    snprintf(name, sizeof name, "iio:%s", which);
    for (size_t i = 0; i < channels->n; i++)
        if (!strcmp(channels->items[i].info.name, name))
            return; /* a rail that two chips name: one channel, of both */
    /* Drivers fetch new values ten times a second or so; the repeats tell. */
    struct cn_channel *c = cn_channel_add(channels, name, boundary, "uJ", 100);
    if (!c)
        return;
    c->info.counter = true;
    c->automatic = !strcmp(which, "rails");
    snprintf(c->info.sources, sizeof c->info.sources, "%s", sources);
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    struct cn_channel why = { .automatic = false };
    struct state *s = open_devices(request->root, &why);
    if (!s) {
        struct cn_channel *c = cn_channel_add(channels, "iio", "rails", "uJ", 100);
        cn_channel_reason(c, "%s", why.info.reason);
        cn_channel_remedy(c, "%s",
                          why.info.remedy[0]
                              ? why.info.remedy
                              : "phones with ODPM rails have it (Pixel 4 and later)");
        return;
    }
    add(channels, s, "rails", "rails");
    add(channels, s, "cpu", "cpu rails");
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->devices[i].n_rails; k++) {
            char boundary[64];
            const char *name = s->devices[i].rails[k].name;
            snprintf(boundary, sizeof boundary, "rail %s", name);
            add(channels, s, name, boundary);
        }
    close_state(s);
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = open_devices(request->root, channel);
    if (!s)
        return NULL;
    const char *which = strchr(channel->info.name, ':');
    if (!which || !choose(s, which + 1, channel->info.sources, sizeof channel->info.sources)) {
        cn_channel_reason(channel, "the rails are gone");
        close_state(s);
        return NULL;
    }
    opened->n_sources = (unsigned)s->n_sources;
    opened->quantum_uj = 1;
    return s;
}

static enum cn_read read_counter(void *opaque, unsigned source, struct cn_reading *r)
{
    struct state *s = opaque;
    struct device *d = &s->devices[s->sources[source]];
    struct rail now[MAX_RAILS];
    int n = read_rails(&d->file, now);
    if (n < 0) {
        snprintf(r->why, sizeof r->why, "%s/energy_value: %s", d->id, describe_error(n));
        return CN_READ_FAIL;
    }
    /* Rails can be chosen anew while this runs; then a sum of the old ones is not there any more.
     */
    bool same = (size_t)n == d->n_rails, back = false;
    int64_t added = 0;
    for (int k = 0; same && k < n; k++) {
        same = !strcmp(now[k].name, d->rails[k].name);
        if (!same || !d->wanted[k])
            continue;
        back |= now[k].uj < d->rails[k].uj;
        added += now[k].uj - d->rails[k].uj;
    }
    if (!same) {
        snprintf(r->why, sizeof r->why, "%s: other rails than at the start", d->id);
        return CN_READ_FAIL;
    }
    memcpy(d->rails, now, (size_t)n * sizeof *now);
    const int64_t t_ns = cn_now_ns(CLOCK_MONOTONIC);
    bool jumped = d->begun && !cn_joules_possible((double)added, t_ns - d->moved_ns);
    if (d->begun && !back && !jumped)
        d->total += added;
    if (!d->begun || back || added)
        d->moved_ns = t_ns;
    r->value = (double)d->total;
    if (d->begun && back) {
        snprintf(r->why, sizeof r->why, "%s: a counter went back", d->id);
        return CN_READ_BREAK;
    }
    if (jumped) {
        snprintf(r->why, sizeof r->why, "%s: a counter jumped forward by more than 20 kW can be",
                 d->id);
        return CN_READ_BREAK;
    }
    d->begun = true;
    return CN_READ_OK;
}

const struct cn_meter cn_meter_iio = {
    .name = "iio",
    .probe = probe,
    .open = open_state,
    .read = read_counter,
    .close = close_state,
};
