/* SPDX-License-Identifier: MIT
 *
 * Samples as a table: CSV with a header, which may stand behind #, or of two columns without one;
 * JSON lines, whose first object's keys are the header.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/jsonl.h"
#include "profiler/samples/plausible.h"
#include "profiler/samples/rows.h"
#include "profiler/samples/timestamp.h"

struct table {
    char **names;
    size_t n_names;
    struct cn_columns columns;
    signed char *role;      /* [n_names] of each column; 0: none */
    signed char *other;     /* [n_names] index of its struct cn_other, or -1 */
    size_t status, plugged; /* column + 1 that tells of a charger; 0: none */
    size_t n_fields;        /* of every line of CSV */
    char separator;
    bool begun, json, headless;
};

static void close_table(void *opaque)
{
    struct table *t = opaque;
    for (size_t i = 0; t && i < t->n_names; i++)
        free(t->names[i]);
    if (t) {
        free(t->names);
        free(t->role);
        free(t->other);
    }
    free(t);
}

static bool add_name(struct table *t, const char *name)
{
    char **names = realloc(t->names, (t->n_names + 1) * sizeof *names);
    if (!names)
        return false;
    t->names = names;
    names[t->n_names] = strdup(name);
    return names[t->n_names] && ++t->n_names;
}

/* CodeCarbon writes no unit, and means kWh. */
static void codecarbon(struct table *t)
{
    struct cn_column_kind *kind = &t->columns.kind[CN_ROLE_ENERGY];
    for (size_t i = 0; i < t->n_names; i++)
        if (!strcmp(t->names[i], "emissions") && kind->role == CN_ROLE_ENERGY && kind->scale <= 0)
            kind->scale = 3600e9;
}

/* The names are known: which columns they are. */
static int choose(struct cn_rows *r, struct table *t)
{
    char why[400];
    if (!cn_columns_choose(t->names, t->n_names, r->options->columns, r->options->volts > 0,
                           &t->columns, why, sizeof why))
        return cn_rows_fault(r, "%s", why);
    codecarbon(t);
    t->role = calloc(t->n_names, 1);
    t->other = calloc(t->n_names, 1);
    if (!t->role || !t->other)
        return cn_rows_fault(r, "out of memory");
    memset(t->other, -1, t->n_names);
    for (int role = CN_ROLE_TIME; role < CN_N_ROLES; role++)
        if (t->columns.at[role]) {
            t->role[t->columns.at[role] - 1] = (signed char)role;
            r->has[role] = true;
            r->kind[role] = t->columns.kind[role];
        }
    for (size_t i = 0; i < t->n_names; i++) {
        if (!strcasecmp(t->names[i], "status"))
            t->status = i + 1;
        if (!strcasecmp(t->names[i], "plugged"))
            t->plugged = i + 1;
        if (t->role[i] || r->n_others == CN_OTHERS)
            continue;
        struct cn_other *o = &r->others[r->n_others];
        strncpy(o->name, t->names[i], sizeof o->name - 1);
        t->other[i] = (signed char)r->n_others++;
    }
    return 0;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static char *trimmed(char *s)
{
    s += strspn(s, " \t\"");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n\"", s[n - 1]))
        s[--n] = 0;
    return s;
}

/* A cell that tells of a charger: DISCHARGING, Charging, UNPLUGGED, PLUGGED_AC, ... */
static bool tells_charger(const struct table *t, size_t column, const char *text)
{
    if (column + 1 == t->plugged)
        return !strncasecmp(text, "plugged", 7) || !strcasecmp(text, "true");
    return column + 1 == t->status && !strcasecmp(text, "charging");
}

static int put_text_time(struct cn_rows *r, struct cn_cells *c, const char *text)
{
    struct cn_timestamp stamp;
    const char *end;
    if (!cn_timestamp_parse(text, &stamp, &end) || *end)
        return -1;
    cn_cells_time(c, 1, (double)stamp.ns, stamp.ns, true);
    r->no_zone |= stamp.no_zone;
    return 0;
}

/* A number; between semicolons or tabs it may have a decimal comma. */
static bool csv_number(char separator, char *cell, double *value)
{
    char *comma = separator != ',' && !strchr(cell, '.') ? strchr(cell, ',') : NULL, *end;
    if (comma)
        *comma = '.';
    *value = strtod(cell, &end);
    if (!*end && isfinite(*value))
        return true;
    if (comma)
        *comma = ','; /* as it is shown */
    return false;
}

static bool no_number(const char *cell)
{
    return !*cell || !strcasecmp(cell, "nan") || !strcasecmp(cell, "null") || !strcmp(cell, "-");
}

static int csv_cell(struct cn_rows *r, const struct table *t, struct cn_cells *c, size_t i,
                    char *cell)
{
    if (t->other[i] >= 0) {
        cn_rows_other(r, (size_t)t->other[i], cell);
        c->charger |= tells_charger(t, i, cell);
    }
    const enum cn_role role = (enum cn_role)t->role[i];
    double v;
    if (role == CN_ROLE_NONE || no_number(cell))
        return 0;
    if (!csv_number(t->separator, cell, &v)) {
        if (role == CN_ROLE_TIME && put_text_time(r, c, cell) == 0)
            return 0;
        return cn_rows_fault(r, "expected a number in column %zu, found \"%.40s\"", i + 1, cell);
    }
    if (role != CN_ROLE_TIME) {
        cn_cells_put(r, c, role, v);
        return 0;
    }
    errno = 0;
    char *end;
    const int64_t integer = strtoll(cell, &end, 10);
    cn_cells_time(c, t->columns.kind[role].scale, v, integer, !*end && !errno);
    return 0;
}

/* ---- lines ----------------------------------------------------------------------------------- */

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

static int csv_header(struct cn_rows *r, struct table *t, char *line)
{
    t->begun = true;
    for (char *cell; (cell = next_field(&line, t->separator)) != NULL;)
        if (!add_name(t, cell))
            return cn_rows_fault(r, "out of memory");
    return choose(r, t);
}

/* Whether a line of comment is a header: it names a time, and another quantity. */
static bool is_header(const char *line)
{
    bool time = false, other = false;
    char *copy = strdup(line), *rest = copy;
    const char separator = separator_of(line, true);
    for (char *cell; copy && (cell = next_field(&rest, separator)) != NULL;) {
        const enum cn_role role = cn_column_kind(cell).role;
        time |= role == CN_ROLE_TIME;
        other |= role > CN_ROLE_TIME;
    }
    free(copy);
    return time && other;
}

/* Two columns without a header are time and watts; of more nobody says which is which. */
static int begin_headless(struct cn_rows *r, struct table *t)
{
    t->begun = t->headless = true;
    if (t->n_fields != 2)
        return cn_rows_fault(r,
                             "%zu columns without a header, of which none says what it is: "
                             "expected a first line such as time_s,power_w",
                             t->n_fields);
    if (!add_name(t, "time") || !add_name(t, "power_w"))
        return cn_rows_fault(r, "out of memory");
    return choose(r, t);
}

static bool has_words(const char *line)
{
    struct cn_timestamp stamp;
    const char *end;
    /* A time in words of its own is none. */
    if (cn_timestamp_parse(line + strspn(line, " \""), &stamp, &end))
        line = end;
    for (; *line; line++)
        if (isalpha((unsigned char)*line) && !strchr("eE", *line))
            return true;
    return false;
}

static int csv_line(struct cn_rows *r, struct table *t, char *line)
{
    line[strcspn(line, "\r\n")] = 0;
    if (!t->begun) {
        const bool header = has_words(line);
        t->separator = separator_of(line, header);
        t->n_fields = count_fields(line, t->separator);
        if (header)
            return csv_header(r, t, line);
        if (begin_headless(r, t) != 0)
            return -1;
    }
    const size_t n = count_fields(line, t->separator);
    if (n != t->n_fields)
        return cn_rows_fault(r, "expected %zu fields as in the first line, found %zu", t->n_fields,
                             n);
    struct cn_cells c = cn_no_cells();
    char *cell;
    for (size_t i = 0; i < t->n_names && (cell = next_field(&line, t->separator)) != NULL; i++)
        if (csv_cell(r, t, &c, i, cell) != 0)
            return -1;
    return cn_rows_add(r, &c);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

struct json_row {
    struct cn_rows *rows;
    struct table *table;
    struct cn_cells cells;
    bool header, failed;
    bool seen[CN_N_ROLES];
};

static void json_member(void *user, const char *key, const struct cn_json_value *v)
{
    struct json_row *j = user;
    struct table *t = j->table;
    if (j->header) {
        j->failed |= !add_name(t, key);
        return;
    }
    size_t i = 0;
    while (i < t->n_names && strcmp(t->names[i], key) != 0)
        i++;
    if (i == t->n_names)
        return;
    char text[48];
    snprintf(text, sizeof text, "%.9g", v->number);
    const char *cell = v->kind == CN_JSON_STRING ? v->string : text;
    if (t->other[i] >= 0) {
        cn_rows_other(j->rows, (size_t)t->other[i], cell);
        j->cells.charger |= tells_charger(t, i, cell);
    }
    const enum cn_role role = (enum cn_role)t->role[i];
    j->seen[role] = true;
    if (role == CN_ROLE_TIME && v->kind == CN_JSON_STRING)
        (void)put_text_time(j->rows, &j->cells, v->string);
    else if (role == CN_ROLE_TIME && v->kind == CN_JSON_NUMBER)
        cn_cells_time(&j->cells, t->columns.kind[role].scale, v->number, v->integer, v->is_integer);
    else if (role != CN_ROLE_NONE && v->kind == CN_JSON_NUMBER)
        cn_cells_put(j->rows, &j->cells, role, v->number);
}

static int json_pass(struct cn_rows *r, struct json_row *j, char *line)
{
    const char *wrong = cn_json_line(line, json_member, j);
    if (wrong)
        return cn_rows_fault(r, "%s", wrong);
    return j->failed ? cn_rows_fault(r, "out of memory") : 0;
}

static int json_line(struct cn_rows *r, struct table *t, char *line)
{
    struct json_row j = { .rows = r, .table = t, .cells = cn_no_cells() };
    if (!t->begun) {
        char *copy = strdup(line);
        if (!copy)
            return cn_rows_fault(r, "out of memory");
        t->begun = t->json = j.header = true;
        const int result = json_pass(r, &j, copy);
        free(copy);
        j.header = false;
        if (result != 0 || choose(r, t) != 0)
            return -1;
    }
    if (json_pass(r, &j, line) != 0)
        return -1;
    for (int role = CN_ROLE_POWER; role < CN_N_ROLES; role++)
        if (r->has[role] && !j.seen[role])
            return cn_rows_fault(r, "expected %s as in the lines before, found none",
                                 cn_role_name((enum cn_role)role));
    return cn_rows_add(r, &j.cells);
}

/* ---- the form -------------------------------------------------------------------------------- */

static int read_line(struct cn_reader *reader, char *line)
{
    struct cn_rows *r = &reader->rows;
    struct table *t = reader->state ? reader->state : calloc(1, sizeof *t);
    reader->state = t;
    if (!t)
        return cn_rows_fault(r, "out of memory");
    char *s = line + strspn(line, " \t\r\n");
    if (!*s)
        return 0;
    if (*s == '#') {
        s += strspn(s, "# \t");
        if (t->begun || !is_header(s))
            return 0;
        s[strcspn(s, "\r\n")] = 0;
        t->separator = separator_of(s, true);
        t->n_fields = count_fields(s, t->separator);
        return csv_header(r, t, s);
    }
    if (*s == '{' && (!t->begun || t->json))
        return json_line(r, t, s);
    if (t->json)
        return cn_rows_fault(r, "expected an object as in the lines before");
    return csv_line(r, t, line); /* a tab may be an empty field */
}

static bool no_marks(const char *line)
{
    (void)line;
    return false;
}

const struct cn_form cn_form_table = { .marks = no_marks, .read = read_line, .close = close_table };
