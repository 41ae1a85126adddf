/* SPDX-License-Identifier: MIT
 *
 * The functions that every template finds.
 */
#include "engine/jinja/jinja_node.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RANGE = 100000 };

static struct cn_jval function_range(struct cn_jrun *run, struct cn_jval self,
                                     const struct cn_jval *a, const struct cn_jargs *args)
{
    (void)self;
    (void)args;
    struct cn_jrange *range = cn_j_alloc(run, sizeof *range);
    bool one = a[1].kind == CN_J_ABSENT;
    range->start = one ? 0 : cn_j_need_int(run, a[0], "range");
    range->stop = cn_j_need_int(run, one ? a[0] : a[1], "range");
    range->step = a[2].kind == CN_J_ABSENT ? 1 : cn_j_need_int(run, a[2], "range");
    if (range->step == 0)
        cn_j_fail(run, CN_ERR_FORMAT, "range: the step is 0");
    cn_jint distance =
        range->step > 0 ? (cn_jint)range->stop - range->start : (cn_jint)range->start - range->stop;
    cn_jint step = range->step > 0 ? range->step : -(cn_jint)range->step;
    cn_jint n = distance > 0 ? (distance + step - 1) / step : 0;
    if (n > MAX_RANGE)
        cn_j_fail(run, CN_ERR_FORMAT, "range: at most %d items expected", MAX_RANGE);
    range->n = (size_t)n;
    return (struct cn_jval){ .kind = CN_J_RANGE, .range = range };
}

/* A dict of a dict or pairs, and of named arguments. */
static struct cn_jdict *make_dict(struct cn_jrun *run, const struct cn_jargs *args,
                                  const char *name)
{
    struct cn_jdict *dict = cn_j_dict(run);
    if (args->n > 1)
        cn_j_fail(run, CN_ERR_FORMAT, "%s: one argument without a name expected, found %zu", name,
                  args->n);
    if (args->n == 1 && args->values[0].kind == CN_J_DICT) {
        const struct cn_jdict *from = args->values[0].dict;
        for (size_t i = 0; i < from->n; i++)
            cn_j_dict_set(run, dict, from->entries[i].key, from->entries[i].value);
    } else if (args->n == 1) {
        if (args->values[0].kind == CN_J_UNDEFINED)
            cn_j_fail_undefined(run, args->values[0]);
        const struct cn_jlist *pairs = cn_j_items(run, args->values[0]);
        for (size_t i = 0; i < pairs->n; i++) {
            const struct cn_jlist *pair = cn_j_items(run, pairs->items[i]);
            if (pair->n != 2)
                cn_j_fail(run, CN_ERR_FORMAT, "%s: pairs expected, found %zu items", name, pair->n);
            cn_j_dict_set(run, dict, pair->items[0], pair->items[1]);
        }
    }
    for (size_t i = 0; i < args->n_named; i++)
        cn_j_dict_set(run, dict,
                      cn_j_string(cn_j_str(run, args->names[i].p, args->names[i].n, false)),
                      args->named[i]);
    return dict;
}

static struct cn_jval function_dict(struct cn_jrun *run, struct cn_jval self,
                                    const struct cn_jval *a, const struct cn_jargs *args)
{
    (void)self;
    (void)a;
    return (struct cn_jval){ .kind = CN_J_DICT, .dict = make_dict(run, args, "dict") };
}

static struct cn_jval function_namespace(struct cn_jrun *run, struct cn_jval self,
                                         const struct cn_jval *a, const struct cn_jargs *args)
{
    (void)self;
    (void)a;
    return (struct cn_jval){ .kind = CN_J_NAMESPACE, .dict = make_dict(run, args, "namespace") };
}

static struct cn_jval function_raise(struct cn_jrun *run, struct cn_jval self,
                                     const struct cn_jval *a, const struct cn_jargs *args)
{
    (void)self;
    (void)args;
    const struct cn_jstr *text = cn_j_text(run, a[0]);
    cn_j_fail(run, CN_ERR_ARGUMENT, "the template refuses the conversation: %.*s",
              (int)(text->n > 400 ? 400 : text->n), text->p);
}

/* ---- time ------------------------------------------------------------------------------------ */

static const char *const months[] = { "January",   "February", "March",    "April",
                                      "May",       "June",     "July",     "August",
                                      "September", "October",  "November", "December" };
static const char *const days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday" };

/* A number, with a fill in front unless `bare`. */
static void put_number(struct cn_jtext *out, int value, int width, char fill, bool bare)
{
    if (bare)
        cn_j_putf(out, "%d", value);
    else if (fill == ' ')
        cn_j_putf(out, "%*d", width, value);
    else
        cn_j_putf(out, "%0*d", width, value);
}

/* One conversion, in the C locale whatever the program's is. False: not built in. */
static bool put_time(struct cn_jtext *out, const struct tm *t, char conversion, bool bare)
{
    int hour12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
    switch (conversion) {
    case 'Y':
        put_number(out, t->tm_year + 1900, 1, '0', bare);
        return true;
    case 'C':
        put_number(out, (t->tm_year + 1900) / 100, 2, '0', bare);
        return true;
    case 'y':
        put_number(out, t->tm_year % 100, 2, '0', bare);
        return true;
    case 'm':
        put_number(out, t->tm_mon + 1, 2, '0', bare);
        return true;
    case 'd':
        put_number(out, t->tm_mday, 2, '0', bare);
        return true;
    case 'e':
        put_number(out, t->tm_mday, 2, ' ', bare);
        return true;
    case 'j':
        put_number(out, t->tm_yday + 1, 3, '0', bare);
        return true;
    case 'H':
        put_number(out, t->tm_hour, 2, '0', bare);
        return true;
    case 'I':
        put_number(out, hour12, 2, '0', bare);
        return true;
    case 'k':
        put_number(out, t->tm_hour, 2, ' ', bare);
        return true;
    case 'l':
        put_number(out, hour12, 2, ' ', bare);
        return true;
    case 'M':
        put_number(out, t->tm_min, 2, '0', bare);
        return true;
    case 'S':
        put_number(out, t->tm_sec, 2, '0', bare);
        return true;
    case 'f':
        put_number(out, 0, 6, '0', bare);
        return true;
    case 'u':
        put_number(out, t->tm_wday ? t->tm_wday : 7, 1, '0', bare);
        return true;
    case 'w':
        put_number(out, t->tm_wday, 1, '0', bare);
        return true;
    case 'p':
        cn_j_putf(out, t->tm_hour < 12 ? "AM" : "PM");
        return true;
    case 'B':
        cn_j_putf(out, "%s", months[t->tm_mon]);
        return true;
    case 'b':
    case 'h':
        cn_j_putf(out, "%.3s", months[t->tm_mon]);
        return true;
    case 'A':
        cn_j_putf(out, "%s", days[t->tm_wday]);
        return true;
    case 'a':
        cn_j_putf(out, "%.3s", days[t->tm_wday]);
        return true;
    case 'n':
        cn_j_putf(out, "\n");
        return true;
    case 't':
        cn_j_putf(out, "\t");
        return true;
    case '%':
        cn_j_putf(out, "%%");
        return true;
    default:
        return false;
    }
}

/* What stands for several. */
static const char *expansion(char conversion)
{
    switch (conversion) {
    case 'F':
        return "%Y-%m-%d";
    case 'T':
        return "%H:%M:%S";
    case 'X':
        return "%H:%M:%S";
    case 'R':
        return "%H:%M";
    case 'D':
        return "%m/%d/%y";
    case 'x':
        return "%m/%d/%y";
    case 'r':
        return "%I:%M:%S %p";
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    default:
        return NULL;
    }
}

static void put_times(struct cn_jtext *out, const char *p, size_t n, bool input)
{
    const struct tm *now = out->run->now;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%' || i + 1 == n) {
            cn_j_put(out, p + i, 1, input);
            continue;
        }
        i++;
        bool bare = p[i] == '-' && i + 1 < n;
        i += bare;
        const char *several = expansion(p[i]);
        if (several)
            put_times(out, several, strlen(several), input);
        else if (!put_time(out, now, p[i], bare))
            cn_j_fail(out->run, CN_ERR_UNSUPPORTED, "strftime_now: %%%c is not supported",
                      p[i] > ' ' && p[i] < 127 ? p[i] : '?');
    }
}

static struct cn_jval function_strftime_now(struct cn_jrun *run, struct cn_jval self,
                                            const struct cn_jval *a, const struct cn_jargs *args)
{
    (void)self;
    (void)args;
    struct cn_jtext out = { .run = run };
    const struct cn_jstr *format = cn_j_need_string(run, a[0], "strftime_now");
    put_times(&out, format->p, format->n, format->input || format->marks);
    return cn_j_string(cn_j_finish(&out));
}

/* ---- helpers of loops ------------------------------------------------------------------------ */

static struct cn_jval unsupported(struct cn_jrun *run, struct cn_jval self, const struct cn_jval *a,
                                  const struct cn_jargs *args)
{
    (void)self;
    (void)a;
    (void)args;
    cn_j_fail(run, CN_ERR_UNSUPPORTED,
              "the functions 'lipsum', 'cycler' and 'joiner' are not supported");
}

static const struct cn_jbuiltin functions[] = {
    {"range",            "start stop step", 1, function_range,        CN_J_ABSENT},
    { "dict",            NULL,              0, function_dict,         CN_J_ABSENT},
    { "namespace",       NULL,              0, function_namespace,    CN_J_ABSENT},
    { "raise_exception", "message",         1, function_raise,        CN_J_ABSENT},
    { "strftime_now",    "format",          1, function_strftime_now, CN_J_ABSENT},
    { "lipsum",          NULL,              0, unsupported,           CN_J_ABSENT},
    { "cycler",          NULL,              0, unsupported,           CN_J_ABSENT},
    { "joiner",          NULL,              0, unsupported,           CN_J_ABSENT},
};

const struct cn_jbuiltin *cn_j_find_function(struct cn_str name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strlen(functions[i].name) == name.n && !memcmp(functions[i].name, name.p, name.n))
            return &functions[i];
    return NULL;
}
