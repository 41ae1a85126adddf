/* SPDX-License-Identifier: MIT
 *
 * The tables of filters and tests.
 */
#include "engine/jinja/jinja_filter.h"

#include <string.h>

/* clang-format off */
static const struct cn_jbuiltin filters[] = {
    { "tojson", "ensure_ascii indent separators sort_keys", 0, cn_j_filter_tojson, CN_J_ABSENT },
    { "length", "", 0, cn_j_filter_length, CN_J_ABSENT },
    { "count", "", 0, cn_j_filter_length, CN_J_ABSENT },
    { "trim", "chars", 0, cn_j_filter_trim, CN_J_ABSENT },
    { "string", "", 0, cn_j_filter_string, CN_J_ABSENT },
    { "default", "default_value boolean", 0, cn_j_filter_default, CN_J_ABSENT },
    { "d", "default_value boolean", 0, cn_j_filter_default, CN_J_ABSENT },
    { "upper", "", 0, cn_j_filter_upper, CN_J_ABSENT },
    { "lower", "", 0, cn_j_filter_lower, CN_J_ABSENT },
    { "capitalize", "", 0, cn_j_filter_capitalize, CN_J_ABSENT },
    { "title", "", 0, cn_j_filter_title, CN_J_ABSENT },
    { "replace", "old new count", 2, cn_j_filter_replace, CN_J_ABSENT },
    { "safe", "", 0, cn_j_filter_safe, CN_J_ABSENT },
    { "escape", "", 0, cn_j_filter_escape, CN_J_ABSENT },
    { "e", "", 0, cn_j_filter_escape, CN_J_ABSENT },
    { "format", NULL, 0, cn_j_filter_format, CN_J_ABSENT },
    { "indent", "width first blank", 0, cn_j_filter_indent, CN_J_ABSENT },
    { "int", "default base", 0, cn_j_filter_int, CN_J_ABSENT },
    { "float", "default", 0, cn_j_filter_float, CN_J_ABSENT },
    { "abs", "", 0, cn_j_filter_abs, CN_J_ABSENT },
    { "round", "precision method", 0, cn_j_filter_round, CN_J_ABSENT },
    { "list", "", 0, cn_j_filter_list, CN_J_ABSENT },
    { "items", "", 0, cn_j_filter_items, CN_J_ABSENT },
    { "dictsort", "case_sensitive by reverse", 0, cn_j_filter_dictsort, CN_J_ABSENT },
    { "join", "d attribute", 0, cn_j_filter_join, CN_J_ABSENT },
    { "first", "", 0, cn_j_filter_first, CN_J_ABSENT },
    { "last", "", 0, cn_j_filter_last, CN_J_ABSENT },
    { "map", NULL, 0, cn_j_filter_map, CN_J_ABSENT },
    { "select", NULL, 0, cn_j_filter_select, CN_J_ABSENT },
    { "reject", NULL, 0, cn_j_filter_reject, CN_J_ABSENT },
    { "selectattr", NULL, 0, cn_j_filter_selectattr, CN_J_ABSENT },
    { "rejectattr", NULL, 0, cn_j_filter_rejectattr, CN_J_ABSENT },
    { "sort", "reverse case_sensitive attribute", 0, cn_j_filter_sort, CN_J_ABSENT },
    { "unique", "case_sensitive attribute", 0, cn_j_filter_unique, CN_J_ABSENT },
    { "reverse", "", 0, cn_j_filter_reverse, CN_J_ABSENT },
    { "min", "case_sensitive attribute", 0, cn_j_filter_min, CN_J_ABSENT },
    { "max", "case_sensitive attribute", 0, cn_j_filter_max, CN_J_ABSENT },
    { "sum", "attribute start", 0, cn_j_filter_sum, CN_J_ABSENT },
};
/* clang-format on */

const struct cn_jbuiltin *cn_j_find_filter(struct cn_str name)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (strlen(filters[i].name) == name.n && !memcmp(filters[i].name, name.p, name.n))
            return &filters[i];
    return NULL;
}

/* Filters of Jinja that no chat template needs. */
static const char *const unsupported[] = { "attr",        "batch",     "center",   "filesizeformat",
                                           "forceescape", "groupby",   "pprint",   "random",
                                           "slice",       "striptags", "truncate", "urlencode",
                                           "urlize",      "wordcount", "wordwrap", "xmlattr" };

_Noreturn void cn_j_fail_no_filter(struct cn_jrun *run, struct cn_str name)
{
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (strlen(unsupported[i]) == name.n && !memcmp(unsupported[i], name.p, name.n))
            cn_j_fail(run, CN_ERR_UNSUPPORTED, "the filter '%s' is not supported", unsupported[i]);
    cn_j_fail(run, CN_ERR_FORMAT, "there is no filter '%.*s'", (int)(name.n > 60 ? 60 : name.n),
              name.p);
}

/* clang-format off */
static const struct cn_jbuiltin tests[] = {
    { "defined", "", 0, cn_j_test_defined, CN_J_ABSENT },
    { "undefined", "", 0, cn_j_test_undefined, CN_J_ABSENT },
    { "none", "", 0, cn_j_test_none, CN_J_ABSENT },
    { "string", "", 0, cn_j_test_string, CN_J_ABSENT },
    { "mapping", "", 0, cn_j_test_mapping, CN_J_ABSENT },
    { "number", "", 0, cn_j_test_number, CN_J_ABSENT },
    { "integer", "", 0, cn_j_test_integer, CN_J_ABSENT },
    { "float", "", 0, cn_j_test_float, CN_J_ABSENT },
    { "boolean", "", 0, cn_j_test_boolean, CN_J_ABSENT },
    { "true", "", 0, cn_j_test_true, CN_J_ABSENT },
    { "false", "", 0, cn_j_test_false, CN_J_ABSENT },
    { "sequence", "", 0, cn_j_test_sequence, CN_J_ABSENT },
    { "iterable", "", 0, cn_j_test_iterable, CN_J_ABSENT },
    { "callable", "", 0, cn_j_test_callable, CN_J_ABSENT },
    { "eq", "other", 1, cn_j_test_eq, CN_J_ABSENT },
    { "equalto", "other", 1, cn_j_test_eq, CN_J_ABSENT },
    { "==", "other", 1, cn_j_test_eq, CN_J_ABSENT },
    { "ne", "other", 1, cn_j_test_ne, CN_J_ABSENT },
    { "!=", "other", 1, cn_j_test_ne, CN_J_ABSENT },
    { "lt", "other", 1, cn_j_test_lt, CN_J_ABSENT },
    { "lessthan", "other", 1, cn_j_test_lt, CN_J_ABSENT },
    { "<", "other", 1, cn_j_test_lt, CN_J_ABSENT },
    { "le", "other", 1, cn_j_test_le, CN_J_ABSENT },
    { "<=", "other", 1, cn_j_test_le, CN_J_ABSENT },
    { "gt", "other", 1, cn_j_test_gt, CN_J_ABSENT },
    { "greaterthan", "other", 1, cn_j_test_gt, CN_J_ABSENT },
    { ">", "other", 1, cn_j_test_gt, CN_J_ABSENT },
    { "ge", "other", 1, cn_j_test_ge, CN_J_ABSENT },
    { ">=", "other", 1, cn_j_test_ge, CN_J_ABSENT },
    { "in", "seq", 1, cn_j_test_in, CN_J_ABSENT },
    { "sameas", "other", 1, cn_j_test_sameas, CN_J_ABSENT },
    { "divisibleby", "num", 1, cn_j_test_divisibleby, CN_J_ABSENT },
    { "odd", "", 0, cn_j_test_odd, CN_J_ABSENT },
    { "even", "", 0, cn_j_test_even, CN_J_ABSENT },
    { "lower", "", 0, cn_j_test_lower, CN_J_ABSENT },
    { "upper", "", 0, cn_j_test_upper, CN_J_ABSENT },
    { "filter", "", 0, cn_j_test_filter, CN_J_ABSENT },
    { "test", "", 0, cn_j_test_test, CN_J_ABSENT },
};
/* clang-format on */

const struct cn_jbuiltin *cn_j_find_test(struct cn_str name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (strlen(tests[i].name) == name.n && !memcmp(tests[i].name, name.p, name.n))
            return &tests[i];
    return NULL;
}

_Noreturn void cn_j_fail_no_test(struct cn_jrun *run, struct cn_str name)
{
    cn_j_fail(run, CN_ERR_UNSUPPORTED, "there is no test '%.*s'", (int)(name.n > 60 ? 60 : name.n),
              name.p);
}
