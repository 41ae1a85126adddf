/* SPDX-License-Identifier: MIT
 *
 * A command that prints samples (`exec:COMMAND`), for meters that only a program can read: an
 * outside power meter, a phone over adb, a management controller. It is started by sh when the run
 * starts and ended with it, with all that it started. A line is
 *
 *     [time] value[unit]        12.5      12.5 W      1700000000.250 12.5 W      3.2,1234567 uJ
 *
 * with blanks or a comma in between; unit W, mW, uW, kW, or of a cumulative counter J, mJ, uJ, kJ,
 * Wh, mWh, kWh; none is W. The time is in seconds (ms, us, ns are known by their size) on
 * CLOCK_REALTIME, MONOTONIC or BOOTTIME; without it a line counts for when it arrived, so the
 * command should flush each. Other lines are left out, and counted.
 *
 * The command is the user's own, as one typed into a shell; it does not run under the root.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/threads.h"
#include "profiler/meters/meter.h"
#include "profiler/samples/samples.h"

enum { FIRST_S = 10, POLL_MS = 50, LINE_BYTES = 1024, MAX_ROWS = 1 << 24 };

struct row {
    int64_t arrival_ns, t_ns; /* t_ns: on the command's own clock; 0: it gave none */
    double value;             /* uW or uJ */
    bool broken;              /* what was used since the row before is not known */
    bool no_value; /* by which is meant that it is not known, or below 0, or over 20 kW */
};

struct state {
    struct cn_child child;
    pthread_t thread;
    bool running; /* the thread */
    atomic_bool stop;
    int64_t start_ns;
    /* Below: under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t first;
    struct row *rows;
    size_t n, cap;
    bool counter, timed;
    bool full;   /* no memory for more */
    bool broken; /* a reading was left out since the last row */
    bool over;   /* its output ended */
    int64_t over_ns;
    int status; /* of its end; -1: not known */
    size_t n_odd;
    char odd[80]; /* the first line that was none */
};

/* ---- lines ----------------------------------------------------------------------------------- */

static const struct unit {
    const char *name;
    double scale; /* to uW or uJ */
    bool counter;
} units[] = {
    {"W",    1e6,    false},
    { "mW",  1e3,    false},
    { "uW",  1,      false},
    { "kW",  1e9,    false},
    { "J",   1e6,    true },
    { "mJ",  1e3,    true },
    { "uJ",  1,      true },
    { "kJ",  1e9,    true },
    { "Wh",  3600e6, true },
    { "mWh", 3600e3, true },
    { "kWh", 3600e9, true },
};

static const struct unit *unit_of(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == len && !strncmp(units[i].name, text, len))
            return &units[i];
    return NULL;
}

/* By its size, taking 1973 to 5138 as the times that matter: seconds, ms, us, ns. */
static bool parse_time(double t, int64_t *ns)
{
    double scale = t > 1e17 ? 1 : t > 1e14 ? 1e3 : t > 1e11 ? 1e6 : 1e9;
    if (!(t > 0 && t * scale < 9e18))
        return false;
    *ns = (int64_t)(t * scale);
    return true;
}

static bool parse_line(const char *line, struct row *row, bool *counter)
{
    static const char blanks[] = " \t\r,;";
    double number[2];
    int n = 0;
    const struct unit *unit = NULL;
    for (const char *s = line + strspn(line, blanks); *s; s += strspn(s, blanks)) {
        if (unit)
            return false; /* nothing follows the unit */
        char *end = NULL;
        if (isdigit((unsigned char)*s) || strchr("+-.", *s)) {
            number[n < 2 ? n : 0] = strtod(s, &end);
            if (end == s || n++ == 2)
                return false;
            s = end;
        }
        size_t len = strcspn(s, blanks);
        if (len) {
            unit = n ? unit_of(s, len) : NULL;
            if (!unit)
                return false;
            s += len;
        }
    }
    if (!n)
        return false;
    unit = unit ? unit : &units[0];
    *counter = unit->counter;
    row->t_ns = 0;
    row->value = number[n - 1] * unit->scale;
    row->no_value = cn_means_unknown(number[n - 1]) ||
                    (!unit->counter && (row->value < 0 || !cn_watts_possible(row->value)));
    return isfinite(row->value) && (row->value >= 0 || !unit->counter) &&
           (n == 1 || parse_time(number[0], &row->t_ns));
}

/* Under the lock. False if the row does not go with those before. */
static bool add_row(struct state *s, const struct row *row, bool counter)
{
    bool timed = row->t_ns != 0;
    if (s->n && (counter != s->counter || timed != s->timed ||
                 (timed && row->t_ns < s->rows[s->n - 1].t_ns)))
        return false;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 1024;
        struct row *rows = cap <= MAX_ROWS ? realloc(s->rows, cap * sizeof *rows) : NULL;
        s->full |= !rows;
        if (!rows)
            return true;
        s->rows = rows;
        s->cap = cap;
    }
    s->counter = counter;
    s->timed = timed;
    s->rows[s->n] = *row;
    s->rows[s->n++].broken = s->broken;
    s->broken = false;
    return true;
}

static void take_line(struct state *s, const char *line, int64_t arrival_ns)
{
    struct row row = { .arrival_ns = arrival_ns };
    bool counter = false, ok = parse_line(line, &row, &counter);
    pthread_mutex_lock(&s->lock);
    /* Power below 0 is no consumption; what was used until the next line is not known. */
    bool missing = ok && row.no_value;
    s->broken |= missing && s->n;
    if (!(ok && !missing && add_row(s, &row, counter)) && line[strspn(line, " \t\r")] &&
        !s->n_odd++) {
        snprintf(s->odd, sizeof s->odd, "%.70s", line);
        for (char *c = s->odd; *c; c++)
            if (!isprint((unsigned char)*c))
                *c = '?';
    }
    pthread_cond_signal(&s->first);
    pthread_mutex_unlock(&s->lock);
}

static void *listen_to(void *arg)
{
    struct state *s = arg;
    char line[LINE_BYTES];
    size_t used = 0;
    while (!atomic_load(&s->stop)) {
        struct pollfd fd = { s->child.fd, POLLIN, 0 };
        if (poll(&fd, 1, POLL_MS) <= 0)
            continue;
        ssize_t n = read(s->child.fd, line + used, sizeof line - 1 - used);
        int64_t arrival = cn_now_ns(CLOCK_MONOTONIC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
        line[used] = 0;
        char *from = line, *end;
        while ((end = memchr(from, '\n', used - (size_t)(from - line))) != NULL) {
            *end = 0;
            take_line(s, from, arrival);
            from = end + 1;
        }
        used -= (size_t)(from - line);
        memmove(line, from, used + 1);
        if (used == sizeof line - 1) { /* no line of samples is as long */
            take_line(s, line, arrival);
            used = 0;
        }
    }
    pthread_mutex_lock(&s->lock);
    if (!atomic_load(&s->stop)) {
        s->over = true;
        s->over_ns = cn_now_ns(CLOCK_MONOTONIC);
    }
    pthread_cond_signal(&s->first);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    char name[sizeof(((struct cn_meter_info *)0)->name)];
    snprintf(name, sizeof name, "exec%s%s", *request->arg ? ":" : "", request->arg);
    struct cn_channel *c = cn_channel_add(channels, name, "command", "uW", CN_UNKNOWN);
    if (c && !*request->arg) {
        cn_channel_reason(c, "no command was named");
        cn_channel_remedy(c, "--meter 'exec:COMMAND', a command that prints watts line by line");
    }
}

/* Stops listening and ends the command. */
static void finish(struct state *s)
{
    atomic_store(&s->stop, true);
    if (s->running)
        pthread_join(s->thread, NULL);
    s->running = false;
    if (!s->over)
        cn_child_stop(&s->child);
}

static void close_state(void *opaque)
{
    struct state *s = opaque;
    if (!s)
        return;
    finish(s);
    cn_child_stop(&s->child);
    pthread_cond_destroy(&s->first);
    pthread_mutex_destroy(&s->lock);
    free(s->rows);
    free(s);
}

/* How a command that closed its output ended. */
static void describe_end(struct state *s, char *text, size_t n_bytes)
{
    int status = -1;
    for (int i = 0; i < 50 && !cn_child_ended(&s->child, &status); i++)
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    cn_child_describe(status, text, n_bytes);
}

static void no_reading(struct state *s, struct cn_channel *channel)
{
    char how[40];
    if (s->over) {
        describe_end(s, how, sizeof how);
        cn_channel_reason(channel, "the command ended (%s) without a reading%s%s%s", how,
                          s->n_odd ? "; it said \"" : "", s->odd, s->n_odd ? "\"" : "");
    } else {
        cn_channel_reason(channel, "the command gave no reading in %d s%s%s%s", FIRST_S,
                          s->n_odd ? "; it said \"" : "", s->odd, s->n_odd ? "\"" : "");
    }
    cn_channel_remedy(channel,
                      "a line is [time] value[unit], such as 12.5 W; it may have to be told "
                      "to flush each line (stdbuf -oL)");
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    const char *const argv[] = { "sh", "-c", request->arg, NULL };
    struct state *s = calloc(1, sizeof *s);
    if (!s) {
        cn_channel_reason(channel, "out of memory");
        return NULL;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->first, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    s->start_ns = cn_now_ns(CLOCK_MONOTONIC);
    int error = cn_child_start(&s->child, argv, false);
    if (!error) {
        error = -cn_thread_start(&s->thread, listen_to, s);
        s->running = !error;
    }
    if (error) {
        cn_channel_reason(channel, "the command cannot be started: %s", strerror(-error));
        close_state(s);
        return NULL;
    }
    /* Its first reading says whether it gives power or energy. */
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FIRST_S;
    pthread_mutex_lock(&s->lock);
    while (!s->n && !s->over && pthread_cond_timedwait(&s->first, &s->lock, &until) != ETIMEDOUT)
        ;
    bool ok = s->n > 0;
    channel->info.counter = s->counter;
    pthread_mutex_unlock(&s->lock);
    if (!ok) {
        finish(s);
        no_reading(s, channel);
        close_state(s);
        return NULL;
    }
    snprintf(channel->info.unit, sizeof channel->info.unit, channel->info.counter ? "uJ" : "uW");
    opened->n_sources = 1;
    return s;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int64_t stamp(const struct row *row, bool timed)
{
    return timed ? row->t_ns : row->arrival_ns;
}

static double spacing(const struct state *s, bool timed)
{
    double *gaps = s->n > 1 ? malloc((s->n - 1) * sizeof *gaps) : NULL;
    if (!gaps)
        return 1e9;
    for (size_t i = 1; i < s->n; i++)
        gaps[i - 1] = (double)(stamp(&s->rows[i], timed) - stamp(&s->rows[i - 1], timed));
    qsort(gaps, s->n - 1, sizeof *gaps, by_size);
    double median = gaps[(s->n - 1) / 2];
    free(gaps);
    /* Lines that came all at once say nothing of the meter's pace. */
    return fmax(median, 1e5);
}

static bool make_series(const struct state *s, bool timed, struct cn_samples *samples)
{
    struct cn_series *series = &samples->series;
    *samples = (struct cn_samples){ .first_ns = stamp(&s->rows[0], timed),
                                    .last_ns = stamp(&s->rows[s->n - 1], timed) };
    series->counter = s->counter;
    series->declared_ns = spacing(s, timed);
    if (!cn_series_reserve(series, s->n))
        return false;
    double base = 0, last = CN_UNKNOWN;
    for (size_t i = 0; i < s->n; i++) {
        const struct row *r = &s->rows[i];
        bool back = s->counter && r->value < last;
        if (back)
            base += last - r->value;
        cn_series_add(series, stamp(r, timed), stamp(r, timed), r->value + base, back || r->broken);
        last = r->value;
    }
    cn_series_rows(series);
    return true;
}

static void remark(struct state *s, bool unmatched, struct cn_profiler_error *err)
{
    size_t used = 0, n_bytes = err ? sizeof err->text : 0;
    char how[40];
    if (s->over && used < n_bytes) {
        describe_end(s, how, sizeof how);
        used += (size_t)snprintf(err->text, n_bytes, "exec: the command ended (%s) after %.1f s",
                                 how, 1e-9 * (double)(s->over_ns - s->start_ns));
    }
    if (s->n_odd && used < n_bytes)
        used +=
            (size_t)snprintf(err->text + used, n_bytes - used,
                             "%s%zu of its lines are no readings like the first, such as \"%s\"",
                             used ? "; " : "exec: ", s->n_odd, s->odd);
    if (s->full && used < n_bytes)
        used += (size_t)snprintf(err->text + used, n_bytes - used,
                                 "%sit printed more than was kept", used ? "; " : "exec: ");
    if (unmatched && used < n_bytes)
        snprintf(
            err->text + used, n_bytes - used,
            "%sits times are on no clock of this machine, so lines count for when they arrived",
            used ? "; " : "exec: ");
}

static int collect(void *opaque, const struct cn_clock *clock, int64_t t0_ns, int64_t t1_ns,
                   struct cn_series *series, struct cn_profiler_error *err)
{
    struct state *s = opaque;
    finish(s);
    struct cn_samples samples;
    bool ok = make_series(s, s->timed, &samples), unmatched = false;
    if (ok && s->timed && !cn_samples_join(&samples, clock, t0_ns, t1_ns, 0)) {
        cn_samples_free(&samples);
        unmatched = true;
        ok = make_series(s, false, &samples);
    }
    if (!ok) {
        if (err)
            snprintf(err->text, sizeof err->text, "out of memory");
        return -1;
    }
    if (s->over || s->full || s->broken)
        cn_series_break(&samples.series);
    remark(s, unmatched, err);
    cn_series_free(series);
    *series = samples.series;
    return 0;
}

const struct cn_meter cn_meter_exec = {
    .name = "exec",
    .free_text = true,
    .probe = probe,
    .open = open_state,
    .collect = collect,
    .close = close_state,
};
