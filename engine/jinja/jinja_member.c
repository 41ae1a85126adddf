/* SPDX-License-Identifier: MIT
 *
 * Members of values: attributes, keys, indices, paths.
 */
#include "engine/jinja/jinja_node.h"

#include <string.h>

static struct cn_jval missing(struct cn_jrun *run, enum cn_jkind of, struct cn_str name)
{
    struct cn_jmissing *m = cn_j_alloc(run, sizeof *m);
    *m = (struct cn_jmissing){ .name = name, .of = of };
    return (struct cn_jval){ .kind = CN_J_UNDEFINED, .missing = m };
}

static struct cn_jval loop_attribute(struct cn_jrun *run, const struct cn_jloop *loop,
                                     struct cn_str name)
{
    const struct cn_jstr str = { .p = name.p, .n = name.n };
    size_t at = loop->at, n = loop->items->n;
    if (cn_j_same(&str, "index"))
        return cn_j_int((cn_jint)at + 1);
    if (cn_j_same(&str, "index0"))
        return cn_j_int((cn_jint)at);
    if (cn_j_same(&str, "first"))
        return cn_j_bool(at == 0);
    if (cn_j_same(&str, "last"))
        return cn_j_bool(at + 1 == n);
    if (cn_j_same(&str, "length"))
        return cn_j_int((cn_jint)n);
    if (cn_j_same(&str, "revindex"))
        return cn_j_int((cn_jint)(n - at));
    if (cn_j_same(&str, "revindex0"))
        return cn_j_int((cn_jint)(n - at) - 1);
    if (cn_j_same(&str, "depth"))
        return cn_j_int((cn_jint)loop->depth0 + 1);
    if (cn_j_same(&str, "depth0"))
        return cn_j_int((cn_jint)loop->depth0);
    if (cn_j_same(&str, "previtem") && at > 0)
        return loop->items->items[at - 1];
    if (cn_j_same(&str, "nextitem") && at + 1 < n)
        return loop->items->items[at + 1];
    return missing(run, CN_J_LOOP, name);
}

/* The value called `name` among keys of the value, or its attributes that are no methods. */
static struct cn_jval named_member(struct cn_jrun *run, struct cn_jval v, struct cn_str name)
{
    const struct cn_jval *found = NULL;
    if (v.kind == CN_J_DICT || v.kind == CN_J_NAMESPACE)
        found = cn_j_dict_find_name(run, v.dict, name);
    if (found)
        return *found;
    if (v.kind == CN_J_LOOP)
        return loop_attribute(run, v.loop, name);
    if (v.kind == CN_J_MACRO && name.n == 4 && !memcmp(name.p, "name", 4))
        return cn_j_string(cn_j_str(run, v.macro->node->text.p, v.macro->node->text.n, false));
    return missing(run, v.kind, name);
}

static bool is_private(struct cn_str name)
{
    return name.n >= 2 && name.p[0] == '_' && name.p[1] == '_';
}

struct cn_jval cn_j_attribute(struct cn_jrun *run, struct cn_jval v, struct cn_str name)
{
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (is_private(name))
        return missing(run, v.kind, name);
    if (v.kind != CN_J_NAMESPACE) {
        struct cn_jval method = cn_j_find_method(run, v, name);
        if (method.kind != CN_J_UNDEFINED || method.missing)
            return method;
    }
    return named_member(run, v, name);
}

static struct cn_jval indexed(struct cn_jrun *run, struct cn_jval v, struct cn_jval key)
{
    cn_jint i = (key.kind == CN_J_INT ? key.integer : (cn_jint)key.boolean);
    if (v.kind == CN_J_STRING) {
        size_t n = cn_j_chars(run, v.string), length;
        i += i < 0 ? (cn_jint)n : 0;
        if (i >= 0 && i < (cn_jint)n) {
            size_t at = cn_j_char_at(run, v.string, (size_t)i);
            cn_j_char(v.string, at, &length);
            return cn_j_string(cn_j_part(run, v.string, at, length));
        }
    } else if (v.kind == CN_J_LIST || v.kind == CN_J_TUPLE) {
        i += i < 0 ? (cn_jint)v.list->n : 0;
        if (i >= 0 && i < (cn_jint)v.list->n)
            return v.list->items[i];
    } else if (v.kind == CN_J_RANGE) {
        i += i < 0 ? (cn_jint)v.range->n : 0;
        if (i >= 0 && i < (cn_jint)v.range->n)
            return cn_j_int(v.range->start + i * v.range->step);
    }
    const struct cn_jstr *shown = cn_j_text(run, key);
    return missing(run, v.kind, (struct cn_str){ shown->p, shown->n });
}

struct cn_jval cn_j_member(struct cn_jrun *run, struct cn_jval v, struct cn_jval key)
{
    if (v.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, v);
    if (v.kind == CN_J_DICT) {
        const struct cn_jval *found = cn_j_dict_find(run, v.dict, key);
        if (found)
            return *found;
    }
    if (key.kind == CN_J_STRING) {
        struct cn_str name = { key.string->p, key.string->n };
        if (is_private(name))
            return missing(run, v.kind, name);
        struct cn_jval found = named_member(run, v, name);
        if (found.kind != CN_J_UNDEFINED || v.kind == CN_J_NAMESPACE)
            return found;
        struct cn_jval method = cn_j_find_method(run, v, name);
        return method.kind != CN_J_UNDEFINED || method.missing ? method : found;
    }
    if (key.kind == CN_J_INT || key.kind == CN_J_BOOL)
        return indexed(run, v, key);
    return missing(run, v.kind,
                   (struct cn_str){ cn_j_kind_name(key.kind), strlen(cn_j_kind_name(key.kind)) });
}

struct cn_jval cn_j_path(struct cn_jrun *run, struct cn_jval v, struct cn_str path)
{
    for (;;) {
        const char *dot = memchr(path.p, '.', path.n);
        size_t n = dot ? (size_t)(dot - path.p) : path.n;
        cn_jint index;
        bool is_index =
            n > 0 && path.p[0] >= '0' && path.p[0] <= '9' && cn_j_parse_int(path.p, n, 10, &index);
        v = cn_j_member(run, v,
                        is_index ? cn_j_int(index) : cn_j_string(cn_j_str(run, path.p, n, false)));
        if (!dot)
            return v;
        path.p += n + 1;
        path.n -= n + 1;
    }
}
