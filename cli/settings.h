/* SPDX-License-Identifier: MIT
 *
 * The options of limits that the machine is to have while a command measures.
 */
#ifndef CN_SETTINGS_H
#define CN_SETTINGS_H

#include "bench/machine/cpu_settings.h"
#include "cli/cli.h"

/* Rows of a command's options; `s` is its struct cn_cpu_settings. */
#define CN_OPTIONS_SETTINGS(s)                                                \
    { "--frequency",                                                          \
      NULL,                                                                   \
      CN_OPT_FLOAT,                                                           \
      &(s).mhz,                                                               \
      "MHZ",                                                                  \
      "the cores' highest frequency meanwhile; needs the right to set it",    \
      1,                                                                      \
      1e6 },                                                                  \
        { "--governor",                                                       \
          NULL,                                                               \
          CN_OPT_STRING,                                                      \
          &(s).governor,                                                      \
          "NAME",                                                             \
          "the cores' governor meanwhile",                                    \
          0,                                                                  \
          0 },                                                                \
    {                                                                         \
        "--power-limit", NULL, CN_OPT_FLOAT, &(s).watts, "W",                 \
            "what powercap allows each package meanwhile, in watts", 0.1, 1e5 \
    }

/* Puts back what a killed program left, then sets what is asked for. Returns -1 with *hold, or the
 * exit code after a message. */
int cn_settings_begin(const char *root, const struct cn_cpu_settings *settings,
                      struct cn_cpu_hold **hold);
/* Puts back what was there before. Returns `code`, or that of a failure after a message. */
int cn_settings_end(struct cn_cpu_hold *hold, int code);

#endif
