/* SPDX-License-Identifier: MIT
 *
 * Sensors of /sys/class/hwmon: power in uW (power1_input, power1_average), energy in uJ
 * (energy1_input), and the INA3221 of many boards, which gives mV and mA of three rails, to be
 * multiplied here. The number in hwmonN changes at boot, so a channel is known by the chip's name
 * and the rail's label.
 *
 * Nothing is added up but the sockets of amd_energy: rails contain each other (VDD_IN of a Jetson
 * is the board, the others are parts of it), and no file says which. Only what is known to be all
 * of a machine (VDD_IN, an ACPI power meter) or of its CPUs is taken without being asked for.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char class_dir[] = "/sys/class/hwmon";

enum { MAX_SENSORS = 256 };

enum form { POWER, ENERGY, PRODUCT };

/* One value to read: a file, or for PRODUCT a current and the voltage in `other`. */
struct whole;
struct sensor {
    char dir[CN_PATH_MAX];
    char chip[48], label[48];
    char device[48]; /* stays the same over boots: "1-0040"; hwmonN where there is no such link */
    char file[24], other[24];
    unsigned number; /* the N of powerN_input */
    enum form form;
    const struct whole *whole; /* of the whole machine, or of a CPU; NULL: a part */
    bool socket;               /* of amd_energy: added up with the other sockets */
    double period_ms;
    char name[96]; /* of its channel */
};

struct sensors {
    struct sensor *items;
    size_t n;
    int error; /* of the class directory; 0 or -errno */
};

/* ---- finding --------------------------------------------------------------------------------- */

static int text_of(const char *dir, const char *file, char *text, size_t n_bytes)
{
    char path[CN_PATH_MAX];
    int n = cn_sysfs_path(path, dir, "/%s", file) ? cn_sysfs_text_at(path, text, n_bytes)
                                                  : -ENAMETOOLONG;
    if (n <= 0)
        text[0] = 0;
    return n;
}

static int number_of(const char *dir, const char *file, int64_t *value)
{
    char path[CN_PATH_MAX];
    return cn_sysfs_path(path, dir, "/%s", file) ? cn_sysfs_i64_at(path, value) : -ENAMETOOLONG;
}

static bool there(const char *dir, const char *file)
{
    char path[CN_PATH_MAX];
    return cn_sysfs_path(path, dir, "/%s", file) && access(path, F_OK) == 0;
}

/* Names of meters stand in lists with commas and end up in tables. */
static void tidy(char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("_.+-", *text))
            *text = '_';
}

static void device_of(const char *dir, const char *entry, char *device, size_t n_bytes)
{
    char path[CN_PATH_MAX], target[CN_PATH_MAX];
    ssize_t n = cn_sysfs_path(path, dir, "/device") ? readlink(path, target, sizeof target - 1) : 0;
    target[n > 0 ? n : 0] = 0;
    const char *slash = strrchr(target, '/');
    snprintf(device, n_bytes, "%.40s", n > 0 ? (slash ? slash + 1 : target) : entry);
    tidy(device);
}

/* What is known to be all of a machine, or of its CPUs, by what drivers document. NULL: any chip,
 * or a sensor without a label. */
static const struct whole {
    const char *chip, *label, *boundary;
} wholes[] = {
    {NULL,            "VDD_IN",             "board"  }, /* Jetson */
    { NULL,           "POM_5V_IN",          "board"  }, /* older ones */
    { "power_meter",  NULL,                 "system" }, /* ACPI */
    { "macsmc_hwmon", "Total System Power", "system" }, /* Apple's SMC under Asahi */
    { "ibmpowernv",   "System",             "system" }, /* POWER, through OPAL */
    { "corsairpsu",   "power total",        "system" }, /* a PSU that tells its input */
    { "xgene",        "CPU power",          "package"}, /* X-Gene's management controller */
    { "fam15h_power", NULL,                 "package"}, /* AMD before Zen */
};

static const struct whole *whole_of(const struct sensor *s)
{
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        const struct whole *w = &wholes[i];
        if ((!w->chip || !strcmp(w->chip, s->chip)) &&
            (w->label ? !strcmp(w->label, s->label) : w->chip && s->form == POWER))
            return w;
    }
    return NULL;
}

/* The current of a rail belongs to the voltage of the same number on an INA3221, elsewhere only if
 * both labels say the same. */
static bool pairs(const struct sensor *s)
{
    char file[32], label[48], volts[48];
    snprintf(file, sizeof file, "in%u_input", s->number);
    if (!there(s->dir, file))
        return false;
    if (!strncmp(s->chip, "ina3221", 7))
        return s->number <= 3; /* in4 to in6 are the shunts, in7 their sum */
    snprintf(file, sizeof file, "curr%u_label", s->number);
    text_of(s->dir, file, label, sizeof label);
    snprintf(file, sizeof file, "in%u_label", s->number);
    text_of(s->dir, file, volts, sizeof volts);
    return label[0] && !strcmp(label, volts);
}

static void read_label(struct sensor *s)
{
    static const char *const stems[] = { "power", "energy", "in" };
    char file[32];
    snprintf(file, sizeof file, "%s%u_label", stems[s->form], s->number);
    text_of(s->dir, file, s->label, sizeof s->label);
    if (s->form == PRODUCT && !s->label[0]) {
        snprintf(file, sizeof file, "curr%u_label", s->number);
        text_of(s->dir, file, s->label, sizeof s->label);
    }
}

static void read_period(struct sensor *s)
{
    int64_t ms;
    char file[32];
    snprintf(file, sizeof file, "power%u_average_interval", s->number);
    bool average = strstr(s->file, "_average") && !number_of(s->dir, file, &ms) && ms > 0;
    if (average || (!number_of(s->dir, "update_interval", &ms) && ms > 0))
        s->period_ms = (double)ms;
    else
        /* Until repeats show another: what an INA converts in, and a slow chip's second. */
        s->period_ms = s->form == ENERGY ? 1 : !strncmp(s->chip, "ina", 3) ? 100 : 1000;
}

/* Whether `file` is something to read; fills form, number and file. */
static bool recognise(struct sensor *s, const char *file)
{
    int end = -1;
    char other[32];
    s->other[0] = 0;
    if (strlen(file) >= sizeof s->file)
        return false;
    snprintf(s->file, sizeof s->file, "%.23s", file);
    if (sscanf(file, "power%u_average%n", &s->number, &end) == 1 && end > 0 && !file[end]) {
        s->form = POWER;
        snprintf(other, sizeof other, "power%u_input", s->number);
        /* Some drivers have both and answer for one of them only. */
        int64_t v;
        return number_of(s->dir, other, &v) != 0 || number_of(s->dir, file, &v) == 0;
    }
    end = -1;
    if (sscanf(file, "power%u_input%n", &s->number, &end) == 1 && end > 0 && !file[end]) {
        s->form = POWER;
        snprintf(other, sizeof other, "power%u_average", s->number);
        int64_t v;
        return !there(s->dir, other) ||
               (number_of(s->dir, file, &v) == 0 && number_of(s->dir, other, &v) != 0);
    }
    end = -1;
    if (sscanf(file, "energy%u_input%n", &s->number, &end) == 1 && end > 0 && !file[end]) {
        s->form = ENERGY;
        return true;
    }
    end = -1;
    if (sscanf(file, "curr%u_input%n", &s->number, &end) == 1 && end > 0 && !file[end]) {
        s->form = PRODUCT;
        snprintf(s->other, sizeof s->other, "in%u_input", s->number % 1000);
        char power[32];
        snprintf(power, sizeof power, "power%u_input", s->number);
        return pairs(s) && !there(s->dir, power);
    }
    return false;
}

static void scan_chip(struct sensors *all, const char *dir, const char *entry)
{
    struct sensor s = { .period_ms = 0 };
    char type[32], **names;
    size_t n;
    snprintf(s.dir, sizeof s.dir, "%.1000s", dir);
    text_of(dir, "name", s.chip, sizeof s.chip);
    tidy(s.chip);
    /* Every power supply shows up here once more; batteries have a meter of their own. */
    text_of(dir, "device/type", type, sizeof type);
    if (!s.chip[0] || !strcmp(type, "Battery") || cn_sysfs_list(dir, &names, &n) != 0)
        return;
    device_of(dir, entry, s.device, sizeof s.device);
    for (size_t i = 0; i < n && all->n < MAX_SENSORS; i++) {
        if (!recognise(&s, names[i]))
            continue;
        read_label(&s);
        bool amd = !strcmp(s.chip, "amd_energy");
        s.socket = amd && !strncmp(s.label, "Esocket", 7);
        if ((amd && !s.socket) || !strcmp(s.label, "NC"))
            continue; /* cores are parts of sockets; NC is not connected */
        s.whole = whole_of(&s);
        read_period(&s);
        tidy(s.label);
        struct sensor *grown = realloc(all->items, (all->n + 1) * sizeof *grown);
        if (!grown)
            break;
        all->items = grown;
        all->items[all->n++] = s;
    }
    cn_sysfs_list_free(names, n);
}

static int whole_first(const void *a, const void *b)
{
    const struct sensor *x = a, *y = b;
    const bool first = x->whole || x->socket, second = y->whole || y->socket;
    if (first != second)
        return first ? -1 : 1;
    int d = strcmp(x->chip, y->chip);
    if (!d)
        d = strcmp(x->device, y->device);
    if (!d)
        d = (int)x->form - (int)y->form;
    return d ? d : x->number < y->number ? -1 : x->number > y->number;
}

static void plain_name(const struct sensor *s, char *name, size_t n_bytes)
{
    static const char *const stems[] = { "power", "energy", "rail" };
    if (s->socket)
        snprintf(name, n_bytes, "hwmon:%.24s:sockets", s->chip);
    else if (s->label[0])
        snprintf(name, n_bytes, "hwmon:%.24s:%.40s", s->chip, s->label);
    else
        snprintf(name, n_bytes, "hwmon:%.24s:%s%u", s->chip, stems[s->form], s->number);
}

/* Two chips of one name with the same label are told apart by the device they sit on. */
static void give_names(struct sensors *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct sensor *s = &all->items[i];
        plain_name(s, s->name, sizeof s->name);
        bool twice = false;
        for (size_t k = 0; k < all->n && !s->socket; k++) {
            char other[96];
            plain_name(&all->items[k], other, sizeof other);
            twice |= k != i && !strcmp(other, s->name);
        }
        size_t used = strlen(s->name);
        if (twice)
            snprintf(s->name + used, sizeof s->name - used, "@%.22s", s->device);
    }
}

static struct sensors scan(const char *root)
{
    struct sensors all = { 0 };
    char dir[CN_PATH_MAX], entry[CN_PATH_MAX], **names;
    size_t n;
    all.error =
        cn_sysfs_path(dir, root, "%s", class_dir) ? cn_sysfs_list(dir, &names, &n) : -ENAMETOOLONG;
    if (all.error)
        return all;
    for (size_t i = 0; i < n; i++)
        if (cn_sysfs_path(entry, dir, "/%s", names[i]))
            scan_chip(&all, entry, names[i]);
    cn_sysfs_list_free(names, n);
    if (all.n)
        qsort(all.items, all.n, sizeof *all.items, whole_first);
    give_names(&all);
    return all;
}

/* ---- probe ----------------------------------------------------------------------------------- */

static void unreadable(struct cn_channel *c, const struct sensor *s, const char *file, int error)
{
    cn_channel_reason(
        c, "%s of %s: %s%s", file, s->chip, cn_sysfs_strerror(error),
        error == -EACCES && s->socket ? " (only root may read it since CVE-2020-12912)" : "");
    if (error == -EACCES || error == -EPERM)
        cn_channel_remedy(c, "run as root, or: sudo chmod a+r %s/*_input", s->dir);
    else if (error == -ENODATA)
        cn_channel_remedy(c, "the sensor is asleep or switched off: look at the *_enable files of "
                             "its directory");
}

static void check(struct cn_channel *c, const struct sensor *s)
{
    int64_t v;
    char enable[32];
    snprintf(enable, sizeof enable, s->form == PRODUCT ? "in%u_enable" : "power%u_enable",
             s->number);
    if (s->form != ENERGY && !number_of(s->dir, enable, &v) && v == 0) {
        cn_channel_reason(c, "%s of %s is 0: the rail is not measured", enable, s->chip);
        cn_channel_remedy(c, "echo 1 | sudo tee %s/%s", s->dir, enable);
        return;
    }
    int error = number_of(s->dir, s->file, &v);
    if (error)
        unreadable(c, s, s->file, error);
    if (error || !s->other[0])
        return;
    error = number_of(s->dir, s->other, &v);
    if (error)
        unreadable(c, s, s->other, error);
}

static void boundary_of(const struct sensor *s, char *boundary, size_t n_bytes)
{
    if (s->socket)
        snprintf(boundary, n_bytes, "package");
    else if (s->whole)
        snprintf(boundary, n_bytes, "%s", s->whole->boundary);
    else
        snprintf(boundary, n_bytes, "rail %.40s", s->label[0] ? s->label : s->chip);
}

static void describe(struct cn_channel *c, const struct sensor *s)
{
    char *text = c->info.sources;
    size_t used = strlen(text), n_bytes = sizeof c->info.sources;
    if (s->socket)
        snprintf(text + used, n_bytes - used, "%s%s", used ? " + " : "", s->label);
    else
        snprintf(text, n_bytes, "%s%s%s of %s%s", s->file, s->other[0] ? " x " : "", s->other,
                 s->chip, s->whole ? ": all of it, its parts are not added" : "");
}

static void probe_nothing(const struct cn_meter_request *request, int error,
                          struct cn_channel_list *channels)
{
    struct cn_channel *c = cn_channel_add(channels, "hwmon", "", "uW", CN_UNKNOWN);
    if (error)
        cn_channel_reason(c, "%s%s: %s", request->root, class_dir, cn_sysfs_strerror(error));
    else
        cn_channel_reason(c, "no power or energy sensor in %s%s", request->root, class_dir);
    cn_channel_remedy(c, "boards with an INA sensor need its driver (modprobe ina3221, ina2xx)");
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    struct sensors all = scan(request->root);
    struct cn_channel *sockets = NULL;
    size_t first = channels->n;
    for (size_t i = 0; i < all.n; i++) {
        const struct sensor *s = &all.items[i];
        struct cn_channel *c = s->socket ? sockets : NULL;
        if (!c) {
            char boundary[48];
            boundary_of(s, boundary, sizeof boundary);
            c = cn_channel_add(channels, s->name, boundary, s->form == ENERGY ? "uJ" : "uW",
                               s->period_ms);
            if (!c)
                break;
            c->automatic = s->whole || s->socket;
            c->info.counter = s->form == ENERGY;
        }
        /* Sensors of sockets follow each other, so the channel does not move in between. */
        sockets = s->socket ? c : NULL;
        describe(c, s);
        if (c->info.ok)
            check(c, s);
    }
    if (channels->n == first && !channels->out_of_memory)
        probe_nothing(request, all.error, channels);
    free(all.items);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct input {
    struct cn_sysfs_file file, other;
    enum form form;
    char what[80];
    int64_t raw;      /* of a counter at the last read; -1: none yet */
    int64_t moved_ns; /* when it last changed */
    double total;
};

struct state {
    size_t n;
    struct input inputs[CN_MAX_SOURCES];
};

static void close_state(void *opaque)
{
    struct state *s = opaque;
    for (size_t i = 0; s && i < s->n; i++) {
        cn_sysfs_close(&s->inputs[i].file);
        cn_sysfs_close(&s->inputs[i].other);
    }
    free(s);
}

static int open_in(struct cn_sysfs_file *f, const char *dir, const char *file)
{
    char path[CN_PATH_MAX];
    return cn_sysfs_path(path, dir, "/%s", file) ? cn_sysfs_open(f, path) : -ENAMETOOLONG;
}

static bool open_input(struct input *in, const struct sensor *s, struct cn_channel *channel)
{
    *in = (struct input){ .file = { .fd = -1 }, .other = { .fd = -1 }, .form = s->form, .raw = -1 };
    snprintf(in->what, sizeof in->what, "%s of %s", s->file, s->chip);
    int error = open_in(&in->file, s->dir, s->file);
    if (error) {
        unreadable(channel, s, s->file, error);
        return false;
    }
    error = s->other[0] ? open_in(&in->other, s->dir, s->other) : 0;
    if (error)
        unreadable(channel, s, s->other, error);
    return !error;
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct sensors all = scan(request->root);
    struct state *state = calloc(1, sizeof *state);
    bool ok = state != NULL;
    if (!ok)
        cn_channel_reason(channel, "out of memory");
    for (size_t i = 0; i < all.n && ok; i++) {
        const struct sensor *s = &all.items[i];
        if (strcmp(s->name, channel->info.name) != 0)
            continue;
        if (state->n == CN_MAX_SOURCES) {
            cn_channel_reason(channel, "more than %d sockets", CN_MAX_SOURCES);
            ok = false;
            break;
        }
        ok = open_input(&state->inputs[state->n++], s, channel);
        if (strstr(s->file, "_average"))
            opened->mean_ns = 1e6 * s->period_ms;
    }
    free(all.items);
    if (ok && state->n == 0) {
        cn_channel_reason(channel, "the sensor is gone");
        ok = false;
    }
    if (!ok) {
        close_state(state);
        return NULL;
    }
    opened->n_sources = (unsigned)state->n;
    opened->quantum_uj = channel->info.counter ? 61 : 0; /* as RAPL, from which most of them are */
    return state;
}

static enum cn_read read_counter(struct input *in, int64_t raw, struct cn_reading *r)
{
    enum cn_read result = CN_READ_OK;
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    if (in->raw >= 0 && raw >= in->raw &&
        !cn_joules_possible((double)(raw - in->raw), now - in->moved_ns)) {
        snprintf(r->why, sizeof r->why, "%s: the counter jumped forward by more than 20 kW can be",
                 in->what);
        result = CN_READ_BREAK;
    } else if (in->raw >= 0 && raw >= in->raw) {
        in->total += (double)(raw - in->raw);
    } else if (in->raw >= 0) {
        /* hwmon does not say where its counters wrap. */
        snprintf(r->why, sizeof r->why, "%s: the counter went back", in->what);
        result = CN_READ_BREAK;
    }
    if (raw != in->raw)
        in->moved_ns = now;
    in->raw = raw;
    r->value = in->total;
    return result;
}

static enum cn_read read_input(void *opaque, unsigned source, struct cn_reading *r)
{
    struct input *in = &((struct state *)opaque)->inputs[source];
    int64_t value, other = 1;
    int error = cn_sysfs_i64(&in->file, &value);
    if (!error && in->form == PRODUCT)
        error = cn_sysfs_i64(&in->other, &other);
    if (error) {
        snprintf(r->why, sizeof r->why, "%s: %s", in->what, cn_sysfs_strerror(error));
        return CN_READ_FAIL;
    }
    if (in->form == ENERGY)
        return read_counter(in, value, r);
    r->value = (double)value * (double)other; /* mV times mA is uW */
    if (!cn_power_plausible((double)value, r->value, in->what, r->why, sizeof r->why) ||
        !cn_power_plausible((double)other, r->value, in->what, r->why, sizeof r->why))
        return CN_READ_FAIL;
    if (r->value >= 0)
        return CN_READ_OK;
    /* Also the little below 0 that a rail without a load reads: 0 J would be a claim. */
    snprintf(r->why, sizeof r->why,
             "%s is below 0, which is no consumption: the current flows the other way, or the "
             "sensor is mounted reversed",
             in->what);
    return CN_READ_FAIL;
}

const struct cn_meter cn_meter_hwmon = {
    .name = "hwmon",
    .probe = probe,
    .open = open_state,
    .read = read_input,
    .close = close_state,
};
