/* SPDX-License-Identifier: MIT
 *
 * The plan of a study: a small text file that names factors and how to measure. docs/STUDY.md tells
 * of every line a plan can have.
 *
 * A plan is lines of words: a key, then its values. '#' starts a comment, "double quotes" hold
 * blanks together, and ${NAME} in the path of a file stands for an environment variable. Relative
 * paths are seen from the folder of the plan.
 */
#ifndef CN_STUDY_PLAN_H
#define CN_STUDY_PLAN_H

#include "engine/carnot.h"

/* Texts; the plan owns them. */
struct cn_study_words {
    const char **items;
    size_t n;
};

struct cn_study_model {
    const char *label, *path; /* path: resolved; of `model` lines a file to be quantised */
    const char *quant;        /* of `file` lines: what it is to be called; NULL: a `model` line */
    const char *imatrix;      /* NULL: none */
    const char *calibrate;    /* text that one is to be made of; "": its own; NULL: none is */
    int line;                 /* of the plan */
};

struct cn_study_prompt {
    const char *name, *text; /* text: as given, or of the file; NULL: ids */
    const char *ids;         /* separated by blanks */
    /* Of a level of the template's arguments: "KEY=JSON" each, and the name says so. */
    struct cn_study_words arguments;
};

/* A variable of the chat template that is a factor. */
struct cn_study_argument {
    const char *key;
    struct cn_study_words values; /* JSON */
};

struct cn_study_threads {
    int decode, prefill; /* 0: every core; 0: as decode */
};

/* What a run can be made cheaper by besides: a level of each kind. */
enum cn_study_lever_kind {
    CN_LEVER_DRAFT,
    CN_LEVER_LOOKUP,
    CN_LEVER_MTP,
    CN_LEVER_LANES,
    CN_LEVER_FREQUENCY,
    CN_LEVER_GOVERNOR,
    CN_LEVER_POWER_LIMIT,
    CN_N_LEVERS
};

struct cn_study_lever {
    const char *name;     /* "lookup 3, 1200 MHz"; "": none */
    const char *draft;    /* path of a model that guesses; NULL: none */
    int line;             /* of the plan, of that */
    int lookup;           /* 0: none */
    bool mtp;             /* the model's own NextN block guesses */
    int lanes;            /* texts at a time; 0: one */
    double mhz, watts;    /* 0: as they are */
    const char *governor; /* NULL: as it is */
};

struct cn_study_levels {
    struct cn_study_lever *items;
    size_t n;
};

enum cn_study_cooldown {
    CN_COOLDOWN_NONE,
    CN_COOLDOWN_TIME,  /* seconds */
    CN_COOLDOWN_BELOW, /* until the CPU is below celsius, seconds at most */
    CN_COOLDOWN_RISE,  /* until it is within celsius of what it was before the first run */
};

enum cn_study_checks { CN_CHECKS_WARN, CN_CHECKS_REFUSE, CN_CHECKS_OFF };

struct cn_study_quality {
    const char *measure; /* "perplexity", "divergence", "hellaswag", "choice", "generate" */
    const char *path;    /* of the text or the tasks; "": none is needed (divergence) */
    int count, ctx;      /* chunks or tasks, 0: all; context of a chunk, 0: 512 */
    int line;            /* of the plan */
};

/* A plan of kernels runs `carnot kernels` and no model. A format stands where a file does, its
 * label CN_STUDY_KERNELS and its quant the format; a shape with a set of cores where a prompt does,
 * whose name says both and whose text the cores. */
#define CN_STUDY_KERNELS "kernels"

struct cn_study_kernels {
    struct cn_study_words formats, shapes, cores; /* cores: lists for --cores; "": all */
    const char *jobs, *tokens, *caches;           /* lists; NULL: not said */
};

struct cn_study_plan {
    const char *name;
    uint64_t seed;
    int repetitions, warmup, context;
    int fill; /* tokens evaluated at either end of a longer prompt; 0: prompts are evaluated whole
               */
    struct cn_study_model *models;
    size_t n_models;
    struct cn_study_words quants, tiers, kvs; /* tiers: "" is all, else a list like ref,avx2 */
    struct cn_study_threads *threads;
    size_t n_threads;
    struct cn_study_levels levels[CN_N_LEVERS]; /* of each kind, */
    struct cn_study_lever *levers;              /* and all combinations */
    size_t n_levers;
    struct cn_study_prompt *prompts;
    size_t n_prompts;
    struct cn_study_argument *arguments;
    size_t n_arguments;
    int *inputs, *outputs; /* tokens; an input of 0: the prompt as it is */
    size_t n_inputs, n_outputs;
    bool chat, keep_traces;
    const char *meter; /* NULL: the best there is */
    double idle_s, limits_s, timeout_s;
    enum cn_study_cooldown cooldown;
    double cooldown_s, cooldown_celsius;
    enum cn_study_checks checks;
    struct cn_study_quality *quality;
    size_t n_quality;
    struct cn_study_kernels kernels; /* formats.n > 0: this is a plan of kernels */
    void *memory;                    /* private */
};

struct cn_study_plan_source {
    const char *text; /* [n_bytes] */
    size_t n_bytes;
    const char *name;          /* of the file: starts the message of an error */
    const char *folder;        /* relative paths are seen from here */
    const char *default_model; /* what the path "default" stands for */
};

/* The caller empties the plan with cn_study_plan_free. Files that the plan names are not opened,
 * but for texts of prompts. CN_ERR_FORMAT says which line, what was expected and what was found. */
enum cn_status cn_study_plan_parse(const struct cn_study_plan_source *source,
                                   struct cn_study_plan *plan, struct cn_error *err);
/* CN_ERR_IO if a file that the plan names cannot be read, with its line. */
enum cn_status cn_study_plan_look(const struct cn_study_plan_source *source,
                                  const struct cn_study_plan *plan, struct cn_error *err);
void cn_study_plan_free(struct cn_study_plan *plan);

#endif
