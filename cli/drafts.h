/* SPDX-License-Identifier: MIT
 *
 * The options of speculation, which several commands take.
 */
#ifndef CN_DRAFTS_H
#define CN_DRAFTS_H

#include "bench/model/speculation.h"
#include "cli/cli.h"

struct cn_draft_arguments {
    const char *draft, *aim;
    int64_t lookup, n;
    bool mtp;
};

/* Rows of a command's options; `d` is its struct cn_draft_arguments. */
#define CN_OPTIONS_DRAFT(d)                                                                          \
    { "--draft",                                                                                     \
      NULL,                                                                                          \
      CN_OPT_STRING,                                                                                 \
      &(d).draft,                                                                                    \
      "FILE",                                                                                        \
      "a smaller model of the same vocabulary guesses tokens, which one pass verifies",              \
      0,                                                                                             \
      0 },                                                                                           \
        { "--lookup", NULL,                                                                          \
          CN_OPT_INT, &(d).lookup,                                                                   \
          "N",        "the text itself guesses: what followed its last tokens, up to N, before",     \
          1,          15 },                                                                          \
        { "--mtp", NULL, CN_OPT_FLAG, &(d).mtp, NULL, "the model's own NextN block guesses", 0, 0 }, \
        { "--draft-tokens",                                                                          \
          NULL,                                                                                      \
          CN_OPT_INT,                                                                                \
          &(d).n,                                                                                    \
          "N",                                                                                       \
          "most tokens to guess at once; how many follows from what pays (15)",                      \
          1,                                                                                         \
          CN_SPECULATE_MOST },                                                                       \
    {                                                                                                \
        "--for", NULL, CN_OPT_STRING, &(d).aim, "AIM",                                               \
            "time or energy: what guesses are to save (time)", 0, 0                                  \
    }

/* Whether anything is to be drafted. */
bool cn_drafts_asked(const struct cn_draft_arguments *d);
/* The option that asks for it. */
const char *cn_drafts_name(const struct cn_draft_arguments *d);
/* What excludes what. Returns -1, or the exit code after a message. */
int cn_drafts_check(const struct cn_draft_arguments *d);
/* What they ask for. */
struct cn_speculation_options cn_drafts_options(const struct cn_draft_arguments *d);

#endif
