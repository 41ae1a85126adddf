/* SPDX-License-Identifier: MIT
 *
 * Inside of carnot machine: its energy model.
 */
#ifndef CN_CLI_MACHINE_H
#define CN_CLI_MACHINE_H

#include "base/table.h"
#include "cli/cli.h"

struct cn_machine_energy {
    const struct cn_string_list *models; /* empty: made for the sweep, and removed */
    const int *threads;                  /* [n_threads] */
    int n_threads;
    const char *tiers, *meter, *root, *cpu;
    const char *save, *predict; /* files; NULL: none */
    double seconds;             /* of a turn */
    bool force_meter;
    enum cn_table_format format;
};

/* --energy: measures, fits, checks, prints, stores. Returns the exit code. */
int cn_machine_energy(const struct cn_machine_energy *a);
/* --predict FILE: what models would use, by an energy model. */
int cn_machine_predict(const struct cn_machine_energy *a);

#endif
