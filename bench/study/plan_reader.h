/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/study/study_plan.h: lines as words, words as values, and the memory that a plan
 * keeps them in.
 */
#ifndef CN_PLAN_READER_H
#define CN_PLAN_READER_H

#include "bench/study/study_plan.h"

enum {
    CN_PLAN_WORDS = 256, /* of a line */
    CN_PLAN_LEVELS = 64, /* of a factor */
};

struct cn_plan_reader {
    const struct cn_study_plan_source *source;
    struct cn_study_plan *plan;
    struct cn_error *err;
    int line;
    char *words[CN_PLAN_WORDS]; /* of the line; [0] is the key */
    int n_words;
    char *rest; /* the text of a prompt */
    uint64_t seen;
};

/* n_bytes of zeros that live as long as the plan; NULL without memory. */
void *cn_plan_keep(struct cn_plan_reader *p, size_t n_bytes);
/* A copy that does. */
char *cn_plan_keep_text(struct cn_plan_reader *p, const char *text);
/* Frees all that the plan keeps; its pointers into it dangle then. */
void cn_plan_forget(struct cn_study_plan *plan);

/* CN_ERR_FORMAT, with the file, the line and its key before the message. */
enum cn_status cn_plan_wrong(struct cn_plan_reader *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* CN_ERR_MEMORY with its message. */
enum cn_status cn_plan_no_memory(struct cn_plan_reader *p);

/* Makes room for one more in items[n] of item_bytes each, where items_at points to the pointer to
 * them; false after a message, with *status. Only CN_PLAN_LEVELS items fit. */
bool cn_plan_grow(struct cn_plan_reader *p, void *items_at, size_t n, size_t item_bytes,
                  enum cn_status *status);

/* Values, min <= *value <= max. */
enum cn_status cn_plan_number(struct cn_plan_reader *p, const char *word, double min, double max,
                              double *value);
enum cn_status cn_plan_whole(struct cn_plan_reader *p, const char *word, int min, int max,
                             int *value);
/* The line has one value, which is either word. */
enum cn_status cn_plan_yes_no(struct cn_plan_reader *p, const char *yes, const char *no,
                              bool *value);
/* Puts values of environment variables in place of ${NAME}, and the plan's folder in front. */
enum cn_status cn_plan_path(struct cn_plan_reader *p, const char *word, const char **value);
/* A copy of a name, which becomes a part of file names. */
enum cn_status cn_plan_label(struct cn_plan_reader *p, const char *word, const char **value);
/* Adds a copy to the list, which must not have the word yet. */
enum cn_status cn_plan_add_word(struct cn_plan_reader *p, struct cn_study_words *list,
                                const char *word);

/* plan_kernels.c: the lines of a plan of kernels, and what stands for their files and prompts. */
enum cn_status cn_plan_kernels(struct cn_plan_reader *p);
enum cn_status cn_plan_shape(struct cn_plan_reader *p);
enum cn_status cn_plan_cores(struct cn_plan_reader *p);
enum cn_status cn_plan_kernel_list(struct cn_plan_reader *p); /* job, tokens, cache */
enum cn_status cn_plan_complete_kernels(struct cn_plan_reader *p);

/* plan_levers.c: lines of a kind of lever, and the levers that they make. */
enum cn_status cn_plan_lever(struct cn_plan_reader *p);
enum cn_status cn_plan_complete_levers(struct cn_plan_reader *p);

/* Splits a line at blanks into p->words, which point into it; quotes keep them together. */
enum cn_status cn_plan_split(struct cn_plan_reader *p, char *line);

#endif
