/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: a study in memory, and the chapters made of it.
 *
 * A file is a model in a quantisation. A setting is everything else that was varied, the device
 * included: what is compared with each other shares it. A group is a file in a setting: its runs
 * are repetitions, one in each block. A source is a meter with its boundary and kind; joules of one
 * are never put beside those of another.
 */
#ifndef CN_REPORT_PART_H
#define CN_REPORT_PART_H

#include "bench/page/page.h"
#include "bench/report/report.h"
#include "bench/stats/stats.h"
#include "bench/study/study_db.h"
#include "engine/carnot.h"

enum cn_report_phase {
    CN_REPORT_LOAD,
    CN_REPORT_PREFILL,
    CN_REPORT_DECODE,
    CN_REPORT_SAMPLE,
    CN_REPORT_ALL,
    CN_REPORT_PHASES
};

extern const char *const cn_report_phase_names[CN_REPORT_PHASES];

/* Texts are never NULL ("" if unknown), numbers NaN if unknown. */
struct cn_report_file {
    int64_t id;
    const char *model, *quant, *architecture, *sha256, *tensor_types, *status, *reason;
    char name[96]; /* "model quant" */
    double bpw, n_params, n_active_params, file_bytes, tensor_bytes, decode_bytes, decode_ops;
    bool experts;
};

struct cn_report_device {
    int64_t id;
    const char *target, *name, *tiers;
};

struct cn_report_limit {
    int device;
    double threads, read_gbps, int8_gops, f32_gflops;
    const char *tier;
};

struct cn_report_setting {
    int device;                                                   /* -1: unknown */
    const char *tiers, *kv, *lever, *prompt;                      /* lever: "": none */
    double threads, threads_prefill, input_length, output_length; /* as asked for; NaN: default */
    double threads_used;
    char name[160]; /* what distinguishes it from the other settings; "" if it is the only one */
    char rest[160]; /* the same without the tiers */
};

struct cn_report_source {
    const char *meter, *boundary;
    bool modelled;
    char name[128]; /* "powercap:package (boundary package, measured)" */
};

/* What a source says of a run. */
struct cn_report_energy {
    double joules[CN_REPORT_PHASES], net[CN_REPORT_PHASES], uncertainty[CN_REPORT_PHASES];
};

struct cn_report_run {
    int64_t id, block;
    int file, setting, group;
    double load_s, prefill_s, decode_s, sample_s, ttft_s, latency_s, prefill_tps, decode_tps;
    double input_tokens, decoded_tokens, peak_bytes, model_bytes, kv_bytes, other_bytes;
    double token_bytes, token_kv_bytes, token_state_bytes; /* of a decoded token */
    double celsius_max, throttled;
    const char *energy_status, *energy_reason, *carnot, *governor;
    const char *disturbed; /* what disturbed it; "": nothing did */
};

struct cn_report_group {
    int file, setting;
    int *runs; /* [n_runs] by block */
    int n_runs;
};

/* One row of the table `quality`. */
struct cn_report_quality {
    int file;
    const char *measure, *text;
    double tokens, ppl, ppl_se, kld_mean, kld_se, kld_p99, top1, tasks, accuracy, accuracy_lo,
        accuracy_hi;
};

struct cn_report_study_info {
    const char *name, *plan;
    int64_t seed, n_blocks;
    double created_s;
    int64_t n_planned, n_done, n_failed, n_skipped, n_open;
    int64_t n_other_root; /* done; their meters were read below a folder that stood for / */
};

enum { CN_REPORT_ENERGIES = 3 };

struct cn_report {
    struct cn_study_db *db;
    struct cn_page *page;
    bool plots;      /* gnuplot is there */
    bool quiet_only; /* metrics leave out runs that were disturbed (cn_report_run) */
    double per_joule[CN_REPORT_ENERGIES]; /* joules times this are what a metric is told in: 1, or
                                             1e3 where they would begin with zeros; by kind, from
                                             CN_METRIC_PREFILL_J on */
    struct cn_report_study_info study;
    struct cn_report_file *files; /* by model, then by falling bits per weight */
    struct cn_report_device *devices;
    struct cn_report_limit *limits;
    struct cn_report_setting *settings;
    struct cn_report_source *sources;
    struct cn_report_energy *energy; /* [n_runs, n_sources] */
    struct cn_report_run *runs;      /* those that are done */
    struct cn_report_group *groups;
    struct cn_report_quality *quality;
    int n_files, n_devices, n_limits, n_settings, n_sources, n_runs, n_groups, n_quality;
    char **texts; /* that the above point to */
    size_t n_texts;
};

/* Reads the study; cn_report_empty frees what it holds, also after a failure. */
enum cn_status cn_report_load(struct cn_report *r, struct cn_error *err);
void cn_report_empty(struct cn_report *r);

/* ---- metrics --------------------------------------------------------------------------------- */

enum cn_metric_kind {
    CN_METRIC_PREFILL_TPS,
    CN_METRIC_DECODE_TPS,
    CN_METRIC_TTFT,
    CN_METRIC_LOAD,
    CN_METRIC_PEAK,
    CN_METRIC_DECODE_MS, /* per token */
    CN_METRIC_PREFILL_J, /* per prompt token; this and the following: of a source */
    CN_METRIC_DECODE_J,  /* per token decoded */
    CN_METRIC_RUN_J,     /* all phases of a run */
};

struct cn_metric {
    enum cn_metric_kind kind;
    int source; /* of joules */
};

struct cn_metric_info {
    const char *name, *unit; /* "decode speed", "tokens/s"; joules: see cn_metric_unit */
    bool higher;             /* is better */
    bool energy;
};

const struct cn_metric_info *cn_metric_info(enum cn_metric_kind kind);
/* Sets r->per_joule by the joules that there are. False if out of memory. */
bool cn_metric_choose_units(struct cn_report *r);
/* "tokens/s"; of joules what they are told in: "J/token", "mJ/token". */
const char *cn_metric_unit(const struct cn_report *r, enum cn_metric_kind kind);
/* "decode speed, tokens/s"; with joules the boundary and whether they are modelled. Returns buf. */
const char *cn_metric_label(const struct cn_report *r, struct cn_metric m, char *buf, size_t n);
/* In its unit; NaN if not known. */
double cn_metric_of(const struct cn_report *r, int run, struct cn_metric m);
/* Over a group's runs that know it; n == 0: none. False if out of memory. */
bool cn_metric_summary(const struct cn_report *r, int group, struct cn_metric m,
                       struct cn_summary *s);
/* The median alone; NaN if none. */
double cn_metric_median(const struct cn_report *r, int group, struct cn_metric m);
/* Values of two groups in runs of the same block, into a[] and b[] (room for the runs of the
 * smaller group). How many. */
size_t cn_metric_pairs(const struct cn_report *r, int group_a, int group_b, struct cn_metric m,
                       double *a, double *b);

/* Whether it is the first file of its model; files stand by model. */
bool cn_first_of_model(const struct cn_report *r, int file);
bool cn_several_models(const struct cn_report *r);
/* The group of a file in a setting, or -1. */
int cn_report_group_of(const struct cn_report *r, int file, int setting);
/* Whether any run knows the metric. */
bool cn_report_has(const struct cn_report *r, struct cn_metric m);

/* How many runs were disturbed, and what by as one line: "8 times the CPU was throttled by heat, 4
 * times other programs kept cores busy". what[n] is "" if none were. */
int cn_report_disturbed(const struct cn_report *r, char *what, size_t n);

/* ---- quality --------------------------------------------------------------------------------- */

enum cn_quality_kind { CN_QUALITY_PPL, CN_QUALITY_KLD, CN_QUALITY_ACCURACY };

/* A column of quality: all files measured in one way on one text. */
struct cn_quality_axis {
    enum cn_quality_kind kind;
    const char *measure, *text;
    char name[160]; /* "perplexity (prose-eval.txt)" */
};

/* The axes there are; the caller frees them. False if out of memory. */
bool cn_quality_axes(const struct cn_report *r, struct cn_quality_axis **axes, int *n);
/* NaN if not measured. se or interval into *lo and *hi (NaN: none). */
double cn_quality_of(const struct cn_report *r, int file, const struct cn_quality_axis *axis,
                     double *lo, double *hi);

/* ---- chapters -----------------------------------------------------------------------------------
 * Each appends to r->page; false if out of memory.
 */

bool cn_report_opening(struct cn_report *r);
bool cn_report_findings(struct cn_report *r);
bool cn_report_speed(struct cn_report *r);
bool cn_report_energy_chapter(struct cn_report *r);
bool cn_report_energy_model(struct cn_report *r);
bool cn_report_memory(struct cn_report *r);
bool cn_report_quality_chapter(struct cn_report *r);
bool cn_report_roofline(struct cn_report *r);
bool cn_report_front(struct cn_report *r);
enum cn_status cn_report_raw(struct cn_report *r, struct cn_error *err);
enum cn_status cn_report_provenance(struct cn_report *r, struct cn_error *err);

/* made->missing: `missing`, or which plots of the page could not be drawn. */
void cn_report_undrawn(const struct cn_page *page, const struct cn_error *missing,
                       struct cn_report_made *made);

#endif
