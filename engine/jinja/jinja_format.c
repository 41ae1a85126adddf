/* SPDX-License-Identifier: MIT
 *
 * Python's two ways to fill in a format: "%s" % x and "{}".format(x).
 */
#include "engine/jinja/jinja_node.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WIDTH = 10000, MAX_PRECISION = 100 };

/* How one value is to be written. */
struct spec {
    char fill[4];
    size_t n_fill;
    char align; /* '<', '>', '^', '=' (zeros behind the sign); 0: as the kind of value wants */
    char sign;  /* '+', ' ' or 0 */
    bool alternate, comma;
    int64_t width, precision; /* -1: none */
    char type;                /* 0: none */
};

/* Digits at p[*i]; -1 without any. */
static int64_t digits(struct cn_jrun *run, const struct cn_jstr *s, size_t *i, int64_t most)
{
    int64_t value = -1;
    for (; *i < s->n && s->p[*i] >= '0' && s->p[*i] <= '9'; ++*i) {
        value = (value < 0 ? 0 : value) * 10 + (s->p[*i] - '0');
        if (value > most)
            cn_j_fail(run, CN_ERR_UNSUPPORTED, "a width or precision of more than %lld",
                      (long long)most);
    }
    return value;
}

static void put_padded(struct cn_jtext *out, const struct spec *spec, const struct cn_jstr *text,
                       bool is_number)
{
    size_t n = cn_j_chars(out->run, text), sign = 0;
    size_t pad = spec->width > (int64_t)n ? (size_t)spec->width - n : 0;
    char align = spec->align ? spec->align : is_number ? '>' : '<';
    size_t left = align == '>' || align == '=' ? pad : align == '^' ? pad / 2 : 0;
    if (align == '=' && text->n > 0 && (*text->p == '-' || *text->p == '+' || *text->p == ' '))
        sign = 1;
    cn_j_put_part(out, text, 0, sign);
    for (size_t i = 0; i < left; i++)
        cn_j_put(out, spec->fill, spec->n_fill, false);
    cn_j_put_part(out, text, sign, text->n - sign);
    for (size_t i = left; i < pad; i++)
        cn_j_put(out, spec->fill, spec->n_fill, false);
}

/* "1234567" -> "1,234,567" up to the point. */
static void put_grouped(struct cn_jtext *out, const char *number)
{
    size_t sign = *number == '-' || *number == '+' || *number == ' ';
    size_t n = strspn(number + sign, "0123456789");
    cn_j_put(out, number, sign, false);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            cn_j_putf(out, ",");
        cn_j_put(out, number + sign + i, 1, false);
    }
    cn_j_putf(out, "%s", number + sign + n);
}

static const char *based_digits(cn_jint value, unsigned base, bool upper, char out[140])
{
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    char *p = out + 139;
    *p = '\0';
    do {
        *--p = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[(unsigned)(rest % base)];
        rest /= base;
    } while (rest);
    return p;
}

static void put_int(struct cn_jtext *out, const struct spec *spec, cn_jint value)
{
    char buf[140], number[150];
    unsigned base = spec->type == 'x' || spec->type == 'X' ? 16
                    : spec->type == 'o'                    ? 8
                    : spec->type == 'b'                    ? 2
                                                           : 10;
    const char *sign = value < 0 ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
    char prefix[3] = "";
    if (spec->alternate && base != 10)
        snprintf(prefix, sizeof prefix, "0%c", spec->type);
    snprintf(number, sizeof number, "%s%s%s", sign, prefix,
             based_digits(value, base, spec->type == 'X', buf));
    struct cn_jtext text = { .run = out->run };
    if (spec->comma)
        put_grouped(&text, number);
    else
        cn_j_putf(&text, "%s", number);
    put_padded(out, spec, cn_j_finish(&text), true);
}

static void put_float(struct cn_jtext *out, const struct spec *spec, double value)
{
    char number[512], shortest[CN_J_FLOAT_CHARS], format[16];
    const char *sign = spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
    if (spec->type == 0 && spec->precision < 0) {
        snprintf(number, sizeof number, "%s%s", value < 0 ? "" : sign,
                 cn_j_float_text(value, shortest));
    } else {
        char type = spec->type == 0 ? 'g' : spec->type == '%' ? 'f' : spec->type;
        snprintf(format, sizeof format, "%%%s.*%c", sign, type);
        /* The format is one of few, made here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(number, sizeof number, format, spec->precision < 0 ? 6 : (int)spec->precision,
                 spec->type == '%' ? value * 100 : value);
#pragma GCC diagnostic pop
    }
    struct cn_jtext text = { .run = out->run };
    if (spec->comma)
        put_grouped(&text, number);
    else
        cn_j_putf(&text, "%s", number);
    if (spec->type == '%')
        cn_j_putf(&text, "%%");
    put_padded(out, spec, cn_j_finish(&text), true);
}

/* The first `precision` characters. */
static const struct cn_jstr *shortened(struct cn_jrun *run, const struct cn_jstr *str,
                                       const struct spec *spec)
{
    if (spec->precision < 0 || (size_t)spec->precision >= cn_j_chars(run, str))
        return str;
    return cn_j_part(run, str, 0, cn_j_char_at(run, str, (size_t)spec->precision));
}

static cn_jint whole(struct cn_jrun *run, struct cn_jval v)
{
    if (v.kind == CN_J_FLOAT) {
        if (!(fabs(v.real) < 1e38))
            cn_j_fail(run, CN_ERR_FORMAT, "the float is too large for an int");
        return (cn_jint)v.real;
    }
    return v.kind == CN_J_INT ? v.integer : v.boolean;
}

static void need_number(struct cn_jrun *run, struct cn_jval v)
{
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (!cn_j_is_number(v))
        cn_j_fail(run, CN_ERR_FORMAT, "a format wants a number, found %s", cn_j_kind_name(v.kind));
}

/* ---- percent --------------------------------------------------------------------------------- */

struct source {
    struct cn_jval value; /* what stands behind the % */
    size_t next;
};

static struct cn_jval next_value(struct cn_jrun *run, struct source *source)
{
    if (source->value.kind != CN_J_TUPLE) {
        if (source->next++ > 0)
            cn_j_fail(run, CN_ERR_FORMAT, "too few values for the format");
        return source->value;
    }
    if (source->next >= source->value.list->n)
        cn_j_fail(run, CN_ERR_FORMAT, "too few values for the format");
    return source->value.list->items[source->next++];
}

static void put_percent(struct cn_jtext *out, const struct spec *spec, struct cn_jval v, bool safe)
{
    struct cn_jrun *run = out->run;
    struct cn_jtext repr = { .run = run };
    const struct cn_jstr *text;
    switch (spec->type) {
    case 's':
    case 'r':
    case 'a':
        if (spec->type != 's')
            cn_j_print_repr(&repr, v);
        text = spec->type == 's' ? cn_j_text(run, v) : cn_j_finish(&repr);
        put_padded(out, spec, shortened(run, safe ? cn_j_escaped(run, text) : text, spec),
                   spec->align != '<');
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        need_number(run, v);
        if (v.kind == CN_J_FLOAT && strchr("xXo", spec->type))
            cn_j_fail(run, CN_ERR_FORMAT, "%%%c wants an int, found float", spec->type);
        put_int(out, spec, whole(run, v));
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
        struct spec with = *spec;
        need_number(run, v);
        with.precision = spec->precision < 0 ? 6 : spec->precision;
        put_float(out, &with, cn_j_real(v));
        break;
    }
    default:
        cn_j_fail(run, CN_ERR_FORMAT, "the format character after %% is not known");
    }
}

const struct cn_jstr *cn_j_percent(struct cn_jrun *run, const struct cn_jstr *format,
                                   struct cn_jval args)
{
    struct cn_jtext out = { .run = run };
    struct source source = { args, 0 };
    size_t i = 0;
    while (i < format->n) {
        const char *percent = memchr(format->p + i, '%', format->n - i);
        size_t stop = percent ? (size_t)(percent - format->p) : format->n;
        cn_j_put_part(&out, format, i, stop - i);
        if (!percent)
            break;
        i = stop + 1;
        struct spec spec = { .fill = " ", .n_fill = 1, .align = '>', .width = -1, .precision = -1 };
        struct cn_jval value = { .kind = CN_J_ABSENT };
        if (i < format->n && format->p[i] == '(') {
            const char *close = memchr(format->p + i, ')', format->n - i);
            if (!close || args.kind != CN_J_DICT)
                cn_j_fail(run, CN_ERR_FORMAT, "the format wants names and a dict");
            size_t n = (size_t)(close - format->p) - i - 1;
            const struct cn_jval *found =
                cn_j_dict_find_name(run, args.dict, (struct cn_str){ format->p + i + 1, n });
            if (!found)
                cn_j_fail(run, CN_ERR_FORMAT, "the format names a key that is not there");
            value = *found;
            i += n + 2;
        }
        for (; i < format->n && format->p[i] && strchr("-+ #0", format->p[i]); i++) {
            char c = format->p[i];
            if (c == '-')
                spec.align = '<';
            else if (c == '#')
                spec.alternate = true;
            else if (c != '0')
                spec.sign = c;
            else if (spec.align != '<') {
                spec.align = '=';
                spec.fill[0] = '0';
            }
        }
        spec.width = digits(run, format, &i, MAX_WIDTH);
        if (i < format->n && format->p[i] == '.') {
            i++;
            spec.precision = digits(run, format, &i, MAX_PRECISION);
            spec.precision = spec.precision < 0 ? 0 : spec.precision;
        }
        spec.type = i < format->n ? format->p[i++] : '\0';
        if (spec.type == '%') {
            cn_j_putf(&out, "%%");
            continue;
        }
        if (value.kind == CN_J_ABSENT)
            value = next_value(run, &source);
        put_percent(&out, &spec, value, format->safe);
        cn_j_work(run, 1, 0);
    }
    if (args.kind == CN_J_TUPLE && source.next < args.list->n)
        cn_j_fail(run, CN_ERR_FORMAT, "too many values for the format");
    return cn_j_as_safe(run, cn_j_finish(&out), format->safe);
}

/* ---- braces ---------------------------------------------------------------------------------- */

/* "[[fill]align][sign][#][0][width][,][.precision][type]" */
static void parse_spec(struct cn_jrun *run, const struct cn_jstr *s, struct spec *spec)
{
    size_t i = 0, length = 0;
    *spec = (struct spec){ .fill = " ", .n_fill = 1, .width = -1, .precision = -1 };
    if (s->n > 0)
        cn_j_char(s, 0, &length);
    if (length && length < s->n && strchr("<>^=", s->p[length]) && s->p[length]) {
        memcpy(spec->fill, s->p, length);
        spec->n_fill = length;
        spec->align = s->p[length];
        i = length + 1;
    } else if (s->n > 0 && s->p[0] && strchr("<>^=", s->p[0])) {
        spec->align = s->p[i++];
    }
    if (i < s->n && (s->p[i] == '+' || s->p[i] == ' ' || s->p[i] == '-')) {
        spec->sign = s->p[i] == '-' ? '\0' : s->p[i];
        i++;
    }
    if (i < s->n && s->p[i] == '#') {
        spec->alternate = true;
        i++;
    }
    if (i < s->n && s->p[i] == '0') {
        if (!spec->align) {
            spec->align = '=';
            spec->fill[0] = '0';
            spec->n_fill = 1;
        }
        i++;
    }
    spec->width = digits(run, s, &i, MAX_WIDTH);
    if (i < s->n && s->p[i] == ',') {
        spec->comma = true;
        i++;
    }
    if (i < s->n && s->p[i] == '.') {
        i++;
        spec->precision = digits(run, s, &i, MAX_PRECISION);
        if (spec->precision < 0)
            cn_j_fail(run, CN_ERR_FORMAT, "a format lacks its precision");
    }
    if (i < s->n)
        spec->type = s->p[i++];
    if (i < s->n || (spec->type && !strchr("sdxXobeEfFgG%", spec->type)))
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "the format specification '%.*s' is not supported",
                  (int)(s->n > 40 ? 40 : s->n), s->p);
}

static void put_braces(struct cn_jtext *out, const struct spec *spec, struct cn_jval v, bool safe)
{
    struct cn_jrun *run = out->run;
    bool integral = v.kind == CN_J_INT || (v.kind == CN_J_BOOL && spec->type);
    if (spec->type && strchr("dxXob", spec->type)) {
        need_number(run, v);
        if (v.kind == CN_J_FLOAT)
            cn_j_fail(run, CN_ERR_FORMAT, "the format '%c' wants an int, found float", spec->type);
        put_int(out, spec, whole(run, v));
    } else if (integral && !spec->type && spec->precision < 0) {
        put_int(out, spec, whole(run, v));
    } else if (v.kind == CN_J_FLOAT || (spec->type && spec->type != 's')) {
        need_number(run, v);
        put_float(out, spec, cn_j_real(v));
    } else {
        const struct cn_jstr *text = cn_j_text(run, v);
        put_padded(out, spec, shortened(run, safe ? cn_j_escaped(run, text) : text, spec), false);
    }
}

/* The value that the name in a replacement field stands for. */
static struct cn_jval field_value(struct cn_jrun *run, const struct cn_jargs *args,
                                  struct cn_str name, size_t *next)
{
    cn_jint index;
    if (memchr(name.p, '.', name.n) || memchr(name.p, '[', name.n))
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "format(): members of arguments are not supported");
    if (name.n == 0 || cn_j_parse_int(name.p, name.n, 10, &index)) {
        if (name.n == 0)
            index = (cn_jint)(*next)++;
        if (index < 0 || index >= (cn_jint)args->n)
            cn_j_fail(run, CN_ERR_FORMAT, "format(): too few values");
        return args->values[index];
    }
    for (size_t i = 0; i < args->n_named; i++)
        if (args->names[i].n == name.n && !memcmp(args->names[i].p, name.p, name.n))
            return args->named[i];
    cn_j_fail(run, CN_ERR_FORMAT, "format(): no value for '%.*s'", (int)(name.n > 60 ? 60 : name.n),
              name.p);
}

const struct cn_jstr *cn_j_format(struct cn_jrun *run, const struct cn_jstr *format,
                                  const struct cn_jargs *args)
{
    struct cn_jtext out = { .run = run };
    size_t next = 0;
    for (size_t i = 0; i < format->n;) {
        char c = format->p[i];
        if (c != '{' && c != '}') {
            size_t n = 1;
            while (i + n < format->n && format->p[i + n] != '{' && format->p[i + n] != '}')
                n++;
            cn_j_put_part(&out, format, i, n);
            i += n;
            continue;
        }
        if (i + 1 < format->n && format->p[i + 1] == c) {
            cn_j_put_part(&out, format, i, 1);
            i += 2;
            continue;
        }
        const char *close = c == '{' ? memchr(format->p + i, '}', format->n - i) : NULL;
        if (!close)
            cn_j_fail(run, CN_ERR_FORMAT, "format(): a single '%c'", c);
        size_t end = (size_t)(close - format->p), colon = i + 1;
        while (colon < end && format->p[colon] != ':')
            colon++;
        if (memchr(format->p + i + 1, '{', end - i - 1))
            cn_j_fail(run, CN_ERR_UNSUPPORTED, "format(): fields within fields are not supported");
        struct cn_str name = { format->p + i + 1, colon - i - 1 };
        bool repr = name.n >= 2 && name.p[name.n - 2] == '!' && name.p[name.n - 1] == 'r';
        if (name.n >= 2 && name.p[name.n - 2] == '!')
            name.n -= 2;
        struct cn_jval value = field_value(run, args, name, &next);
        if (repr) {
            struct cn_jtext text = { .run = run };
            cn_j_print_repr(&text, value);
            value = cn_j_string(cn_j_finish(&text));
        }
        struct spec spec;
        size_t from = colon < end ? colon + 1 : end;
        parse_spec(run, cn_j_part(run, format, from, end - from), &spec);
        put_braces(&out, &spec, value, format->safe);
        cn_j_work(run, 1, 0);
        i = end + 1;
    }
    return cn_j_as_safe(run, cn_j_finish(&out), format->safe);
}
