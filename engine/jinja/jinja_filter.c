/* SPDX-License-Identifier: MIT
 *
 * Filters on text and single values.
 */
#include "engine/jinja/jinja_filter.h"

#include <math.h>
#include <string.h>

TEXT_FILTER(tojson)
{
    UNUSED;
    return cn_j_string(cn_j_tojson(run, v, a));
}

TEXT_FILTER(length)
{
    UNUSED;
    return cn_j_int((cn_jint)cn_j_length(run, v));
}

TEXT_FILTER(string)
{
    UNUSED;
    return cn_j_string(cn_j_text(run, v));
}

TEXT_FILTER(trim)
{
    UNUSED;
    const struct cn_jstr *chars = cn_j_optional_chars(run, a[0], "trim");
    return cn_j_string(cn_j_strip(run, cn_j_text(run, v), chars, CN_J_LEFT | CN_J_RIGHT));
}

TEXT_FILTER(default)
{
    UNUSED;
    if (v.kind != CN_J_UNDEFINED && (cn_j_truth(v) || !cn_j_truth(a[1])))
        return v;
    return a[0].kind == CN_J_ABSENT ? cn_j_string(cn_j_literal(run, "")) : a[0];
}

static struct cn_jval changed(struct cn_jrun *run, struct cn_jval v, enum cn_jcase to)
{
    const struct cn_jstr *str = cn_j_text(run, v);
    return cn_j_string(cn_j_as_safe(run, cn_j_change_case(run, str, to), str->safe));
}

TEXT_FILTER(upper)
{
    UNUSED;
    return changed(run, v, CN_J_UPPER);
}
TEXT_FILTER(lower)
{
    UNUSED;
    return changed(run, v, CN_J_LOWER);
}
TEXT_FILTER(capitalize)
{
    UNUSED;
    return changed(run, v, CN_J_CAPITALIZE);
}
TEXT_FILTER(title)
{
    UNUSED;
    return cn_j_string(cn_j_change_case(run, cn_j_text(run, v), CN_J_TITLE));
}

TEXT_FILTER(replace)
{
    UNUSED;
    int64_t count = a[2].kind == CN_J_ABSENT || a[2].kind == CN_J_NONE
                        ? -1
                        : cn_j_need_int(run, a[2], "replace");
    return cn_j_string(
        cn_j_replace(run, cn_j_text(run, v), cn_j_text(run, a[0]), cn_j_text(run, a[1]), count));
}

TEXT_FILTER(safe)
{
    UNUSED;
    return cn_j_string(cn_j_as_safe(run, cn_j_text(run, v), true));
}

TEXT_FILTER(escape)
{
    UNUSED;
    return cn_j_string(cn_j_escaped(run, cn_j_text(run, v)));
}

TEXT_FILTER(format)
{
    UNUSED;
    struct cn_jlist values = { (struct cn_jval *)(uintptr_t)args->values, args->n, args->n, NULL };
    if (args->n_named > 0)
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "format: arguments with names are not supported");
    return cn_j_string(cn_j_percent(run, cn_j_text(run, v),
                                    (struct cn_jval){ .kind = CN_J_TUPLE, .list = &values }));
}

TEXT_FILTER(indent)
{
    UNUSED;
    const struct cn_jstr *str = cn_j_text(run, v), *by;
    struct cn_jtext out = { .run = run }, blanks = { .run = run };
    if (a[0].kind == CN_J_STRING) {
        by = a[0].string;
    } else {
        int64_t n = a[0].kind == CN_J_ABSENT ? 4 : cn_j_need_int(run, a[0], "indent");
        for (int64_t i = 0; i < n && i < 10000; i++)
            cn_j_putf(&blanks, " ");
        by = cn_j_finish(&blanks);
    }
    bool first = cn_j_truth(a[1]), blank = cn_j_truth(a[2]);
    cn_j_work(run, 1, str->n);
    for (size_t at = 0, line = 0;; line++) {
        const char *newline = memchr(str->p + at, '\n', str->n - at);
        size_t n = newline ? (size_t)(newline - str->p) - at : str->n - at;
        if (line == 0 ? first : blank || n > 0)
            cn_j_put_str(&out, by);
        cn_j_put_part(&out, str, at, n + (newline != NULL));
        cn_j_work(run, 1, 0);
        if (!newline)
            break;
        at += n + 1;
    }
    return cn_j_string(cn_j_as_safe(run, cn_j_finish(&out), str->safe));
}

/* ---- numbers --------------------------------------------------------------------------------- */

TEXT_FILTER(int)
{
    UNUSED;
    struct cn_jval otherwise = a[0].kind == CN_J_ABSENT ? cn_j_int(0) : a[0];
    int64_t base = a[1].kind == CN_J_ABSENT ? 10 : cn_j_need_int(run, a[1], "int");
    cn_jint integer;
    double real = 0;
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (base != 0 && (base < 2 || base > 36))
        return otherwise;
    if (v.kind == CN_J_INT || v.kind == CN_J_BOOL)
        return cn_j_int(v.kind == CN_J_INT ? v.integer : v.boolean);
    if (v.kind == CN_J_STRING && cn_j_parse_int(v.string->p, v.string->n, (int)base, &integer))
        return cn_j_int(integer);
    if (v.kind == CN_J_FLOAT)
        real = v.real;
    else if (v.kind != CN_J_STRING || !cn_j_parse_float(run, v.string->p, v.string->n, &real))
        return otherwise;
    if (!(fabs(real) < 1e38))
        return otherwise;
    return cn_j_int((cn_jint)real);
}

TEXT_FILTER(float)
{
    UNUSED;
    double real;
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (cn_j_is_number(v))
        return cn_j_float(cn_j_real(v));
    if (v.kind == CN_J_STRING && cn_j_parse_float(run, v.string->p, v.string->n, &real))
        return cn_j_float(real);
    return a[0].kind == CN_J_ABSENT ? cn_j_float(0) : a[0];
}

TEXT_FILTER(abs)
{
    UNUSED;
    if (!cn_j_is_number(v))
        cn_j_fail(run, CN_ERR_FORMAT, "abs: expected a number, found %s", cn_j_kind_name(v.kind));
    if (v.kind == CN_J_FLOAT)
        return cn_j_float(fabs(v.real));
    struct cn_jval zero = cn_j_int(0);
    return cn_j_compare(run, v, zero, "<") < 0 ? cn_j_arithmetic(run, '-', zero, v)
                                               : cn_j_add(run, zero, v);
}

TEXT_FILTER(round)
{
    UNUSED;
    if (!cn_j_is_number(v))
        cn_j_fail(run, CN_ERR_FORMAT, "round: expected a number, found %s", cn_j_kind_name(v.kind));
    int64_t places = a[0].kind == CN_J_ABSENT ? 0 : cn_j_need_int(run, a[0], "round");
    const struct cn_jstr *method = a[1].kind == CN_J_ABSENT ? cn_j_literal(run, "common")
                                                            : cn_j_need_string(run, a[1], "round");
    if (cn_j_same(method, "common") && v.kind != CN_J_FLOAT && places >= 0)
        return v;
    if (places < -300 || places > 300)
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "round: -300 to 300 digits expected");
    double real = cn_j_real(v), power = pow(10, (double)places);
    if (cn_j_same(method, "floor"))
        return cn_j_float(floor(real * power) / power);
    if (cn_j_same(method, "ceil"))
        return cn_j_float(ceil(real * power) / power);
    if (places >= 0 && places <= 15) { /* correctly rounded, ties to even */
        char buf[360];
        snprintf(buf, sizeof buf, "%.*f", (int)places, real);
        cn_j_parse_float(run, buf, strlen(buf), &real);
        return cn_j_float(real);
    }
    return cn_j_float(rint(real * power) / power);
}
