/* SPDX-License-Identifier: MIT
 *
 * Calling what is built in: arguments find their parameters.
 */
#include "engine/jinja/jinja_node.h"

#include <string.h>

enum { MAX_PARAMS = 6 };

/* The name at the start of a list with blanks between. */
static struct cn_str next_param(const char **params)
{
    struct cn_str name = { *params, strcspn(*params, " ") };
    *params += name.n + (name.p[name.n] == ' ');
    return name;
}

static bool same_name(struct cn_str a, struct cn_str b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void bind(struct cn_jrun *run, const struct cn_jbuiltin *row, const char *what,
                 const struct cn_jargs *args, struct cn_jval a[MAX_PARAMS])
{
    bool used[64] = { false };
    const char *rest = row->params;
    size_t n = 0;
    if (args->n_named > sizeof used)
        cn_j_fail(run, CN_ERR_FORMAT, "%s '%s': too many arguments", what, row->name);
    for (; *rest; n++) {
        struct cn_str name = next_param(&rest);
        a[n] = (struct cn_jval){ .kind = CN_J_ABSENT };
        if (n < args->n)
            a[n] = args->values[n];
        for (size_t i = 0; i < args->n_named; i++)
            if (same_name(args->names[i], name)) {
                if (a[n].kind != CN_J_ABSENT)
                    cn_j_fail(run, CN_ERR_FORMAT, "%s '%s': the argument '%.*s' is given twice",
                              what, row->name, (int)name.n, name.p);
                a[n] = args->named[i];
                used[i] = true;
            }
        if (a[n].kind == CN_J_ABSENT && n < row->n_required)
            cn_j_fail(run, CN_ERR_FORMAT, "%s '%s': the argument '%.*s' is missing", what,
                      row->name, (int)name.n, name.p);
    }
    if (args->n > n)
        cn_j_fail(run, CN_ERR_FORMAT, "%s '%s': at most %zu arguments expected, found %zu", what,
                  row->name, n, args->n);
    for (size_t i = 0; i < args->n_named; i++)
        if (!used[i])
            cn_j_fail(run, CN_ERR_FORMAT, "%s '%s': no argument is called '%.*s'", what, row->name,
                      (int)(args->names[i].n > 60 ? 60 : args->names[i].n), args->names[i].p);
}

struct cn_jval cn_j_call_builtin(struct cn_jrun *run, const struct cn_jbuiltin *row,
                                 const char *what, struct cn_jval self, const struct cn_jargs *args)
{
    struct cn_jval a[MAX_PARAMS];
    cn_j_work(run, 1, 0);
    if (row->params)
        bind(run, row, what, args, a);
    cn_j_enter(run);
    struct cn_jval result = row->call(run, self, row->params ? a : NULL, args);
    cn_j_leave(run);
    return result;
}
