/* SPDX-License-Identifier: MIT
 *
 * Filters on lists and dicts.
 */
#include "engine/jinja/jinja_filter.h"

#include <string.h>

LIST_FILTER(list)
{
    UNUSED;
    const struct cn_jlist *items = cn_j_items(run, v);
    struct cn_jlist *copy = cn_j_list(run, items->n);
    for (size_t i = 0; i < items->n; i++)
        cn_j_push(run, copy, items->items[i]);
    return cn_j_of_list(copy);
}

static struct cn_jval pair(struct cn_jrun *run, struct cn_jval a, struct cn_jval b)
{
    struct cn_jlist *list = cn_j_list(run, 2);
    cn_j_push(run, list, a);
    cn_j_push(run, list, b);
    return (struct cn_jval){ .kind = CN_J_TUPLE, .list = list };
}

static struct cn_jlist *pairs_of(struct cn_jrun *run, const struct cn_jdict *dict)
{
    struct cn_jlist *pairs = cn_j_list(run, dict->n);
    for (size_t i = 0; i < dict->n; i++)
        cn_j_push(run, pairs, pair(run, dict->entries[i].key, dict->entries[i].value));
    return pairs;
}

/* A generator whose items are there already. */
static struct cn_jval generator_of(struct cn_jrun *run, struct cn_jlist *made)
{
    struct cn_jgenerator *g = cn_j_alloc(run, sizeof *g);
    *g = (struct cn_jgenerator){ .made = made };
    return (struct cn_jval){ .kind = CN_J_GENERATOR, .generator = g };
}

LIST_FILTER(items)
{
    UNUSED;
    if (v.kind == CN_J_UNDEFINED)
        return generator_of(run, cn_j_list(run, 0));
    if (v.kind != CN_J_DICT)
        cn_j_fail(run, CN_ERR_FORMAT, "items: expected a dict, found %s", cn_j_kind_name(v.kind));
    return generator_of(run, pairs_of(run, v.dict));
}

static struct cn_str need_name(struct cn_jrun *run, struct cn_jval v, const char *what)
{
    const struct cn_jstr *str = cn_j_need_string(run, v, what);
    return (struct cn_str){ str->p, str->n };
}

/* The item, or what its attribute is: a path, or an index. */
static struct cn_jval attribute_of(struct cn_jrun *run, struct cn_jval item,
                                   struct cn_jval attribute, const char *what)
{
    if (attribute.kind == CN_J_ABSENT || attribute.kind == CN_J_NONE)
        return item;
    if (attribute.kind == CN_J_INT)
        return cn_j_member(run, item, attribute);
    struct cn_str path = need_name(run, attribute, what);
    if (memchr(path.p, ',', path.n))
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "%s: several attributes are not supported", what);
    return cn_j_path(run, item, path);
}

LIST_FILTER(join)
{
    UNUSED;
    const struct cn_jlist *items = cn_j_items(run, v);
    const struct cn_jstr *by = a[0].kind == CN_J_ABSENT ? NULL : cn_j_text(run, a[0]);
    struct cn_jtext out = { .run = run };
    for (size_t i = 0; i < items->n; i++) {
        if (i > 0 && by)
            cn_j_put_str(&out, by);
        cn_j_print(&out, attribute_of(run, items->items[i], a[1], "join"));
        cn_j_work(run, 1, 0);
    }
    return cn_j_string(cn_j_finish(&out));
}

static struct cn_jval end_of(struct cn_jrun *run, struct cn_jval v, bool last)
{
    static const struct cn_jmissing none = {
        .name = {"first or last item", 18},
          .because = "the sequence was empty"
    };
    if (v.kind == CN_J_STRING && v.string->n > 0)
        return cn_j_member(run, v, cn_j_int(last ? -1 : 0));
    const struct cn_jlist *items = cn_j_items(run, v);
    if (items->n == 0)
        return (struct cn_jval){ .kind = CN_J_UNDEFINED, .missing = &none };
    return items->items[last ? items->n - 1 : 0];
}

LIST_FILTER(first)
{
    UNUSED;
    /* Of a generator one item is read, not all. */
    if (v.kind == CN_J_GENERATOR && v.generator->made && v.generator->at < v.generator->made->n)
        return v.generator->made->items[v.generator->at++];
    return end_of(run, v, false);
}

LIST_FILTER(last)
{
    UNUSED;
    return end_of(run, v, true);
}

LIST_FILTER(reverse)
{
    UNUSED;
    if (v.kind == CN_J_STRING)
        return cn_j_slice(run, v, cn_j_none(), cn_j_none(), cn_j_int(-1));
    const struct cn_jlist *items = cn_j_items(run, v);
    struct cn_jlist *list = cn_j_list(run, items->n);
    for (size_t i = items->n; i-- > 0;)
        cn_j_push(run, list, items->items[i]);
    return generator_of(run, list);
}

/* ---- sorting --------------------------------------------------------------------------------- */

struct keyed {
    struct cn_jval key, item;
};

/* Keys of strings in lower case, so that case does not count. */
static struct cn_jval without_case(struct cn_jrun *run, struct cn_jval key)
{
    return key.kind == CN_J_STRING ? cn_j_string(cn_j_change_case(run, key.string, CN_J_LOWER))
                                   : key;
}

/* A stable merge sort, bottom up. Reversed order keeps equal items as they were, as Python does. */
static struct cn_jlist *sorted(struct cn_jrun *run, struct keyed *items, size_t n, bool reverse)
{
    struct keyed *from = items, *to = cn_j_alloc(run, n * sizeof *to);
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t a = at, a_end = at + width < n ? at + width : n, b = a_end,
                   b_end = at + 2 * width < n ? at + 2 * width : n;
            for (size_t k = at; k < b_end; k++) {
                bool second = a == a_end;
                if (!second && b < b_end) {
                    int order = cn_j_compare(run, from[b].key, from[a].key, "<");
                    second = reverse ? order > 0 : order < 0;
                }
                to[k] = from[second ? b++ : a++];
            }
        }
        struct keyed *swap = from;
        from = to;
        to = swap;
    }
    struct cn_jlist *list = cn_j_list(run, n);
    for (size_t i = 0; i < n; i++)
        cn_j_push(run, list, from[i].item);
    return list;
}

LIST_FILTER(sort)
{
    UNUSED;
    const struct cn_jlist *items = cn_j_items(run, v);
    struct keyed *keyed = cn_j_alloc(run, items->n * sizeof *keyed);
    for (size_t i = 0; i < items->n; i++) {
        keyed[i].item = items->items[i];
        keyed[i].key = attribute_of(run, keyed[i].item, a[2], "sort");
        if (!cn_j_truth(a[1]))
            keyed[i].key = without_case(run, keyed[i].key);
    }
    return cn_j_of_list(sorted(run, keyed, items->n, cn_j_truth(a[0])));
}

LIST_FILTER(dictsort)
{
    UNUSED;
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (v.kind != CN_J_DICT)
        cn_j_fail(run, CN_ERR_FORMAT, "dictsort: expected a dict, found %s",
                  cn_j_kind_name(v.kind));
    bool by_value = false;
    if (a[1].kind != CN_J_ABSENT) {
        const struct cn_jstr *by = cn_j_need_string(run, a[1], "dictsort: by");
        by_value = cn_j_same(by, "value");
        if (!by_value && !cn_j_same(by, "key"))
            cn_j_fail(run, CN_ERR_FORMAT, "dictsort: by: expected 'key' or 'value'");
    }
    const struct cn_jlist *pairs = pairs_of(run, v.dict);
    struct keyed *keyed = cn_j_alloc(run, pairs->n * sizeof *keyed);
    for (size_t i = 0; i < pairs->n; i++) {
        keyed[i].item = pairs->items[i];
        keyed[i].key = pairs->items[i].list->items[by_value];
        if (!cn_j_truth(a[0]))
            keyed[i].key = without_case(run, keyed[i].key);
    }
    return cn_j_of_list(sorted(run, keyed, pairs->n, cn_j_truth(a[2])));
}

LIST_FILTER(unique)
{
    UNUSED;
    const struct cn_jlist *items = cn_j_items(run, v);
    struct cn_jlist *list = cn_j_list(run, 0);
    struct cn_jdict *seen = cn_j_dict(run);
    for (size_t i = 0; i < items->n; i++) {
        struct cn_jval key = attribute_of(run, items->items[i], a[1], "unique");
        if (!cn_j_truth(a[0]))
            key = without_case(run, key);
        size_t n = seen->n;
        cn_j_dict_set(run, seen, key, cn_j_none());
        if (seen->n > n)
            cn_j_push(run, list, items->items[i]);
    }
    return generator_of(run, list);
}

static struct cn_jval extreme(struct cn_jrun *run, struct cn_jval v, const struct cn_jval *a,
                              int sign)
{
    const struct cn_jlist *items = cn_j_items(run, v);
    struct cn_jval best = cn_j_undefined(), best_key = best;
    best.missing = NULL;
    for (size_t i = 0; i < items->n; i++) {
        struct cn_jval key = attribute_of(run, items->items[i], a[1], "min or max");
        if (!cn_j_truth(a[0]))
            key = without_case(run, key);
        if (i == 0 || sign * cn_j_compare(run, key, best_key, sign < 0 ? "<" : ">") > 0) {
            best = items->items[i];
            best_key = key;
        }
    }
    return best;
}

LIST_FILTER(min)
{
    UNUSED;
    return extreme(run, v, a, -1);
}

LIST_FILTER(max)
{
    UNUSED;
    return extreme(run, v, a, 1);
}

LIST_FILTER(sum)
{
    UNUSED;
    const struct cn_jlist *items = cn_j_items(run, v);
    struct cn_jval sum = a[1].kind == CN_J_ABSENT ? cn_j_int(0) : a[1];
    for (size_t i = 0; i < items->n; i++)
        sum = cn_j_add(run, sum, attribute_of(run, items->items[i], a[0], "sum"));
    return sum;
}

/* ---- map, select ----------------------------------------------------------------------------- */

static struct cn_jval lazy(struct cn_jrun *run, struct cn_jval source, const struct cn_jargs *args,
                           void (*make)(struct cn_jrun *run, const struct cn_jgenerator *generator,
                                        struct cn_jlist *out))
{
    struct cn_jgenerator *g = cn_j_alloc(run, sizeof *g);
    struct cn_jargs *kept = cn_j_alloc(run, sizeof *kept);
    *kept = *args;
    *g = (struct cn_jgenerator){ .source = source, .make = make, .args = kept };
    return (struct cn_jval){ .kind = CN_J_GENERATOR, .generator = g };
}

/* The arguments behind the first n without a name. */
static struct cn_jargs behind(const struct cn_jargs *args, size_t n)
{
    struct cn_jargs rest = *args;
    rest.values += n;
    rest.n -= n;
    return rest;
}

static struct cn_jval named(const struct cn_jargs *args, const char *name)
{
    for (size_t i = 0; i < args->n_named; i++)
        if (args->names[i].n == strlen(name) && !memcmp(args->names[i].p, name, args->names[i].n))
            return args->named[i];
    return (struct cn_jval){ .kind = CN_J_ABSENT };
}

static void make_map(struct cn_jrun *run, const struct cn_jgenerator *g, struct cn_jlist *out)
{
    if (!cn_j_truth(g->source)) /* also what could not be walked through */
        return;
    const struct cn_jlist *items = cn_j_items(run, g->source);
    struct cn_jval attribute = named(g->args, "attribute"), otherwise = named(g->args, "default");
    const struct cn_jbuiltin *row = NULL;
    struct cn_jargs rest = *g->args;
    if (g->args->n > 0) {
        struct cn_str name = need_name(run, g->args->values[0], "map");
        row = run->tables->find_filter(name);
        if (!row)
            run->tables->fail_no_filter(run, name);
        rest = behind(g->args, 1);
    } else if (attribute.kind == CN_J_ABSENT) {
        cn_j_fail(run, CN_ERR_FORMAT, "map: expected a filter or attribute=");
    }
    for (size_t i = 0; i < items->n; i++) {
        struct cn_jval value = row ? cn_j_call_builtin(run, row, "filter", items->items[i], &rest)
                                   : attribute_of(run, items->items[i], attribute, "map");
        if (!row && value.kind == CN_J_UNDEFINED && otherwise.kind != CN_J_ABSENT)
            value = otherwise;
        cn_j_push(run, out, value);
    }
}

LIST_FILTER(map)
{
    UNUSED;
    return lazy(run, v, args, make_map);
}

static void make_select(struct cn_jrun *run, const struct cn_jgenerator *g, struct cn_jlist *out)
{
    if (!cn_j_truth(g->source)) /* also what could not be walked through */
        return;
    const struct cn_jlist *items = cn_j_items(run, g->source);
    const struct cn_jbuiltin *row = NULL;
    struct cn_jval attribute = { .kind = CN_J_ABSENT };
    struct cn_jargs rest = *g->args;
    if (g->attribute) {
        if (rest.n == 0)
            cn_j_fail(run, CN_ERR_FORMAT, "selectattr: the attribute is missing");
        attribute = rest.values[0];
        rest = behind(&rest, 1);
    }
    if (rest.n > 0) {
        struct cn_str name = need_name(run, rest.values[0], "select");
        row = run->tables->find_test(name);
        if (!row)
            run->tables->fail_no_test(run, name);
        rest = behind(&rest, 1);
    }
    for (size_t i = 0; i < items->n; i++) {
        struct cn_jval value = attribute_of(run, items->items[i], attribute, "selectattr");
        if (row)
            value = cn_j_call_builtin(run, row, "test", value, &rest);
        if (cn_j_truth(value) != g->negate)
            cn_j_push(run, out, items->items[i]);
    }
}

static struct cn_jval selection(struct cn_jrun *run, struct cn_jval v, const struct cn_jargs *args,
                                bool attribute, bool negate)
{
    struct cn_jval value = lazy(run, v, args, make_select);
    value.generator->attribute = attribute;
    value.generator->negate = negate;
    return value;
}

LIST_FILTER(select)
{
    UNUSED;
    return selection(run, v, args, false, false);
}

LIST_FILTER(reject)
{
    UNUSED;
    return selection(run, v, args, false, true);
}

LIST_FILTER(selectattr)
{
    UNUSED;
    return selection(run, v, args, true, false);
}

LIST_FILTER(rejectattr)
{
    UNUSED;
    return selection(run, v, args, true, true);
}
