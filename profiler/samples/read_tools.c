/* SPDX-License-Identifier: MIT
 *
 * Samples as programs print them: logcat lines of BatteryManager, dumpsys battery, tegrastats,
 * powermetrics, perf stat -I.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/samples/dumpsys.h"
#include "profiler/samples/plausible.h"
#include "profiler/samples/rows.h"
#include "profiler/samples/timestamp.h"

static void has(struct cn_rows *r, enum cn_role role, double scale, bool phone)
{
    r->has[role] = true;
    r->kind[role] = (struct cn_column_kind){ role, scale, false, phone };
}

/* ---- logcat: ... stats => ts_ms,current_uA,mV,percent,temperature in 0.1 C ------------------- */

static bool marks_logcat(const char *line)
{
    return strstr(line, "stats =>") != NULL;
}

static int read_logcat(struct cn_reader *reader, char *line)
{
    struct cn_rows *r = &reader->rows;
    const char *s = strstr(line, "stats =>");
    long long ts;
    double current, mv;
    struct cn_cells c = cn_no_cells();
    if (!s)
        return 0; /* a log holds other lines, too */
    if (sscanf(s + 8, " %lld , %lf , %lf", &ts, &current, &mv) != 3 || !isfinite(current) ||
        !isfinite(mv) || ts < 0)
        return cn_rows_fault(r, "expected stats => ts_ms,uA,mV,...");
    r->log = true;
    has(r, CN_ROLE_TIME, 1e6, false);
    has(r, CN_ROLE_CURRENT, 1, true);
    has(r, CN_ROLE_VOLTAGE, 1000, true);
    cn_cells_time(&c, 1e6, (double)ts, ts, true);
    cn_cells_put(r, &c, CN_ROLE_CURRENT, current);
    cn_cells_put(r, &c, CN_ROLE_VOLTAGE, mv);
    return cn_rows_add(r, &c);
}

const struct cn_form cn_form_logcat = { .marks = marks_logcat, .read = read_logcat };

/* ---- dumpsys battery, each behind a line with the time --------------------------------------- */

struct dumpsys {
    struct cn_dumpsys battery;
    struct cn_cells cells;
};

static bool marks_dumpsys(const char *line)
{
    return strstr(line, "Current Battery Service state") != NULL;
}

static int end_dumpsys(struct cn_reader *reader)
{
    struct cn_rows *r = &reader->rows;
    struct dumpsys *d = reader->state;
    if (!d || !d->battery.begun)
        return 0;
    const struct cn_dumpsys *b = &d->battery;
    char why[200];
    const struct cn_supply supply = {
        .battery = "it", .flow = b->flow, .charger = b->charger, .charger_name = b->charger_name
    };
    if (!d->cells.has_time)
        return cn_rows_fault(r,
                             "dumpsys battery without a time: expected a line of it before each, "
                             "as `date +%%s.%%3N` prints it");
    d->cells.charger = !cn_battery_is_all(&supply, why, sizeof why);
    has(r, CN_ROLE_CURRENT, 0, true);
    has(r, CN_ROLE_VOLTAGE, 0, true);
    if (!isnan(b->current))
        cn_cells_put(r, &d->cells, CN_ROLE_CURRENT, b->current);
    if (!isnan(b->voltage))
        cn_cells_put(r, &d->cells, CN_ROLE_VOLTAGE, b->voltage);
    const int result = cn_rows_add(r, &d->cells);
    cn_dumpsys_begin(&d->battery);
    d->cells = cn_no_cells();
    return result;
}

static int read_dumpsys(struct cn_reader *reader, char *line)
{
    struct dumpsys *d = reader->state;
    struct cn_timestamp stamp;
    char *end;
    if (!d) {
        d = reader->state = malloc(sizeof *d);
        if (!d)
            return cn_rows_fault(&reader->rows, "out of memory");
        cn_dumpsys_begin(&d->battery);
        d->cells = cn_no_cells();
    }
    const double t = strtod(line, &end);
    const bool number = end != line && !end[strspn(end, " \r\n")];
    const bool date = !number && cn_timestamp_parse(line, &stamp, NULL);
    if (!number && !date) {
        cn_dumpsys_line(&d->battery, line);
        return 0;
    }
    if (end_dumpsys(reader) != 0)
        return -1;
    if (date)
        cn_cells_time(&d->cells, 1, (double)stamp.ns, stamp.ns, true);
    else
        cn_cells_time(&d->cells, 0, t, 0, false);
    reader->rows.no_zone |= date && stamp.no_zone;
    return 0;
}

const struct cn_form cn_form_dumpsys = { .marks = marks_dumpsys,
                                         .read = read_dumpsys,
                                         .end = end_dumpsys };

/* ---- tegrastats: 11-24-2025 16:16:39 RAM ... VDD_IN 4000mW/4940mW ---------------------------- */

static bool marks_tegrastats(const char *line)
{
    const char *ram = strstr(line, "RAM ");
    return ram && strstr(ram, "MB (lfb ") && isdigit((unsigned char)ram[4]);
}

/* The power of a rail, "NAME 4000mW/4940mW" (now and mean), in mW. */
static bool rail_of(const char *line, const char *name, double *mw)
{
    const size_t n = strlen(name);
    for (const char *s = line; (s = strstr(s, name)) != NULL; s += n) {
        char *end;
        if ((s != line && s[-1] != ' ') || s[n] != ' ')
            continue;
        *mw = strtod(s + n + 1, &end);
        if (end != s + n + 1 && (!strncmp(end, "mW/", 3) || *end == '/'))
            return true;
    }
    return false;
}

/* The names of all rails of a line. */
static void rails_of(const char *line, char *text, size_t n_bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (const char *s = line; (s = strpbrk(s, "VPS")) != NULL && used < n_bytes;) {
        const size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        char name[48];
        double mw;
        snprintf(name, sizeof name, "%.*s", (int)(n < 47 ? n : 47), s);
        if (n > 3 && strncmp(name, "SWAP", 4) != 0 && rail_of(s, name, &mw))
            used += (size_t)snprintf(text + used, n_bytes - used, "%s%s", used ? ", " : "", name);
        s += n ? n : 1;
    }
}

static int read_tegrastats(struct cn_reader *reader, char *line)
{
    static const char *const wholes[] = { "VDD_IN", "POM_5V_IN" };
    struct cn_rows *r = &reader->rows;
    struct cn_cells c = cn_no_cells();
    struct cn_timestamp stamp;
    const char *wanted = r->options->columns;
    double mw, epoch;
    char *end;
    if (!marks_tegrastats(line))
        return 0;
    epoch = strtod(line, &end);
    if (cn_timestamp_parse(line, &stamp, NULL)) {
        cn_cells_time(&c, 1, (double)stamp.ns, stamp.ns, true);
        r->no_zone |= stamp.no_zone;
    } else if (end != line && *end == ' ') {
        cn_cells_time(&c, 0, epoch, 0, false);
    } else {
        return cn_rows_fault(r,
                             "tegrastats without a time: expected its date in front, which older "
                             "ones lack; run it as tegrastats | while read l; do echo $(date "
                             "+%%s.%%3N) $l; done");
    }
    bool found = false;
    if (wanted && strncmp(wanted, "power=", 6) == 0) {
        found = rail_of(line, wanted + 6, &mw);
    } else {
        for (size_t i = 0; i < 2 && !found; i++)
            found = rail_of(line, wholes[i], &mw);
    }
    if (!found) {
        char text[160];
        rails_of(line, text, sizeof text);
        return cn_rows_fault(r, "tegrastats gives %s; --column power=NAME says which",
                             text[0] ? text : "no power");
    }
    has(r, CN_ROLE_POWER, 1000, false);
    cn_cells_put(r, &c, CN_ROLE_POWER, mw);
    return cn_rows_add(r, &c);
}

const struct cn_form cn_form_tegrastats = { .marks = marks_tegrastats, .read = read_tegrastats };

/* ---- powermetrics ---------------------------------------------------------------------------- */

/* *** Sampled system activity (Mon Nov 24 16:16:39 2025 +0000) (100.00ms elapsed) ***
 * CPU Power: 4000 mW
 * Combined Power (CPU + GPU + ANE): 4012 mW
 *
 * Its dates are of whole seconds, but how long each sample took is known to 10 us: the samples
 * follow each other from the moment that fits all of the dates. */
struct powermetrics {
    bool open, combined;
    double elapsed_ns, mw;
    double at_ns;     /* end of the present sample, from the first date */
    double offset_ns; /* by which that is late at the least */
    int64_t first_ns; /* the first date */
};

static bool marks_powermetrics(const char *line)
{
    return !strncmp(line, "*** Sampled system activity (", 29);
}

static int end_powermetrics(struct cn_reader *reader)
{
    struct powermetrics *p = reader->state;
    struct cn_rows *r = &reader->rows;
    if (!p || !p->open)
        return 0;
    p->open = false;
    if (isnan(p->mw))
        return cn_rows_fault(r, "a sample of powermetrics without power: expected Combined Power, "
                                "or CPU Power, as --samplers cpu_power prints it");
    struct cn_cells c = cn_no_cells();
    has(r, CN_ROLE_POWER, 1000, false);
    /* The power of a sample is its mean: of its middle. */
    const int64_t t = p->first_ns + (int64_t)(p->at_ns - p->elapsed_ns / 2);
    cn_cells_time(&c, 1, (double)t, t, true);
    cn_cells_put(r, &c, CN_ROLE_POWER, p->mw);
    return cn_rows_add(r, &c);
}

static int begin_sample(struct cn_reader *reader, const char *line)
{
    struct powermetrics *p = reader->state;
    struct cn_timestamp stamp;
    const char *end;
    double ms;
    const bool first = !p;
    if (first && !(p = reader->state = calloc(1, sizeof *p)))
        return cn_rows_fault(&reader->rows, "out of memory");
    if (end_powermetrics(reader) != 0)
        return -1;
    if (!cn_timestamp_parse(line + 29, &stamp, &end) ||
        sscanf(end, ") (%lfms elapsed)", &ms) != 1 || !(ms > 0 && ms < 1e7))
        return cn_rows_fault(&reader->rows,
                             "expected *** Sampled system activity (date) (X ms elapsed) ***");
    if (first)
        p->first_ns = stamp.ns;
    p->elapsed_ns = 1e6 * ms;
    p->at_ns += first ? 0 : p->elapsed_ns;
    /* A date is the time cut off to seconds: the clock is never before it. */
    p->offset_ns = fmax(p->offset_ns, (double)(stamp.ns - p->first_ns) - p->at_ns);
    p->mw = CN_UNKNOWN;
    p->combined = false;
    p->open = true;
    return 0;
}

static int read_powermetrics(struct cn_reader *reader, char *line)
{
    struct powermetrics *p = reader->state;
    double mw;
    if (marks_powermetrics(line))
        return begin_sample(reader, line);
    if (!p || !p->open)
        return 0;
    const char *colon = strrchr(line, ':');
    if (!colon || sscanf(colon + 1, " %lf mW", &mw) != 1 || !strstr(colon, "mW"))
        return 0;
    if (!strncmp(line, "Combined Power", 14) || (!p->combined && !strncmp(line, "CPU Power:", 10)))
        p->mw = mw;
    p->combined |= !strncmp(line, "Combined Power", 14);
    return 0;
}

static int close_powermetrics(struct cn_reader *reader)
{
    struct powermetrics *p = reader->state;
    struct cn_rows *r = &reader->rows;
    if (end_powermetrics(reader) != 0)
        return -1;
    for (size_t i = 0; p && i < r->n; i++)
        r->rows[i].t_ns += (int64_t)p->offset_ns;
    return 0;
}

const struct cn_form cn_form_powermetrics = { .marks = marks_powermetrics,
                                              .read = read_powermetrics,
                                              .end = close_powermetrics };

/* ---- perf stat -I ms [-x SEP]: time, joules of the interval, Joules, event ------------------- */

struct perf {
    char event[64]; /* the one that is read */
    double joules;
    double last_s;
};

static const char *energy_event(const char *line)
{
    const char *at = strstr(line, "power/energy-");
    return at ? at : strstr(line, "energy-");
}

static bool marks_perf(const char *line)
{
    const char *joules = strstr(line, "Joules");
    char *end;
    (void)strtod(line, &end);
    return joules && energy_event(joules) && end != line;
}

static int read_perf(struct cn_reader *reader, char *line)
{
    struct cn_rows *r = &reader->rows;
    struct perf *p = reader->state;
    const char *unit = strstr(line, "Joules"), *event = unit ? energy_event(unit) : NULL;
    const char *wanted = r->options->columns;
    if (!event)
        return 0; /* comments, and events that are no energy */
    if (!p && !(p = reader->state = calloc(1, sizeof *p)))
        return cn_rows_fault(r, "out of memory");
    char name[64], *end;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(event, " ,;|\t\r\n"), event);
    if (wanted && !strncmp(wanted, "energy=", 7)) {
        if (strcmp(wanted + 7, name) != 0)
            return 0;
    } else if (p->event[0] && strcmp(p->event, name) != 0) {
        return cn_rows_fault(r,
                             "several columns could be meant: %.60s, %.60s; --column "
                             "energy=NAME says which",
                             p->event, name);
    }
    const double s = strtod(line, &end);
    if (end == line || !isfinite(s) || (p->event[0] && s <= p->last_s && r->n))
        return cn_rows_fault(r, "expected perf stat -I MS -x, : one line for each time, found %s",
                             end == line ? "no time" : "two for one (of several sockets?)");
    /* The value stands right before its unit. */
    const char *from = unit;
    while (from > line && strchr(" ,;|\t", from[-1]))
        from--;
    while (from > line && !strchr(" ,;|\t", from[-1]))
        from--;
    const double joules = strtod(from, &end);
    struct cn_cells c = cn_no_cells();
    cn_cells_time(&c, 1e9, s, 0, false);
    has(r, CN_ROLE_ENERGY, 1e6, false);
    snprintf(p->event, sizeof p->event, "%s", name);
    p->last_s = s;
    if (end != from && isfinite(joules) && joules >= 0) {
        p->joules += joules;
        c.of[CN_ROLE_ENERGY] = 1e6 * p->joules;
    }
    return cn_rows_add(r, &c);
}

const struct cn_form cn_form_perf = { .marks = marks_perf, .read = read_perf };
