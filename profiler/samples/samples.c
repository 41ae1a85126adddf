/* SPDX-License-Identifier: MIT */
#include "profiler/samples/samples.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/jsonl.h"

enum { LINE_BYTES = 65536, MAX_COLUMNS = 64 };

enum role { NOTHING, TIME, POWER, ENERGY, CURRENT, VOLTAGE, N_ROLES };

/* Column and key names. scale gives ns, uW, uJ, uA, uV; 0: the unit of time is guessed. */
/* clang-format off */
static const struct {
    const char *name;
    enum role role;
    double scale;
} columns[] = {
    { "t_ns", TIME, 1 }, { "time_ns", TIME, 1 }, { "ts_ns", TIME, 1 }, { "timestamp_ns", TIME, 1 },
    { "t_us", TIME, 1e3 }, { "time_us", TIME, 1e3 }, { "ts_us", TIME, 1e3 }, { "timestamp_us", TIME, 1e3 },
    { "t_ms", TIME, 1e6 }, { "time_ms", TIME, 1e6 }, { "ts_ms", TIME, 1e6 }, { "timestamp_ms", TIME, 1e6 },
    { "t_s", TIME, 1e9 }, { "time_s", TIME, 1e9 }, { "ts_s", TIME, 1e9 }, { "timestamp_s", TIME, 1e9 },
    { "seconds", TIME, 1e9 },
    { "t", TIME, 0 }, { "time", TIME, 0 }, { "ts", TIME, 0 }, { "timestamp", TIME, 0 },
    { "power_w", POWER, 1e6 }, { "watts", POWER, 1e6 }, { "w", POWER, 1e6 }, { "power", POWER, 1e6 },
    { "power_mw", POWER, 1e3 }, { "mw", POWER, 1e3 }, { "power_uw", POWER, 1 }, { "uw", POWER, 1 },
    { "energy_j", ENERGY, 1e6 }, { "joules", ENERGY, 1e6 }, { "j", ENERGY, 1e6 }, { "energy", ENERGY, 1e6 },
    { "energy_mj", ENERGY, 1e3 }, { "mj", ENERGY, 1e3 }, { "energy_uj", ENERGY, 1 }, { "uj", ENERGY, 1 },
    { "energy_wh", ENERGY, 3600e6 }, { "energy_mwh", ENERGY, 3600e3 },
    { "current_a", CURRENT, 1e6 }, { "current_ma", CURRENT, 1e3 }, { "current_ua", CURRENT, 1 },
    { "a", CURRENT, 1e6 }, { "ma", CURRENT, 1e3 }, { "ua", CURRENT, 1 },
    { "voltage_v", VOLTAGE, 1e6 }, { "voltage_mv", VOLTAGE, 1e3 }, { "voltage_uv", VOLTAGE, 1 },
    { "v", VOLTAGE, 1e6 }, { "mv", VOLTAGE, 1e3 }, { "uv", VOLTAGE, 1 },
};
/* clang-format on */

/* Times lie within this of 0 (1970 to 2065): differences of two, and sums with the offsets that
 * traces and users may give, stay in range. */
static const int64_t LAST_NS = INT64_C(3000000000000000000);

struct row {
    int64_t t_ns;
    double value;   /* uW or uJ; of logcat uA times V; NaN: missing */
    double current; /* its sign is the battery's; 0: power or energy was given */
};

struct loader {
    const char *path;
    struct cn_profiler_error *err;
    struct row *rows;
    size_t n, cap;
    size_t line;
    bool logcat, counter, started;
    struct {
        enum role role;
        double scale;
    } column[MAX_COLUMNS]; /* of CSV */
    size_t n_columns;      /* that mean something may be among these; 0: none known yet */
    size_t n_fields;       /* of the first line, and so of every line */
    char separator;
};

/* One row's values by role, in ns, uW, uJ, uA, uV; NaN: not there. */
struct cells {
    int64_t t_ns;
    bool has_time, bad;
    double of[N_ROLES];
};

__attribute__((format(printf, 2, 3))) static int fault(struct loader *l, const char *format, ...)
{
    if (l->err) {
        char what[300];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        char line[32] = "";
        if (l->line) /* 0: it is of the whole file */
            snprintf(line, sizeof line, "line %zu: ", l->line);
        snprintf(l->err->text, sizeof l->err->text, "%.180s: %s%s", l->path, line, what);
    }
    return -1;
}

/* A stamp without a unit: by its size, taking 1973 to 5138 as the times that matter. */
static double guess_scale(double t)
{
    t = fabs(t);
    return t > 1e17 ? 1 : t > 1e14 ? 1e3 : t > 1e11 ? 1e6 : 1e9;
}

static size_t column_of(const char *name)
{
    size_t i = 0;
    while (i < sizeof columns / sizeof *columns && strcasecmp(columns[i].name, name) != 0)
        i++;
    return i;
}

static void put(struct cells *c, enum role role, double scale, double number, int64_t integer,
                bool is_integer)
{
    if (role == TIME) {
        if (scale <= 0)
            scale = guess_scale(number);
        double ns = number * scale;
        c->bad = c->bad || !(fabs(ns) < (double)LAST_NS);
        if (!c->bad)
            /* Integers of nanoseconds since 1970 do not fit a double. */
            c->t_ns = is_integer && fabs((double)integer * scale) < (double)LAST_NS
                          ? integer * (int64_t)scale
                          : (int64_t)ns;
        c->has_time = true;
    } else if (role != NOTHING) {
        c->of[role] = number * scale;
    }
}

static int add_row(struct loader *l, struct row row)
{
    if (l->n && row.t_ns < l->rows[l->n - 1].t_ns)
        return fault(l, "time goes back");
    if (l->n && row.t_ns == l->rows[l->n - 1].t_ns) {
        l->rows[l->n - 1] = row;
        return 0;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 1024;
        struct row *rows = realloc(l->rows, cap * sizeof *rows);
        if (!rows)
            return fault(l, "out of memory");
        l->rows = rows;
        l->cap = cap;
    }
    l->rows[l->n++] = row;
    return 0;
}

static int add_cells(struct loader *l, const struct cells *c, bool has_energy, bool has_power)
{
    if (!c->has_time || c->bad)
        return fault(l, "expected a time, found none in range");
    if (!has_energy && !has_power)
        return fault(l,
                     "expected power, energy, or current and voltage with their units, found none");
    if (l->started && l->counter != has_energy)
        return fault(l, "expected %s as in the lines before", l->counter ? "energy" : "power");
    l->counter = has_energy;
    l->started = true;
    double value = has_energy            ? c->of[ENERGY]
                   : isnan(c->of[POWER]) ? fabs(c->of[CURRENT]) * c->of[VOLTAGE] * 1e-6
                                         : c->of[POWER];
    double current = !has_energy && isnan(c->of[POWER]) ? c->of[CURRENT] : 0;
    return add_row(l, (struct row){ c->t_ns, value, current });
}

static struct cells no_cells(void)
{
    struct cells c = { 0 };
    for (int i = 0; i < N_ROLES; i++)
        c.of[i] = CN_UNKNOWN;
    return c;
}

/* ---- the three forms
 * ----------------------------------------------------------------------------- */

struct json_row {
    struct cells cells;
    unsigned roles; /* 1u << role of each key seen, null or not */
};

static void json_member(void *user, const char *key, const struct cn_json_value *v)
{
    struct json_row *r = user;
    size_t i = column_of(key);
    if (i == sizeof columns / sizeof *columns)
        return;
    r->roles |= 1u << columns[i].role;
    if (v->kind == CN_JSON_NUMBER)
        put(&r->cells, columns[i].role, columns[i].scale, v->number, v->integer, v->is_integer);
}

static int json_line(struct loader *l, char *line)
{
    struct json_row r = { .cells = no_cells() };
    const char *wrong = cn_json_line(line, json_member, &r);
    if (wrong)
        return fault(l, "%s", wrong);
    unsigned both = 1u << CURRENT | 1u << VOLTAGE;
    return add_cells(l, &r.cells, r.roles >> ENERGY & 1,
                     (r.roles >> POWER & 1) || (r.roles & both) == both);
}

static char *trimmed(char *s)
{
    s += strspn(s, " \t\"");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n\"", s[n - 1]))
        s[--n] = 0;
    return s;
}

/* Of a header the one that it has most of, since names may hold the others; of a line of numbers
 * any other than the comma, which stands for a point then. */
static char separator_of(const char *line, bool header)
{
    size_t commas = 0, semicolons = 0, tabs = 0;
    for (; *line; line++) {
        commas += *line == ',';
        semicolons += *line == ';';
        tabs += *line == '\t';
    }
    if (!header && tabs + semicolons)
        commas = 0;
    if (commas >= semicolons && commas >= tabs)
        return ',';
    return tabs >= semicolons ? '\t' : ';';
}

/* Cuts the next field off *rest; separators within quotes are part of it. NULL after the last. */
static char *next_field(char **rest, char separator)
{
    char *field = *rest;
    if (!field)
        return NULL;
    bool quoted = false;
    char *s = field;
    for (; *s && (quoted || *s != separator); s++)
        quoted ^= *s == '"';
    *rest = *s ? s + 1 : NULL;
    *s = 0;
    return trimmed(field);
}

static size_t count_fields(const char *line, char separator)
{
    size_t n = 1;
    bool quoted = false;
    for (; *line; line++) {
        quoted ^= *line == '"';
        n += !quoted && *line == separator;
    }
    return n;
}

static int csv_header(struct loader *l, char *line)
{
    bool has[N_ROLES] = { false };
    for (char *cell; (cell = next_field(&line, l->separator)) != NULL; l->n_columns++) {
        if (l->n_columns == MAX_COLUMNS)
            return fault(l, "more than %d columns", MAX_COLUMNS);
        size_t i = column_of(cell);
        bool known = i < sizeof columns / sizeof *columns;
        /* Of two columns for one thing the first counts. */
        if (known && !has[columns[i].role]) {
            l->column[l->n_columns].role = columns[i].role;
            l->column[l->n_columns].scale = columns[i].scale;
            has[columns[i].role] = true;
        }
    }
    if (!has[TIME] || !(has[POWER] || has[ENERGY] || (has[CURRENT] && has[VOLTAGE])))
        return fault(l,
                     "expected a header with a time (t_ms, time_s, ...) and power_w, energy_j, or "
                     "current_ma and voltage_v");
    return 0;
}

/* A number; between semicolons or tabs it may have a decimal comma. */
static bool csv_number(const struct loader *l, char *cell, double *value)
{
    char *comma = l->separator != ',' && !strchr(cell, '.') ? strchr(cell, ',') : NULL, *end;
    if (comma)
        *comma = '.';
    *value = strtod(cell, &end);
    if (!*end && isfinite(*value))
        return true;
    if (comma)
        *comma = ','; /* as it is shown */
    return false;
}

static int csv_line(struct loader *l, char *line)
{
    line[strcspn(line, "\r\n")] = 0;
    if (!l->n_columns) {
        bool header = false;
        for (const char *s = line; *s; s++)
            header |= isalpha((unsigned char)*s) && !strchr("eE", *s);
        l->separator = separator_of(line, header);
        l->n_fields = count_fields(line, l->separator);
        if (header)
            return csv_header(l, line);
        l->n_columns = 2;
        l->column[0].role = TIME;
        l->column[1].role = POWER;
        l->column[1].scale = 1e6;
    }
    size_t n = count_fields(line, l->separator);
    if (n != l->n_fields)
        return fault(l, "expected %zu fields as in the first line, found %zu", l->n_fields, n);
    struct cells c = no_cells();
    bool energy = false, power = false;
    for (size_t i = 0; i < l->n_columns; i++) {
        energy |= l->column[i].role == ENERGY;
        power |= l->column[i].role == POWER || l->column[i].role == CURRENT;
    }
    char *cell;
    for (size_t i = 0; i < l->n_columns && (cell = next_field(&line, l->separator)) != NULL; i++) {
        if (l->column[i].role == NOTHING || !*cell || !strcasecmp(cell, "nan") ||
            !strcasecmp(cell, "null"))
            continue;
        double v;
        if (!csv_number(l, cell, &v))
            return fault(l, "expected a number in column %zu, found \"%.40s\"", i + 1, cell);
        errno = 0;
        char *end;
        int64_t integer = strtoll(cell, &end, 10);
        put(&c, l->column[i].role, l->column[i].scale, v, integer, !*end && !errno);
    }
    return add_cells(l, &c, energy, power);
}

/* ... stats => ts_ms,current_uA,mV,percent,temperature in 0.1 C */
static int logcat_line(struct loader *l, const char *line)
{
    const char *s = strstr(line, "stats =>");
    long long ts;
    double current, mv;
    if (!s)
        return 0;
    if (sscanf(s + 8, " %lld , %lf , %lf", &ts, &current, &mv) != 3 || !isfinite(current) ||
        !isfinite(mv) || ts < 0 || ts > LAST_NS / 1000000)
        return fault(l, "expected stats => ts_ms,uA,mV,...");
    return add_row(l, (struct row){ ts * 1000000, fabs(current) * mv * 1e-3, current });
}

/* ---- loading
 * --------------------------------------------------------------------------------------- */

static int read_lines(struct loader *l, FILE *f, char *line)
{
    while (fgets(line, LINE_BYTES, f)) {
        l->line++;
        if (!strchr(line, '\n') && !feof(f))
            return fault(l, "longer than %d bytes", LINE_BYTES - 2);
        /* A mark that some editors put in front. */
        bool mark = l->line == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0;
        char *start = line + (mark ? 3 : 0), *s = start + strspn(start, " \t\r\n");
        int error;
        if (l->logcat)
            error = logcat_line(l, s);
        else if (!*s || *s == '#')
            continue;
        else if (*s == '{')
            error = json_line(l, s);
        else
            error = csv_line(l, start); /* a tab may be an empty field */
        if (error)
            return error;
    }
    return ferror(f) ? fault(l, "cannot be read: %s", strerror(errno)) : 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

__attribute__((format(printf, 2, 3))) static void note(struct cn_samples *samples,
                                                       const char *format, ...)
{
    size_t used = strlen(samples->note);
    va_list args;
    if (used)
        used += (size_t)snprintf(samples->note + used, sizeof samples->note - used, "; ");
    va_start(args, format);
    vsnprintf(samples->note + used, sizeof samples->note - used, format, args);
    va_end(args);
}

/* Unit of logcat currents: see meter_battery.c. */
static int settle_unit(struct loader *l, struct cn_samples *samples)
{
    double *size = malloc(l->n * sizeof *size);
    if (!size)
        return fault(l, "out of memory");
    for (size_t i = 0; i < l->n; i++)
        size[i] = fabs(l->rows[i].current);
    qsort(size, l->n, sizeof *size, compare);
    double median = size[l->n / 2];
    free(size);
    if (!(median > 0 && median < 20000))
        return 0;
    for (size_t i = 0; i < l->n; i++)
        l->rows[i].value *= 1000;
    note(samples, "current taken as mA (as uA it would be less than any phone draws)");
    return 0;
}

/* What is no consumption becomes missing. Of currents the sign of most of it is discharge, and
 * samples of the other sign were taken while charging; power says itself which way it flows. */
static int settle_sign(struct loader *l, struct cn_samples *samples)
{
    static const char charging[] = "samples of the other sign left out as charging",
                      below[] = "samples below 0 W left out: no consumption";
    double sum = 0;
    size_t n_charging = 0, n_below = 0, n_missing = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += isnan(l->rows[i].current) ? 0 : l->rows[i].current;
    for (size_t i = 0; i < l->n && !l->counter; i++) {
        struct row *r = &l->rows[i];
        bool other = r->current * sum < 0, negative = !other && r->value < 0;
        n_missing += isnan(r->value);
        n_charging += other;
        n_below += negative;
        if (other || negative)
            r->value = CN_UNKNOWN;
    }
    if (n_below && n_below + n_charging + n_missing == l->n) {
        l->line = 0;
        return fault(l, "expected power above 0, which is consumed, found only samples below");
    }
    if (n_charging)
        note(samples, "%s", charging);
    if (n_below)
        note(samples, "%s", below);
    if (!n_missing && (n_charging > 0) != (n_below > 0))
        snprintf(samples->left_out, sizeof samples->left_out, "%s", n_below ? below : charging);
    return 0;
}

static int64_t row_spacing(const struct loader *l)
{
    double *gap = l->n > 1 ? malloc((l->n - 1) * sizeof *gap) : NULL;
    if (!gap)
        return 0;
    for (size_t i = 1; i < l->n; i++)
        gap[i - 1] = (double)(l->rows[i].t_ns - l->rows[i - 1].t_ns);
    qsort(gap, l->n - 1, sizeof *gap, compare);
    int64_t median = (int64_t)gap[(l->n - 1) / 2];
    free(gap);
    return median;
}

static int make_series(struct loader *l, struct cn_samples *samples)
{
    struct cn_series *s = &samples->series;
    s->counter = l->counter;
    s->declared_ns = (double)row_spacing(l);
    if (!cn_series_reserve(s, l->n))
        return fault(l, "out of memory");
    double base = 0, last = CN_UNKNOWN;
    for (size_t i = 0; i < l->n; i++) {
        const struct row *r = &l->rows[i];
        if (isnan(r->value)) {
            cn_series_break(s);
            continue;
        }
        bool back = l->counter && r->value < last;
        if (back)
            base += last - r->value;
        cn_series_add(s, r->t_ns, r->t_ns, r->value + base, back);
        last = r->value;
    }
    cn_series_rows(s);
    s->period_known &= !l->logcat; /* a phone's log repeats its gauge */
    samples->first_ns = l->rows[0].t_ns;
    samples->last_ns = l->rows[l->n - 1].t_ns;
    return 0;
}

int cn_samples_load(const char *path, struct cn_samples *samples, struct cn_profiler_error *err)
{
    struct loader l = { .path = path, .err = err };
    struct cn_samples out = { 0 };
    char *line = malloc(LINE_BYTES);
    FILE *f = fopen(path, "re");
    int result = -1;
    if (!line || !f) {
        if (err)
            snprintf(err->text, sizeof err->text, "%.300s: %s", path,
                     line ? strerror(errno) : "out of memory");
        goto end;
    }
    /* A log holds other lines too, so one line of its form decides for the whole file. */
    while (!l.logcat && fgets(line, LINE_BYTES, f))
        l.logcat = strstr(line, "stats =>") != NULL;
    if (fseek(f, 0, SEEK_SET) != 0) {
        fault(&l, "not a file that can be read twice");
        goto end;
    }
    if (read_lines(&l, f, line) != 0)
        goto end;
    if (l.n == 0) {
        fault(&l, "no samples in the file");
        goto end;
    }
    if ((l.logcat && settle_unit(&l, &out) != 0) || settle_sign(&l, &out) != 0 ||
        make_series(&l, &out) != 0)
        goto end;
    *samples = out;
    out = (struct cn_samples){ 0 };
    result = 0;
end:
    cn_samples_free(&out);
    free(l.rows);
    free(line);
    if (f)
        fclose(f);
    return result;
}

void cn_samples_free(struct cn_samples *samples)
{
    cn_series_free(&samples->series);
}

/* ---- joining
 * ------------------------------------------------------------------------------------------ */

void cn_samples_shift(struct cn_samples *samples, int64_t shift_ns)
{
    struct cn_series *s = &samples->series;
    for (size_t i = 0; i < s->n; i++) {
        struct cn_point *p = &s->points[i];
        if (p->lo_ns != INT64_MIN)
            p->lo_ns += shift_ns;
        p->hi_ns += shift_ns;
        p->gap_lo_ns += shift_ns;
        p->gap_hi_ns += shift_ns;
        p->last_ns += shift_ns;
    }
    samples->first_ns += shift_ns;
    samples->last_ns += shift_ns;
}

bool cn_samples_join(struct cn_samples *samples, const struct cn_clock *clock, int64_t t0_ns,
                     int64_t t1_ns, int64_t offset_ns)
{
    static const int64_t year_2001 = 1000000000000000000;
    int64_t shifts[2] = { 0, -clock->boottime_offset_ns };
    size_t n = 2;
    if (samples->first_ns > year_2001) {
        shifts[0] = -clock->realtime_offset_ns;
        n = 1;
    }
    int64_t best = 0, shift = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t from = samples->first_ns + offset_ns + shifts[i];
        int64_t to = samples->last_ns + offset_ns + shifts[i];
        int64_t meets = (to < t1_ns ? to : t1_ns) - (from > t0_ns ? from : t0_ns);
        if (meets > best) {
            best = meets;
            shift = offset_ns + shifts[i];
        }
    }
    if (best > 0)
        cn_samples_shift(samples, shift);
    return best > 0;
}
