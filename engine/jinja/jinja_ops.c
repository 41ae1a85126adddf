/* SPDX-License-Identifier: MIT
 *
 * Operators: arithmetic, slices.
 */
#include "engine/jinja/jinja_node.h"

#include <math.h>
#include <string.h>

static _Noreturn void no_operator(struct cn_jrun *run, const char *op, struct cn_jval a,
                                  struct cn_jval b)
{
    if (a.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, a);
    if (b.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, b);
    cn_j_fail(run, CN_ERR_FORMAT, "'%s' does not go with %s and %s", op, cn_j_kind_name(a.kind),
              cn_j_kind_name(b.kind));
}

static _Noreturn void too_large(struct cn_jrun *run)
{
    cn_j_fail(run, CN_ERR_UNSUPPORTED, "an int of more than 127 bits");
}

static cn_jint integer_of(struct cn_jval v)
{
    return v.kind == CN_J_INT ? v.integer : v.boolean;
}

static bool are_integers(struct cn_jval a, struct cn_jval b)
{
    return (a.kind == CN_J_INT || a.kind == CN_J_BOOL) &&
           (b.kind == CN_J_INT || b.kind == CN_J_BOOL);
}

struct cn_jval cn_j_add(struct cn_jrun *run, struct cn_jval a, struct cn_jval b)
{
    if (a.kind == CN_J_STRING && b.kind == CN_J_STRING)
        return cn_j_string(cn_j_concat(run, a.string, b.string));
    if (are_integers(a, b)) {
        cn_jint sum;
        if (__builtin_add_overflow(integer_of(a), integer_of(b), &sum))
            too_large(run);
        return cn_j_int(sum);
    }
    if (cn_j_is_number(a) && cn_j_is_number(b))
        return cn_j_float(cn_j_real(a) + cn_j_real(b));
    if (a.kind == b.kind && (a.kind == CN_J_LIST || a.kind == CN_J_TUPLE)) {
        struct cn_jlist *list = cn_j_list(run, a.list->n + b.list->n);
        cn_j_work(run, a.list->n + b.list->n, 0);
        if (a.list->n)
            memcpy(list->items, a.list->items, a.list->n * sizeof *list->items);
        if (b.list->n)
            memcpy(list->items + a.list->n, b.list->items, b.list->n * sizeof *list->items);
        list->n = a.list->n + b.list->n;
        return (struct cn_jval){ .kind = a.kind, .list = list };
    }
    no_operator(run, "+", a, b);
}

static struct cn_jval repeated(struct cn_jrun *run, struct cn_jval what, cn_jint times)
{
    times = times < 0 ? 0 : times;
    if (what.kind == CN_J_STRING) {
        struct cn_jtext text = { .run = run };
        if (what.string->n > 0 && times > CN_JINJA_MAX_TEXT / (cn_jint)what.string->n)
            cn_j_fail(run, CN_ERR_UNSUPPORTED, "a text of more than %d MiB",
                      CN_JINJA_MAX_TEXT >> 20);
        for (cn_jint i = 0; i < times && what.string->n > 0; i++) {
            cn_j_work(run, i % 16 == 0, 0);
            cn_j_put_str(&text, what.string);
        }
        return cn_j_string(cn_j_as_safe(run, cn_j_finish(&text), what.string->safe));
    }
    struct cn_jlist *list = cn_j_list(run, 0);
    for (cn_jint i = 0; i < times && what.list->n > 0; i++) {
        cn_j_work(run, what.list->n, 0);
        for (size_t k = 0; k < what.list->n; k++)
            cn_j_push(run, list, what.list->items[k]);
    }
    return (struct cn_jval){ .kind = what.kind, .list = list };
}

static bool can_repeat(struct cn_jval v)
{
    return v.kind == CN_J_STRING || v.kind == CN_J_LIST || v.kind == CN_J_TUPLE;
}

static cn_jint int_power(struct cn_jrun *run, cn_jint base, cn_jint exponent)
{
    cn_jint result = 1;
    if (base == 1 || (base == 0 && exponent > 0))
        return base;
    if (base == -1)
        return exponent % 2 ? -1 : 1;
    for (; exponent > 0; exponent--)
        if (__builtin_mul_overflow(result, base, &result))
            too_large(run);
    return result;
}

static struct cn_jval int_math(struct cn_jrun *run, int op, cn_jint a, cn_jint b)
{
    cn_jint result;
    switch (op) {
    case '-':
        if (__builtin_sub_overflow(a, b, &result))
            too_large(run);
        return cn_j_int(result);
    case '*':
        if (__builtin_mul_overflow(a, b, &result))
            too_large(run);
        return cn_j_int(result);
    case 'p':
        return b < 0 ? cn_j_float(pow((double)a, (double)b)) : cn_j_int(int_power(run, a, b));
    default:
        break;
    }
    if (b == 0)
        cn_j_fail(run, CN_ERR_FORMAT, "division by zero");
    if (op == '/')
        return cn_j_float((double)a / (double)b);
    if (b == -1) { /* the least int has no opposite */
        if (__builtin_sub_overflow((cn_jint)0, a, &result))
            too_large(run);
        return cn_j_int(op == '%' ? 0 : result);
    }
    cn_jint quotient = a / b, rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    return cn_j_int(op == '%' ? rest : quotient);
}

static struct cn_jval float_math(struct cn_jrun *run, int op, double a, double b)
{
    if (op == '-')
        return cn_j_float(a - b);
    if (op == '*')
        return cn_j_float(a * b);
    if (op == 'p')
        return cn_j_float(pow(a, b));
    if (!(b < 0) && !(b > 0) && !isnan(b))
        cn_j_fail(run, CN_ERR_FORMAT, "division by zero");
    if (op == '/')
        return cn_j_float(a / b);
    double rest = fmod(a, b);
    if ((rest < 0 || rest > 0) && (rest < 0) != (b < 0))
        rest += b;
    return cn_j_float(op == '%' ? rest : floor((a - rest) / b + 0.25));
}

struct cn_jval cn_j_arithmetic(struct cn_jrun *run, int op, struct cn_jval a, struct cn_jval b)
{
    if (are_integers(a, b))
        return int_math(run, op, integer_of(a), integer_of(b));
    if (cn_j_is_number(a) && cn_j_is_number(b))
        return float_math(run, op, cn_j_real(a), cn_j_real(b));
    if (op == '*' && can_repeat(a) && (b.kind == CN_J_INT || b.kind == CN_J_BOOL))
        return repeated(run, a, integer_of(b));
    if (op == '*' && can_repeat(b) && (a.kind == CN_J_INT || a.kind == CN_J_BOOL))
        return repeated(run, b, integer_of(a));
    if (op == '%' && a.kind == CN_J_STRING)
        return cn_j_string(cn_j_percent(run, a.string, b));
    const char name[3] = { (char)(op == 'd'   ? '/'
                                  : op == 'p' ? '*'
                                              : op),
                           (char)(op == 'd'   ? '/'
                                  : op == 'p' ? '*'
                                              : '\0'),
                           '\0' };
    no_operator(run, name, a, b);
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* A bound as Python clips it. */
static int64_t bound(struct cn_jrun *run, struct cn_jval value, int64_t absent, int64_t n,
                     int64_t lowest, int64_t highest)
{
    if (value.kind == CN_J_ABSENT || value.kind == CN_J_NONE)
        return absent;
    if (value.kind == CN_J_INT) { /* as far out as need be */
        value.integer = value.integer > INT32_MAX * (cn_jint)4   ? INT32_MAX * (cn_jint)4
                        : value.integer < INT32_MIN * (cn_jint)4 ? INT32_MIN * (cn_jint)4
                                                                 : value.integer;
    }
    int64_t i = cn_j_need_int(run, value, "slice");
    i += i < 0 ? n : 0;
    return i < lowest ? lowest : i > highest ? highest : i;
}

static const struct cn_jstr *slice_text(struct cn_jrun *run, const struct cn_jstr *str,
                                        int64_t from, int64_t to, int64_t step)
{
    if (step == 1) {
        size_t a = cn_j_char_at(run, str, (size_t)from);
        size_t b = from < to ? cn_j_char_at(run, str, (size_t)to) : a;
        return cn_j_part(run, str, a, b - a);
    }
    struct cn_jtext text = { .run = run };
    size_t n = cn_j_chars(run, str), length, at = 0;
    size_t *starts = cn_j_alloc(run, (n + 1) * sizeof *starts);
    cn_j_work(run, n / 8, 0);
    for (size_t i = 0; i < n; i++, at += length) {
        starts[i] = at;
        cn_j_char(str, at, &length);
    }
    starts[n] = str->n;
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
        cn_j_put_part(&text, str, starts[i], starts[i + 1] - starts[i]);
    return cn_j_as_safe(run, cn_j_finish(&text), str->safe);
}

struct cn_jval cn_j_slice(struct cn_jrun *run, struct cn_jval v, struct cn_jval from_value,
                          struct cn_jval to_value, struct cn_jval step_value)
{
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (v.kind == CN_J_RANGE)
        v = cn_j_of_list(cn_j_items(run, v));
    if (!can_repeat(v))
        cn_j_fail(run, CN_ERR_FORMAT, "a %s cannot be sliced", cn_j_kind_name(v.kind));
    int64_t n = (int64_t)cn_j_length(run, v);
    int64_t step = bound(run, step_value, 1, 0, INT32_MIN, INT32_MAX);
    if (step == 0)
        cn_j_fail(run, CN_ERR_FORMAT, "the step of a slice is 0");
    int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? n : n - 1;
    int64_t from = bound(run, from_value, step > 0 ? 0 : n - 1, n, lowest, highest);
    int64_t to = bound(run, to_value, step > 0 ? n : -1, n, lowest, highest);
    if (v.kind == CN_J_STRING)
        return cn_j_string(slice_text(run, v.string, from, to, step));
    struct cn_jlist *list = cn_j_list(run, 0);
    if (step == 1 && from < to) { /* the items are never changed in place: they may be shared */
        list->items = v.list->items + from;
        list->n = list->capacity = (size_t)(to - from);
    } else {
        for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
            cn_j_push(run, list, v.list->items[i]);
    }
    return (struct cn_jval){ .kind = v.kind, .list = list };
}
