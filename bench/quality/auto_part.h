/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/quality/auto_types.h: the matrices that are given a type, and what is measured of
 * them.
 */
#ifndef CN_AUTO_PART_H
#define CN_AUTO_PART_H

#include "base/threads.h"
#include "bench/quality/auto_types.h"
#include "engine/gguf/gguf.h"
#include "engine/make/budget.h"
#include "engine/make/imatrix_file.h"

enum {
    CN_AUTO_POINTS = 4, /* probes of one matrix at most */
};

/* One measured divergence: of a matrix with this error. */
struct cn_auto_point {
    double error, loss;
};

struct cn_auto_matrix {
    const char *name;
    const struct cn_gguf_tensor *t;
    const struct cn_imatrix_entry *importance; /* NULL: none */
    size_t n_types;
    const struct cn_format *type[CN_N_TYPES]; /* [n_types], by rising bytes */
    double error[CN_N_TYPES];                 /* sampled, of the whole matrix, in each type */
    double power;                             /* the same of the weights themselves */
    struct cn_budget_choice choice[CN_N_TYPES];
    struct cn_auto_point point[CN_AUTO_POINTS]; /* [n_points], by rising error */
    int n_points;
    int group; /* matrices of a group are probed together */
};

struct cn_auto_job {
    const char *in;
    const struct cn_auto_options *o;
    struct cn_error *err;
    struct cn_gguf gguf;
    struct cn_imatrix imatrix;
    struct cn_pool *pool;
    int n_threads;
    struct cn_auto_matrix *matrices; /* [n_matrices] */
    size_t n_matrices;
    struct cn_budget_item *items; /* [n_matrices] */
    double target_bpw;            /* of the matrices */
};

static inline bool cn_auto_cancelled(const struct cn_auto_job *j)
{
    return j->o->cancel && j->o->cancel(j->o->user);
}

static inline void cn_auto_progress(const struct cn_auto_job *j, const char *what, double done,
                                    double total)
{
    if (j->o->progress)
        j->o->progress(j->o->user, what, done, total);
}

/* auto_errors.c: fills error[] and power of every matrix. */
enum cn_status cn_auto_errors(struct cn_auto_job *j);
/* The matrix m in type `format`: malloc'ed, the caller frees it. */
enum cn_status cn_auto_quantize(struct cn_auto_job *j, const struct cn_auto_matrix *m,
                                const struct cn_format *format, void **data);

struct cn_auto_probes; /* the model, and what it is compared with */

/* auto_probe.c: opens the model and forms the groups that time allows. CN_ERR_UNSUPPORTED: it does
 * not run here. The caller frees it. */
enum cn_status cn_auto_probes_create(struct cn_auto_job *j, struct cn_auto_probes **probes);
void cn_auto_probes_free(struct cn_auto_probes *probes);
/* Probes each group at about the bits that the budget has for it. */
enum cn_status cn_auto_probes_first(struct cn_auto_job *j, struct cn_auto_probes *probes);
/* Probes matrices again whose chosen type is far from their probes; *n says how many. */
enum cn_status cn_auto_probes_again(struct cn_auto_job *j, struct cn_auto_probes *probes, int *n);
/* The divergence with every matrix in the type chosen for it; NAN if there is no time for it. */
enum cn_status cn_auto_probes_whole(struct cn_auto_job *j, struct cn_auto_probes *probes,
                                    double *kld);
int cn_auto_probes_count(const struct cn_auto_probes *probes);
bool cn_auto_probes_classes(const struct cn_auto_probes *probes);
bool cn_auto_probes_given(const struct cn_auto_probes *probes); /* the text was */

/* auto_matrix.c: whether a format is one to choose from. */
bool cn_auto_of_families(const struct cn_auto_options *o, const struct cn_format *format);
/* auto_matrix.c: fills type[] by rising bytes; types of equal bytes in the order of the table. */
void cn_auto_list_types(const struct cn_auto_options *o, struct cn_auto_matrix *m);
/* auto_matrix.c: index in type[] of what lies nearest to these bits per weight. */
size_t cn_auto_nearest(const struct cn_auto_matrix *m, double bpw);

#endif
