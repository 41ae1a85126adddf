/* SPDX-License-Identifier: MIT
 *
 * Methods of strings, dicts, lists and loops. The sandbox that templates are written for forbids
 * those that change a list or dict.
 */
#include "engine/jinja/jinja_filter.h"

#include "base/unicode.h"

#include <string.h>

#define METHOD(name) static struct cn_jval method_##name CN_J_ARGUMENTS

/* ---- strings --------------------------------------------------------------------------------- */

static struct cn_jval stripped(struct cn_jrun *run, struct cn_jval v, struct cn_jval chars,
                               int sides)
{
    return cn_j_string(
        cn_j_strip(run, v.string, cn_j_optional_chars(run, chars, "strip()"), sides));
}
METHOD(strip)
{
    UNUSED;
    return stripped(run, v, a[0], CN_J_LEFT | CN_J_RIGHT);
}
METHOD(lstrip)
{
    UNUSED;
    return stripped(run, v, a[0], CN_J_LEFT);
}
METHOD(rstrip)
{
    UNUSED;
    return stripped(run, v, a[0], CN_J_RIGHT);
}

static int64_t limit(struct cn_jrun *run, struct cn_jval v, const char *what)
{
    return v.kind == CN_J_ABSENT ? -1 : cn_j_need_int(run, v, what);
}
METHOD(split)
{
    UNUSED;
    return cn_j_split(run, v.string, a[0], limit(run, a[1], "split()"), false);
}
METHOD(rsplit)
{
    UNUSED;
    return cn_j_split(run, v.string, a[0], limit(run, a[1], "rsplit()"), true);
}

METHOD(splitlines)
{
    UNUSED;
    struct cn_jlist *lines = cn_j_list(run, 0);
    const struct cn_jstr *str = v.string;
    bool keep = cn_j_truth(a[0]);
    size_t from = 0, length;
    cn_j_work(run, 1 + str->n / 8, 0);
    for (size_t at = 0; at < str->n;) {
        uint32_t cp = cn_j_char(str, at, &length);
        bool ends = (cp >= '\n' && cp <= '\r') || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 ||
                    cp == 0x2028 || cp == 0x2029;
        size_t stop = at;
        at += length;
        if (!ends)
            continue;
        at += cp == '\r' && at < str->n && str->p[at] == '\n';
        cn_j_push(run, lines, cn_j_string(cn_j_part(run, str, from, (keep ? at : stop) - from)));
        from = at;
    }
    if (from < str->n)
        cn_j_push(run, lines, cn_j_string(cn_j_part(run, str, from, str->n - from)));
    return cn_j_of_list(lines);
}

/* The string from character a[from] to a[to], as startswith(), find() and their like take them. */
static const struct cn_jstr *within(struct cn_jrun *run, struct cn_jval v, struct cn_jval from,
                                    struct cn_jval to)
{
    if (from.kind == CN_J_ABSENT && to.kind == CN_J_ABSENT)
        return v.string;
    return cn_j_slice(run, v, from, to, cn_j_none()).string;
}

static bool has_end(struct cn_jrun *run, const struct cn_jstr *str, struct cn_jval with, bool start)
{
    if (with.kind == CN_J_TUPLE) {
        for (size_t i = 0; i < with.list->n; i++)
            if (with.list->items[i].kind != CN_J_TUPLE &&
                has_end(run, str, with.list->items[i], start))
                return true;
        return false;
    }
    const struct cn_jstr *part = cn_j_need_string(run, with, start ? "startswith()" : "endswith()");
    cn_j_work(run, 1, part->n);
    return part->n <= str->n &&
           !memcmp(start ? str->p : str->p + str->n - part->n, part->p, part->n);
}
METHOD(startswith)
{
    UNUSED;
    return cn_j_bool(has_end(run, within(run, v, a[1], a[2]), a[0], true));
}
METHOD(endswith)
{
    UNUSED;
    return cn_j_bool(has_end(run, within(run, v, a[1], a[2]), a[0], false));
}

METHOD(replace)
{
    UNUSED;
    const struct cn_jstr *old = cn_j_need_string(run, a[0], "replace()");
    const struct cn_jstr *with = cn_j_need_string(run, a[1], "replace()");
    if (v.string->safe)
        with = cn_j_escaped(run, with);
    const struct cn_jstr *result =
        cn_j_replace(run, v.string, old, with, limit(run, a[2], "replace()"));
    return cn_j_string(cn_j_as_safe(run, result, v.string->safe));
}

static struct cn_jval cased(struct cn_jrun *run, struct cn_jval v, enum cn_jcase to)
{
    return cn_j_string(cn_j_as_safe(run, cn_j_change_case(run, v.string, to), v.string->safe));
}
METHOD(upper)
{
    UNUSED;
    return cased(run, v, CN_J_UPPER);
}
METHOD(lower)
{
    UNUSED;
    return cased(run, v, CN_J_LOWER);
}
METHOD(title)
{
    UNUSED;
    return cased(run, v, CN_J_TITLE_METHOD);
}
METHOD(capitalize)
{
    UNUSED;
    return cased(run, v, CN_J_CAPITALIZE);
}
METHOD(swapcase)
{
    UNUSED;
    return cased(run, v, CN_J_SWAP);
}

/* The character at which the part begins, or -1. */
static int64_t position(struct cn_jrun *run, struct cn_jval v, const struct cn_jval *a,
                        bool from_right)
{
    const struct cn_jstr *part = cn_j_need_string(run, a[0], "find()");
    const struct cn_jstr *str = within(run, v, a[1], a[2]);
    cn_j_work(run, 1, str->n);
    size_t at = from_right ? cn_j_rfind(run, str, part) : cn_j_find(str, part, 0);
    if (at == SIZE_MAX)
        return -1;
    at += (size_t)(str->p - v.string->p);
    return (int64_t)cn_j_chars(run, cn_j_part(run, v.string, 0, at));
}
METHOD(find)
{
    UNUSED;
    return cn_j_int(position(run, v, a, false));
}
METHOD(rfind)
{
    UNUSED;
    return cn_j_int(position(run, v, a, true));
}
METHOD(index)
{
    UNUSED;
    int64_t at = position(run, v, a, false);
    if (at < 0)
        cn_j_fail(run, CN_ERR_FORMAT, "index(): the text is not found");
    return cn_j_int(at);
}
METHOD(count)
{
    UNUSED;
    const struct cn_jstr *part = cn_j_need_string(run, a[0], "count()");
    cn_jint n = 0;
    cn_j_work(run, 1, v.string->n);
    if (part->n == 0)
        return cn_j_int((cn_jint)cn_j_chars(run, v.string) + 1);
    for (size_t at = 0; (at = cn_j_find(v.string, part, at)) != SIZE_MAX; at += part->n, n++)
        cn_j_work(run, 1, 0);
    return cn_j_int(n);
}

METHOD(join)
{
    UNUSED;
    const struct cn_jlist *items = cn_j_items(run, a[0]);
    struct cn_jtext out = { .run = run };
    bool safe = v.string->safe;
    for (size_t i = 0; i < items->n; i++) {
        const struct cn_jstr *str = cn_j_need_string(run, items->items[i], "join()");
        if (i > 0)
            cn_j_put_str(&out, v.string);
        cn_j_put_str(&out, safe ? cn_j_escaped(run, str) : str);
        cn_j_work(run, 1, 0);
    }
    return cn_j_string(cn_j_as_safe(run, cn_j_finish(&out), safe));
}

METHOD(format)
{
    UNUSED;
    return cn_j_string(cn_j_format(run, v.string, args));
}

METHOD(removeprefix)
{
    UNUSED;
    const struct cn_jstr *part = cn_j_need_string(run, a[0], "removeprefix()");
    bool has = has_end(run, v.string, a[0], true);
    return has ? cn_j_string(cn_j_part(run, v.string, part->n, v.string->n - part->n)) : v;
}
METHOD(removesuffix)
{
    UNUSED;
    const struct cn_jstr *part = cn_j_need_string(run, a[0], "removesuffix()");
    bool has = has_end(run, v.string, a[0], false);
    return has ? cn_j_string(cn_j_part(run, v.string, 0, v.string->n - part->n)) : v;
}

static struct cn_jval partitioned(struct cn_jrun *run, struct cn_jval v, struct cn_jval by,
                                  bool from_right)
{
    const struct cn_jstr *sep = cn_j_need_string(run, by, "partition()"), *str = v.string;
    if (sep->n == 0)
        cn_j_fail(run, CN_ERR_FORMAT, "partition(): the separator is empty");
    cn_j_work(run, 1, str->n);
    size_t at = from_right ? cn_j_rfind(run, str, sep) : cn_j_find(str, sep, 0);
    size_t none = from_right ? 0 : str->n;
    struct cn_jlist *three = cn_j_list(run, 3);
    cn_j_push(run, three, cn_j_string(cn_j_part(run, str, 0, at == SIZE_MAX ? none : at)));
    cn_j_push(run, three, at == SIZE_MAX ? cn_j_string(cn_j_literal(run, "")) : by);
    size_t from = at == SIZE_MAX ? none : at + sep->n;
    cn_j_push(run, three, cn_j_string(cn_j_part(run, str, from, str->n - from)));
    return (struct cn_jval){ .kind = CN_J_TUPLE, .list = three };
}
METHOD(partition)
{
    UNUSED;
    return partitioned(run, v, a[0], false);
}
METHOD(rpartition)
{
    UNUSED;
    return partitioned(run, v, a[0], true);
}

/* Sets of classes, as masks. */
#define CLASS(name) (1u << CN_U_##name)
enum {
    LETTERS = CLASS(LU) | CLASS(LL) | CLASS(LT) | CLASS(LM) | CLASS(LO),
    NUMBERS = CLASS(ND) | CLASS(NL) | CLASS(NO),
};

/* Whether there are characters, and all are of these classes. */
static struct cn_jval all_of(struct cn_jrun *run, struct cn_jval v, unsigned classes)
{
    size_t length;
    cn_j_work(run, 1 + v.string->n / 8, 0);
    for (size_t at = 0; at < v.string->n; at += length) {
        uint32_t cp = cn_j_char(v.string, at, &length);
        if (!(classes >> cn_unicode_class(cp) & 1) &&
            !(classes == CLASS(SPACE) && cn_j_is_space(cp)))
            return cn_j_bool(false);
    }
    return cn_j_bool(v.string->n > 0);
}
METHOD(isalpha)
{
    UNUSED;
    return all_of(run, v, LETTERS);
}
METHOD(isdigit)
{
    UNUSED;
    return all_of(run, v, CLASS(ND));
}
METHOD(isalnum)
{
    UNUSED;
    return all_of(run, v, LETTERS | NUMBERS);
}
METHOD(isspace)
{
    UNUSED;
    return all_of(run, v, CLASS(SPACE));
}

/* ---- dicts, lists, loops --------------------------------------------------------------------- */

METHOD(get)
{
    UNUSED;
    const struct cn_jval *found = cn_j_dict_find(run, v.dict, a[0]);
    return found ? *found : a[1].kind == CN_J_ABSENT ? cn_j_none() : a[1];
}

static struct cn_jval view_of(struct cn_jrun *run, struct cn_jval v, const char *name)
{
    struct cn_jlist *list = cn_j_list(run, v.dict->n);
    list->view = name;
    for (size_t i = 0; i < v.dict->n; i++) {
        const struct cn_jentry *entry = &v.dict->entries[i];
        if (name[5] == 'k' || name[5] == 'v') {
            cn_j_push(run, list, name[5] == 'k' ? entry->key : entry->value);
            continue;
        }
        struct cn_jlist *pair = cn_j_list(run, 2);
        cn_j_push(run, pair, entry->key);
        cn_j_push(run, pair, entry->value);
        cn_j_push(run, list, (struct cn_jval){ .kind = CN_J_TUPLE, .list = pair });
    }
    return (struct cn_jval){ .kind = CN_J_VIEW, .list = list };
}
METHOD(items)
{
    UNUSED;
    return view_of(run, v, "dict_items");
}
METHOD(keys)
{
    UNUSED;
    return view_of(run, v, "dict_keys");
}
METHOD(values)
{
    UNUSED;
    return view_of(run, v, "dict_values");
}

METHOD(copy)
{
    UNUSED;
    if (v.kind == CN_J_LIST) {
        struct cn_jval all = cn_j_none();
        return cn_j_slice(run, v, all, all, all);
    }
    struct cn_jdict *copy = cn_j_dict(run);
    for (size_t i = 0; i < v.dict->n; i++)
        cn_j_dict_set(run, copy, v.dict->entries[i].key, v.dict->entries[i].value);
    return (struct cn_jval){ .kind = CN_J_DICT, .dict = copy };
}

METHOD(list_index)
{
    UNUSED;
    for (size_t i = 0; i < v.list->n; i++)
        if (cn_j_equal(run, v.list->items[i], a[0]))
            return cn_j_int((cn_jint)i);
    cn_j_fail(run, CN_ERR_FORMAT, "index(): the item is not found");
}
METHOD(list_count)
{
    UNUSED;
    cn_jint n = 0;
    for (size_t i = 0; i < v.list->n; i++)
        n += cn_j_equal(run, v.list->items[i], a[0]);
    return cn_j_int(n);
}

/* The one method that changes a list and that the sandbox lets through. */
METHOD(pop)
{
    UNUSED;
    struct cn_jlist *list = v.list;
    int64_t i = a[0].kind == CN_J_ABSENT ? -1 : cn_j_need_int(run, a[0], "pop()");
    i += i < 0 ? (int64_t)list->n : 0;
    if (i < 0 || i >= (int64_t)list->n)
        cn_j_fail(run, CN_ERR_FORMAT, "pop(): a list of %zu has no such item", list->n);
    struct cn_jval item = list->items[i];
    /* A copy: slices may share the items. */
    struct cn_jval *rest = cn_j_alloc(run, list->n * sizeof *rest);
    cn_j_work(run, list->n, 0);
    memcpy(rest, list->items, list->n * sizeof *rest);
    memmove(rest + i, rest + i + 1, (list->n - 1 - (size_t)i) * sizeof *rest);
    list->items = rest;
    list->capacity = list->n;
    list->n--;
    return item;
}

METHOD(cycle)
{
    UNUSED;
    if (args->n == 0)
        cn_j_fail(run, CN_ERR_FORMAT, "cycle(): nothing to choose from");
    return args->values[v.loop->at % args->n];
}
METHOD(changed)
{
    UNUSED;
    struct cn_jlist *now = cn_j_list(run, args->n);
    for (size_t i = 0; i < args->n; i++)
        cn_j_push(run, now, args->values[i]);
    struct cn_jval seen = v.loop->last_seen;
    v.loop->last_seen = cn_j_of_list(now);
    return cn_j_bool(seen.kind == CN_J_ABSENT || !cn_j_equal(run, seen, v.loop->last_seen));
}

/* clang-format off */
static const struct cn_jbuiltin methods[] = {
    { "strip", "chars", 0, method_strip, CN_J_STRING },
    { "lstrip", "chars", 0, method_lstrip, CN_J_STRING },
    { "rstrip", "chars", 0, method_rstrip, CN_J_STRING },
    { "split", "sep maxsplit", 0, method_split, CN_J_STRING },
    { "rsplit", "sep maxsplit", 0, method_rsplit, CN_J_STRING },
    { "splitlines", "keepends", 0, method_splitlines, CN_J_STRING },
    { "startswith", "prefix start end", 1, method_startswith, CN_J_STRING },
    { "endswith", "suffix start end", 1, method_endswith, CN_J_STRING },
    { "replace", "old new count", 2, method_replace, CN_J_STRING },
    { "upper", "", 0, method_upper, CN_J_STRING },
    { "lower", "", 0, method_lower, CN_J_STRING },
    { "title", "", 0, method_title, CN_J_STRING },
    { "capitalize", "", 0, method_capitalize, CN_J_STRING },
    { "swapcase", "", 0, method_swapcase, CN_J_STRING },
    { "find", "sub start end", 1, method_find, CN_J_STRING },
    { "rfind", "sub start end", 1, method_rfind, CN_J_STRING },
    { "index", "sub start end", 1, method_index, CN_J_STRING },
    { "count", "sub", 1, method_count, CN_J_STRING },
    { "join", "iterable", 1, method_join, CN_J_STRING },
    { "format", NULL, 0, method_format, CN_J_STRING },
    { "removeprefix", "prefix", 1, method_removeprefix, CN_J_STRING },
    { "removesuffix", "suffix", 1, method_removesuffix, CN_J_STRING },
    { "partition", "sep", 1, method_partition, CN_J_STRING },
    { "rpartition", "sep", 1, method_rpartition, CN_J_STRING },
    { "isalpha", "", 0, method_isalpha, CN_J_STRING },
    { "isdigit", "", 0, method_isdigit, CN_J_STRING },
    { "isalnum", "", 0, method_isalnum, CN_J_STRING },
    { "isspace", "", 0, method_isspace, CN_J_STRING },
    { "get", "key default", 1, method_get, CN_J_DICT },
    { "items", "", 0, method_items, CN_J_DICT },
    { "keys", "", 0, method_keys, CN_J_DICT },
    { "values", "", 0, method_values, CN_J_DICT },
    { "copy", "", 0, method_copy, CN_J_DICT },
    { "copy", "", 0, method_copy, CN_J_LIST },
    { "index", "value", 1, method_list_index, CN_J_LIST },
    { "count", "value", 1, method_list_count, CN_J_LIST },
    { "pop", "index", 0, method_pop, CN_J_LIST },
    { "index", "value", 1, method_list_index, CN_J_TUPLE },
    { "count", "value", 1, method_list_count, CN_J_TUPLE },
    { "cycle", NULL, 0, method_cycle, CN_J_LOOP },
    { "changed", NULL, 0, method_changed, CN_J_LOOP },
};

/* Names that Python's values have too: they hide keys, but are not built in or not allowed. */
static const struct {
    enum cn_jkind of;
    bool forbidden;
    const char *name;
} others[] = {
    { CN_J_LIST, true, "append" }, { CN_J_LIST, true, "extend" }, { CN_J_LIST, true, "insert" },
    { CN_J_LIST, true, "remove" }, { CN_J_LIST, true, "reverse" }, { CN_J_LIST, true, "sort" },
    { CN_J_LIST, false, "clear" },
    { CN_J_DICT, true, "clear" }, { CN_J_DICT, true, "pop" }, { CN_J_DICT, true, "popitem" },
    { CN_J_DICT, true, "setdefault" }, { CN_J_DICT, true, "update" },
    { CN_J_DICT, false, "fromkeys" },
    { CN_J_STRING, false, "encode" }, { CN_J_STRING, false, "center" },
    { CN_J_STRING, false, "ljust" }, { CN_J_STRING, false, "rjust" },
    { CN_J_STRING, false, "zfill" }, { CN_J_STRING, false, "expandtabs" },
    { CN_J_STRING, false, "casefold" }, { CN_J_STRING, false, "rindex" },
    { CN_J_STRING, false, "format_map" }, { CN_J_STRING, false, "translate" },
    { CN_J_STRING, false, "maketrans" }, { CN_J_STRING, false, "isascii" },
    { CN_J_STRING, false, "isdecimal" }, { CN_J_STRING, false, "isidentifier" },
    { CN_J_STRING, false, "islower" }, { CN_J_STRING, false, "isnumeric" },
    { CN_J_STRING, false, "isprintable" }, { CN_J_STRING, false, "istitle" },
    { CN_J_STRING, false, "isupper" },
};
/* clang-format on */

static bool is_called(struct cn_str name, const char *text)
{
    return strlen(text) == name.n && !memcmp(text, name.p, name.n);
}

struct cn_jval cn_j_find_method(struct cn_jrun *run, struct cn_jval self, struct cn_str name)
{
    struct cn_jmethod found = { .self = self };
    for (size_t i = 0; i < sizeof methods / sizeof *methods && !found.row; i++)
        if (methods[i].of == self.kind && is_called(name, methods[i].name))
            found.row = &methods[i];
    for (size_t i = 0; i < sizeof others / sizeof *others && !found.row; i++) {
        if (others[i].of != self.kind || !is_called(name, others[i].name))
            continue;
        struct cn_jtext because = { .run = run };
        cn_j_putf(&because, "the method '%s' of a %s is %s", others[i].name,
                  cn_j_kind_name(self.kind),
                  others[i].forbidden ? "forbidden in templates" : "not supported");
        cn_j_put(&because, "", 1, false);
        found.because = cn_j_finish(&because)->p;
        if (others[i].forbidden) { /* the sandbox gives an undefined value here */
            struct cn_jmissing *m = cn_j_alloc(run, sizeof *m);
            *m = (struct cn_jmissing){ .name = name, .of = self.kind, .because = found.because };
            return (struct cn_jval){ .kind = CN_J_UNDEFINED, .missing = m };
        }
        break;
    }
    if (!found.row && !found.because)
        return cn_j_undefined();
    struct cn_jmethod *method = cn_j_alloc(run, sizeof *method);
    *method = found;
    return (struct cn_jval){ .kind = CN_J_METHOD, .method = method };
}
