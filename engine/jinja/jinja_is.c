/* SPDX-License-Identifier: MIT
 *
 * Tests: what may stand behind "is".
 */
#include "engine/jinja/jinja_filter.h"

#include "base/unicode.h"

#include <string.h>

IS(defined)
{
    UNUSED;
    return cn_j_bool(v.kind != CN_J_UNDEFINED);
}
IS(undefined)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_UNDEFINED);
}
IS(none)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_NONE);
}
IS(string)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_STRING);
}
IS(mapping)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_DICT);
}
IS(number)
{
    UNUSED;
    return cn_j_bool(cn_j_is_number(v));
}
IS(integer)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_INT);
}
IS(float)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_FLOAT);
}
IS(boolean)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_BOOL);
}
IS(true)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_BOOL && v.boolean);
}
IS(false)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_BOOL && !v.boolean);
}
IS(sequence)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_UNDEFINED || v.kind == CN_J_STRING || v.kind == CN_J_LIST ||
                     v.kind == CN_J_TUPLE || v.kind == CN_J_RANGE || v.kind == CN_J_DICT);
}
IS(iterable)
{
    UNUSED;
    return cn_j_bool(v.kind == CN_J_UNDEFINED || v.kind == CN_J_STRING || v.kind == CN_J_LIST ||
                     v.kind == CN_J_TUPLE || v.kind == CN_J_VIEW || v.kind == CN_J_RANGE ||
                     v.kind == CN_J_GENERATOR || v.kind == CN_J_DICT || v.kind == CN_J_LOOP);
}
IS(callable)
{
    UNUSED; /* an undefined value is, if only to fail */
    return cn_j_bool(v.kind == CN_J_UNDEFINED || v.kind == CN_J_MACRO || v.kind == CN_J_FUNCTION ||
                     v.kind == CN_J_METHOD);
}
IS(eq)
{
    UNUSED;
    return cn_j_bool(cn_j_equal(run, v, a[0]));
}
IS(ne)
{
    UNUSED;
    return cn_j_bool(!cn_j_equal(run, v, a[0]));
}
IS(lt)
{
    UNUSED;
    return cn_j_bool(cn_j_compare(run, v, a[0], "<") < 0);
}
IS(le)
{
    UNUSED;
    return cn_j_bool(cn_j_compare(run, v, a[0], "<=") <= 0);
}
IS(gt)
{
    UNUSED;
    return cn_j_bool(cn_j_compare(run, v, a[0], ">") > 0);
}
IS(ge)
{
    UNUSED;
    return cn_j_bool(cn_j_compare(run, v, a[0], ">=") >= 0);
}
IS(in)
{
    UNUSED;
    return cn_j_bool(cn_j_contains(run, v, a[0]));
}
IS(sameas)
{
    UNUSED;
    if (v.kind != a[0].kind)
        return cn_j_bool(false);
    if (v.kind == CN_J_LIST || v.kind == CN_J_DICT || v.kind == CN_J_TUPLE)
        return cn_j_bool(v.list == a[0].list);
    return cn_j_bool(cn_j_equal(run, v, a[0]));
}
IS(divisibleby)
{
    UNUSED;
    struct cn_jval rest = cn_j_arithmetic(run, '%', v, a[0]);
    return cn_j_bool(!cn_j_truth(rest));
}
IS(odd)
{
    UNUSED;
    return cn_j_bool(cn_j_equal(run, cn_j_arithmetic(run, '%', v, cn_j_int(2)), cn_j_int(1)));
}
IS(even)
{
    UNUSED;
    return cn_j_bool(cn_j_equal(run, cn_j_arithmetic(run, '%', v, cn_j_int(2)), cn_j_int(0)));
}

/* Some letter has a case, and all that have one have this one. */
static struct cn_jval has_case(struct cn_jrun *run, struct cn_jval v, enum cn_uclass wanted,
                               enum cn_uclass other)
{
    const struct cn_jstr *str = cn_j_text(run, v);
    bool any = false;
    size_t length;
    cn_j_work(run, 1 + str->n / 8, 0);
    for (size_t at = 0; at < str->n; at += length) {
        enum cn_uclass class = cn_unicode_class(cn_j_char(str, at, &length));
        if (class == other || class == CN_U_LT)
            return cn_j_bool(false);
        any |= class == wanted;
    }
    return cn_j_bool(any);
}

IS(lower)
{
    UNUSED;
    return has_case(run, v, CN_U_LL, CN_U_LU);
}
IS(upper)
{
    UNUSED;
    return has_case(run, v, CN_U_LU, CN_U_LL);
}
IS(filter)
{
    UNUSED;
    const struct cn_jstr *name = cn_j_need_string(run, v, "is filter");
    return cn_j_bool(run->tables->find_filter((struct cn_str){ name->p, name->n }) != NULL);
}
IS(test)
{
    UNUSED;
    const struct cn_jstr *name = cn_j_need_string(run, v, "is test");
    return cn_j_bool(run->tables->find_test((struct cn_str){ name->p, name->n }) != NULL);
}
