/* SPDX-License-Identifier: MIT
 *
 * What values are: truth, equality, order, lists, dicts, members.
 */
#include "engine/jinja/jinja_node.h"

#include <math.h>
#include <string.h>

const char *cn_j_kind_name(enum cn_jkind kind)
{
    static const char *const names[] = { "nothing",  "undefined",       "NoneType", "bool",
                                         "int",      "float",           "str",      "list",
                                         "tuple",    "dictionary view", "range",    "generator",
                                         "dict",     "namespace",       "loop",     "macro",
                                         "function", "method" };
    return names[kind];
}

bool cn_j_is_number(struct cn_jval value)
{
    return value.kind == CN_J_BOOL || value.kind == CN_J_INT || value.kind == CN_J_FLOAT;
}

double cn_j_real(struct cn_jval number)
{
    return number.kind == CN_J_FLOAT ? number.real
           : number.kind == CN_J_INT ? (double)number.integer
                                     : number.boolean;
}

static cn_jint integer_of(struct cn_jval number)
{
    return number.kind == CN_J_INT ? number.integer : number.boolean;
}

bool cn_j_truth(struct cn_jval v)
{
    switch (v.kind) {
    case CN_J_ABSENT:
    case CN_J_UNDEFINED:
    case CN_J_NONE:
        return false;
    case CN_J_BOOL:
        return v.boolean;
    case CN_J_INT:
        return v.integer != 0;
    case CN_J_FLOAT:
        return v.real < 0 || v.real > 0 || isnan(v.real);
    case CN_J_STRING:
        return v.string->n > 0;
    case CN_J_LIST:
    case CN_J_TUPLE:
    case CN_J_VIEW:
        return v.list->n > 0;
    case CN_J_RANGE:
        return v.range->n > 0;
    case CN_J_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

int64_t cn_j_need_int(struct cn_jrun *run, struct cn_jval value, const char *what)
{
    if (value.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, value);
    if (value.kind != CN_J_BOOL && value.kind != CN_J_INT)
        cn_j_fail(run, CN_ERR_FORMAT, "%s: expected an int, found %s", what,
                  cn_j_kind_name(value.kind));
    cn_jint integer = integer_of(value);
    if (integer > INT64_MAX || integer < INT64_MIN)
        cn_j_fail(run, CN_ERR_FORMAT, "%s: the number is too large", what);
    return (int64_t)integer;
}

const struct cn_jstr *cn_j_need_string(struct cn_jrun *run, struct cn_jval value, const char *what)
{
    if (value.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, value);
    if (value.kind != CN_J_STRING)
        cn_j_fail(run, CN_ERR_FORMAT, "%s: expected a string, found %s", what,
                  cn_j_kind_name(value.kind));
    return value.string;
}

const struct cn_jstr *cn_j_optional_chars(struct cn_jrun *run, struct cn_jval v, const char *what)
{
    return v.kind == CN_J_ABSENT || v.kind == CN_J_NONE ? NULL : cn_j_need_string(run, v, what);
}

_Noreturn void cn_j_fail_undefined(struct cn_jrun *run, struct cn_jval value)
{
    const struct cn_jmissing *m = value.missing;
    if (!m)
        cn_j_fail(run, CN_ERR_FORMAT, "the value is undefined");
    int n = (int)(m->name.n > 100 ? 100 : m->name.n);
    if (m->because)
        cn_j_fail(run, CN_ERR_FORMAT, "'%.*s': %s", n, m->name.p, m->because);
    if (m->of == CN_J_ABSENT)
        cn_j_fail(run, CN_ERR_FORMAT, "'%.*s' is undefined", n, m->name.p);
    cn_j_fail(run, CN_ERR_FORMAT, "a %s has no '%.*s'", cn_j_kind_name(m->of), n, m->name.p);
}

/* ---- equality and order ---------------------------------------------------------------------- */

static bool same_bytes(const struct cn_jstr *a, const struct cn_jstr *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static bool equal_dicts(struct cn_jrun *run, const struct cn_jdict *a, const struct cn_jdict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct cn_jval *other = cn_j_dict_find(run, b, a->entries[i].key);
        if (!other || !cn_j_equal(run, a->entries[i].value, *other))
            return false;
    }
    return true;
}

static bool equal_lists(struct cn_jrun *run, const struct cn_jlist *a, const struct cn_jlist *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!cn_j_equal(run, a->items[i], b->items[i]))
            return false;
    return true;
}

static bool equal_same_kind(struct cn_jrun *run, struct cn_jval a, struct cn_jval b)
{
    switch (a.kind) {
    case CN_J_UNDEFINED:
    case CN_J_NONE:
        return true;
    case CN_J_STRING:
        cn_j_work(run, 0, a.string->n);
        return same_bytes(a.string, b.string);
    case CN_J_LIST:
    case CN_J_TUPLE:
    case CN_J_VIEW:
        return equal_lists(run, a.list, b.list);
    case CN_J_DICT:
        return equal_dicts(run, a.dict, b.dict);
    case CN_J_RANGE:
        return a.range->n == b.range->n &&
               (a.range->n == 0 || (a.range->start == b.range->start &&
                                    (a.range->n == 1 || a.range->step == b.range->step)));
    case CN_J_NAMESPACE:
        return a.dict == b.dict;
    case CN_J_METHOD:
        return a.method->row && a.method->row == b.method->row;
    default: /* the same object: all are pointers */
        return a.macro == b.macro;
    }
}

bool cn_j_equal(struct cn_jrun *run, struct cn_jval a, struct cn_jval b)
{
    cn_j_work(run, 1, 0);
    if (cn_j_is_number(a) && cn_j_is_number(b)) {
        if (a.kind != CN_J_FLOAT && b.kind != CN_J_FLOAT)
            return integer_of(a) == integer_of(b);
        double x = cn_j_real(a), y = cn_j_real(b);
        return !(x < y) && !(x > y) && !isnan(x) && !isnan(y);
    }
    if (a.kind != b.kind)
        return false;
    cn_j_enter(run);
    bool equal = equal_same_kind(run, a, b);
    cn_j_leave(run);
    return equal;
}

static _Noreturn void no_order(struct cn_jrun *run, struct cn_jval a, struct cn_jval b,
                               const char *op)
{
    if (a.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, a);
    if (b.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, b);
    cn_j_fail(run, CN_ERR_FORMAT, "'%s' does not go with %s and %s", op, cn_j_kind_name(a.kind),
              cn_j_kind_name(b.kind));
}

static int compare_lists(struct cn_jrun *run, const struct cn_jlist *a, const struct cn_jlist *b,
                         const char *op)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (cn_j_equal(run, a->items[i], b->items[i]))
            continue;
        cn_j_enter(run);
        int order = cn_j_compare(run, a->items[i], b->items[i], op);
        cn_j_leave(run);
        return order;
    }
    return a->n < b->n ? -1 : a->n > b->n;
}

int cn_j_compare(struct cn_jrun *run, struct cn_jval a, struct cn_jval b, const char *op)
{
    cn_j_work(run, 1, 0);
    if (cn_j_is_number(a) && cn_j_is_number(b)) {
        if (a.kind != CN_J_FLOAT && b.kind != CN_J_FLOAT)
            return integer_of(a) < integer_of(b) ? -1 : integer_of(a) > integer_of(b);
        return cn_j_real(a) < cn_j_real(b) ? -1 : cn_j_real(a) > cn_j_real(b);
    }
    if (a.kind == CN_J_STRING && b.kind == CN_J_STRING) {
        /* UTF-8 keeps the order of code points. */
        size_t n = a.string->n < b.string->n ? a.string->n : b.string->n;
        cn_j_work(run, 0, n);
        int order = memcmp(a.string->p, b.string->p, n);
        return order ? order : a.string->n < b.string->n ? -1 : a.string->n > b.string->n;
    }
    if (a.kind == b.kind && (a.kind == CN_J_LIST || a.kind == CN_J_TUPLE))
        return compare_lists(run, a.list, b.list, op);
    no_order(run, a, b, op);
}

bool cn_j_contains(struct cn_jrun *run, struct cn_jval item, struct cn_jval in)
{
    switch (in.kind) {
    case CN_J_UNDEFINED:
        return false;
    case CN_J_STRING:
        if (item.kind != CN_J_STRING)
            cn_j_fail(run, CN_ERR_FORMAT, "'in' a string wants a string on its left, found %s",
                      cn_j_kind_name(item.kind));
        cn_j_work(run, 1, in.string->n);
        return cn_j_find(in.string, item.string, 0) != SIZE_MAX;
    case CN_J_DICT:
        return cn_j_dict_find(run, in.dict, item) != NULL;
    default: {
        const struct cn_jlist *list = cn_j_items(run, in);
        for (size_t i = 0; i < list->n; i++)
            if (cn_j_equal(run, list->items[i], item))
                return true;
        return false;
    }
    }
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct cn_jlist *cn_j_list(struct cn_jrun *run, size_t capacity)
{
    struct cn_jlist *list = cn_j_alloc(run, sizeof *list);
    *list = (struct cn_jlist){ .capacity = capacity };
    if (capacity)
        list->items = cn_j_alloc(run, capacity * sizeof *list->items);
    return list;
}

void cn_j_push(struct cn_jrun *run, struct cn_jlist *list, struct cn_jval value)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        list->items = cn_j_grow(run, list->items, list->n * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    cn_j_work(run, 1, 0);
    list->items[list->n++] = value;
}

static struct cn_jlist *characters(struct cn_jrun *run, const struct cn_jstr *str)
{
    struct cn_jlist *list = cn_j_list(run, 0);
    size_t length;
    for (size_t at = 0; at < str->n; at += length) {
        cn_j_char(str, at, &length);
        cn_j_push(run, list, cn_j_string(cn_j_part(run, str, at, length)));
    }
    return list;
}

/* What is left of a generator, which is read then. */
static struct cn_jlist *drain(struct cn_jrun *run, struct cn_jgenerator *g)
{
    if (!g->made) {
        struct cn_jlist *made = cn_j_list(run, 0);
        cn_j_enter(run);
        g->make(run, g, made);
        cn_j_leave(run);
        g->made = made;
    }
    struct cn_jlist *rest = cn_j_list(run, 0);
    rest->items = g->made->n > g->at ? g->made->items + g->at : NULL;
    rest->n = rest->capacity = g->made->n - g->at;
    g->at = g->made->n;
    return rest;
}

struct cn_jlist *cn_j_items(struct cn_jrun *run, struct cn_jval v)
{
    struct cn_jlist *list;
    switch (v.kind) {
    case CN_J_LIST:
    case CN_J_TUPLE:
    case CN_J_VIEW:
        return v.list;
    case CN_J_UNDEFINED:
        return cn_j_list(run, 0);
    case CN_J_STRING:
        return characters(run, v.string);
    case CN_J_GENERATOR:
        return drain(run, v.generator);
    case CN_J_DICT:
        list = cn_j_list(run, v.dict->n);
        for (size_t i = 0; i < v.dict->n; i++)
            cn_j_push(run, list, v.dict->entries[i].key);
        return list;
    case CN_J_RANGE:
        list = cn_j_list(run, v.range->n);
        for (size_t i = 0; i < v.range->n; i++)
            cn_j_push(run, list, cn_j_int(v.range->start + (int64_t)i * v.range->step));
        return list;
    default:
        cn_j_fail(run, CN_ERR_FORMAT, "a %s cannot be walked through", cn_j_kind_name(v.kind));
    }
}

size_t cn_j_length(struct cn_jrun *run, struct cn_jval v)
{
    switch (v.kind) {
    case CN_J_UNDEFINED:
        return 0;
    case CN_J_STRING:
        return cn_j_chars(run, v.string);
    case CN_J_LIST:
    case CN_J_TUPLE:
    case CN_J_VIEW:
        return v.list->n;
    case CN_J_DICT:
        return v.dict->n;
    case CN_J_RANGE:
        return v.range->n;
    case CN_J_LOOP:
        return v.loop->items->n;
    default:
        cn_j_fail(run, CN_ERR_FORMAT, "a %s has no length", cn_j_kind_name(v.kind));
    }
}

/* ---- dicts ----------------------------------------------------------------------------------- */

enum { INDEXED_FROM = 9 }; /* smaller dicts are searched one by one */

struct cn_jdict *cn_j_dict(struct cn_jrun *run)
{
    struct cn_jdict *dict = cn_j_alloc(run, sizeof *dict);
    *dict = (struct cn_jdict){ 0 };
    return dict;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32);
}

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = mix(h, (unsigned char)p[i]);
    return h;
}

/* Equal values have the same. False for kinds that cannot be keys. */
static bool hash_of(struct cn_jrun *run, struct cn_jval key, uint64_t *hash)
{
    double real;
    switch (key.kind) {
    case CN_J_UNDEFINED:
    case CN_J_NONE:
        *hash = key.kind;
        return true;
    case CN_J_BOOL:
    case CN_J_INT:
    case CN_J_FLOAT:
        real = cn_j_real(key) + 0.0; /* no negative zero */
        memcpy(hash, &real, sizeof *hash);
        *hash = mix(1, *hash);
        return true;
    case CN_J_STRING:
        cn_j_work(run, 0, key.string->n);
        *hash = hash_bytes(key.string->p, key.string->n);
        return true;
    case CN_J_TUPLE: {
        bool ok = true;
        *hash = 2;
        cn_j_enter(run);
        for (size_t i = 0; i < key.list->n && ok; i++) {
            uint64_t of_item = 0;
            ok = hash_of(run, key.list->items[i], &of_item);
            *hash = mix(*hash, of_item);
        }
        cn_j_leave(run);
        return ok;
    }
    default:
        return false;
    }
}

static struct cn_jentry *find_entry(struct cn_jrun *run, const struct cn_jdict *dict,
                                    struct cn_jval key, uint64_t hash)
{
    if (dict->n_index == 0) {
        for (size_t i = 0; i < dict->n; i++)
            if (dict->entries[i].hash == hash && cn_j_equal(run, dict->entries[i].key, key))
                return &dict->entries[i];
        return NULL;
    }
    for (size_t slot = hash & (dict->n_index - 1);; slot = (slot + 1) & (dict->n_index - 1)) {
        cn_j_work(run, 1, 0);
        if (dict->index[slot] == 0)
            return NULL;
        struct cn_jentry *entry = &dict->entries[dict->index[slot] - 1];
        if (entry->hash == hash && cn_j_equal(run, entry->key, key))
            return entry;
    }
}

struct cn_jval *cn_j_dict_find(struct cn_jrun *run, const struct cn_jdict *dict, struct cn_jval key)
{
    uint64_t hash;
    if (!hash_of(run, key, &hash))
        return NULL;
    struct cn_jentry *entry = find_entry(run, dict, key, hash);
    return entry ? &entry->value : NULL;
}

struct cn_jval *cn_j_dict_find_name(struct cn_jrun *run, const struct cn_jdict *dict,
                                    struct cn_str name)
{
    const struct cn_jstr str = { .p = name.p, .n = name.n };
    return cn_j_dict_find(run, dict, cn_j_string(&str));
}

static void put_index(struct cn_jrun *run, struct cn_jdict *dict, size_t i)
{
    size_t slot = dict->entries[i].hash & (dict->n_index - 1);
    for (; dict->index[slot]; slot = (slot + 1) & (dict->n_index - 1))
        cn_j_work(run, 1, 0);
    dict->index[slot] = (uint32_t)i + 1;
}

void cn_j_dict_set(struct cn_jrun *run, struct cn_jdict *dict, struct cn_jval key,
                   struct cn_jval value)
{
    uint64_t hash;
    if (!hash_of(run, key, &hash))
        cn_j_fail(run, CN_ERR_FORMAT, "a %s cannot be a key", cn_j_kind_name(key.kind));
    struct cn_jentry *entry = find_entry(run, dict, key, hash);
    if (entry) {
        entry->value = value;
        return;
    }
    if (dict->n == dict->capacity) {
        size_t capacity = dict->capacity ? 2 * dict->capacity : 4;
        dict->entries = cn_j_grow(run, dict->entries, dict->n * sizeof *dict->entries,
                                  capacity * sizeof *dict->entries);
        dict->capacity = capacity;
    }
    dict->entries[dict->n++] = (struct cn_jentry){ key, value, hash };
    if (dict->n >= INDEXED_FROM && 2 * dict->n > dict->n_index) {
        dict->n_index = dict->n_index ? 2 * dict->n_index : 32;
        dict->index = cn_j_alloc(run, dict->n_index * sizeof *dict->index);
        memset(dict->index, 0, dict->n_index * sizeof *dict->index);
        for (size_t i = 0; i < dict->n; i++)
            put_index(run, dict, i);
    } else if (dict->n_index) {
        put_index(run, dict, dict->n - 1);
    }
}
