/* SPDX-License-Identifier: MIT
 *
 * What the two files of filters share: jinja_filter.c has the table and the filters on text,
 * jinja_filter_list.c those on lists and dicts.
 */
#ifndef CN_JINJA_FILTER_H
#define CN_JINJA_FILTER_H

#include "engine/jinja/jinja_node.h"

#include <stdio.h>

/* A filter as cn_jbuiltin wants it. */
#define FILTER_ARGUMENTS \
    (struct cn_jrun * run, struct cn_jval v, const struct cn_jval *a, const struct cn_jargs *args)
#define FILTER(name)      static struct cn_jval filter_##name FILTER_ARGUMENTS
#define LIST_FILTER(name) struct cn_jval cn_j_filter_##name FILTER_ARGUMENTS
#define UNUSED            (void)run, (void)v, (void)a, (void)args

LIST_FILTER(list);
LIST_FILTER(items);
LIST_FILTER(dictsort);
LIST_FILTER(join);
LIST_FILTER(first);
LIST_FILTER(last);
LIST_FILTER(map);
LIST_FILTER(select);
LIST_FILTER(reject);
LIST_FILTER(selectattr);
LIST_FILTER(rejectattr);
LIST_FILTER(sort);
LIST_FILTER(unique);
LIST_FILTER(reverse);
LIST_FILTER(min);
LIST_FILTER(max);
LIST_FILTER(sum);

/* The characters that a strip is to take: NULL for white space (none given, or none). */
const struct cn_jstr *cn_j_optional_chars(struct cn_jrun *run, struct cn_jval v, const char *what);

#endif
