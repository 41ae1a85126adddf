/* SPDX-License-Identifier: MIT
 *
 * What the columns of a table of samples are, by their names: the one place that knows quantities
 * and units as instruments write them.
 */
#ifndef CN_COLUMNS_H
#define CN_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

enum cn_role {
    CN_ROLE_NONE,
    CN_ROLE_TIME,
    CN_ROLE_POWER,
    CN_ROLE_ENERGY,
    CN_ROLE_CURRENT,
    CN_ROLE_VOLTAGE,
    CN_N_ROLES
};

struct cn_column_kind {
    enum cn_role role;
    double scale; /* to ns, uW, uJ, uA, uV; 0: no unit was named */
    bool part;    /* of something larger, by its name: "GPU power", "DRAM_ENERGY" */
    bool phone;   /* a battery's own number, whose unit makers get wrong */
};

/* By a name such as "power_mw", "Main Avg Power (mW)", "current[A]", "t_ms", "PkgWatt". */
struct cn_column_kind cn_column_kind(const char *name);

/* "time", "power", ...; "" for none. */
const char *cn_role_name(enum cn_role role);

/* Which column has which role. */
struct cn_columns {
    size_t at[CN_N_ROLES]; /* index + 1; 0: there is none */
    struct cn_column_kind kind[CN_N_ROLES];
};

/* Chooses of names[n]. wanted: "time=NAME,power=NAME:mW" from the user, or NULL; a role that it
 * names is taken from that column, with the unit behind the colon, and other quantities than those
 * that it names are left. volts: the voltage is known without a column. False with a sentence that
 * names what there is. */
bool cn_columns_choose(char *const *names, size_t n, const char *wanted, bool volts,
                       struct cn_columns *columns, char *why, size_t n_bytes);

#endif
