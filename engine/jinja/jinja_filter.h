/* SPDX-License-Identifier: MIT
 *
 * Filters and tests by their names in C; jinja_tables.c gives them those that templates use.
 */
#ifndef CN_JINJA_FILTER_H
#define CN_JINJA_FILTER_H

#include "engine/jinja/jinja_node.h"

#include <stdio.h>

/* A filter, test or method as cn_jbuiltin wants it. */
#define CN_J_ARGUMENTS \
    (struct cn_jrun * run, struct cn_jval v, const struct cn_jval *a, const struct cn_jargs *args)
#define TEXT_FILTER(name) struct cn_jval cn_j_filter_##name CN_J_ARGUMENTS
#define LIST_FILTER(name) struct cn_jval cn_j_filter_##name CN_J_ARGUMENTS
#define IS(name)          struct cn_jval cn_j_test_##name CN_J_ARGUMENTS
#define UNUSED            (void)run, (void)v, (void)a, (void)args

TEXT_FILTER(tojson);
TEXT_FILTER(length);
TEXT_FILTER(string);
TEXT_FILTER(trim);
TEXT_FILTER(default);
TEXT_FILTER(upper);
TEXT_FILTER(lower);
TEXT_FILTER(capitalize);
TEXT_FILTER(title);
TEXT_FILTER(replace);
TEXT_FILTER(safe);
TEXT_FILTER(escape);
TEXT_FILTER(format);
TEXT_FILTER(indent);
TEXT_FILTER(int);
TEXT_FILTER(float);
TEXT_FILTER(abs);
TEXT_FILTER(round);

LIST_FILTER(list);
LIST_FILTER(items);
LIST_FILTER(join);
LIST_FILTER(first);
LIST_FILTER(last);
LIST_FILTER(reverse);
LIST_FILTER(sort);
LIST_FILTER(dictsort);
LIST_FILTER(unique);
LIST_FILTER(min);
LIST_FILTER(max);
LIST_FILTER(sum);
LIST_FILTER(map);
LIST_FILTER(select);
LIST_FILTER(reject);
LIST_FILTER(selectattr);
LIST_FILTER(rejectattr);

IS(defined);
IS(undefined);
IS(none);
IS(string);
IS(mapping);
IS(number);
IS(integer);
IS(float);
IS(boolean);
IS(true);
IS(false);
IS(sequence);
IS(iterable);
IS(callable);
IS(eq);
IS(ne);
IS(lt);
IS(le);
IS(gt);
IS(ge);
IS(in);
IS(sameas);
IS(divisibleby);
IS(odd);
IS(even);
IS(lower);
IS(upper);
IS(filter);
IS(test);

#endif
