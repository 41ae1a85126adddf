/* SPDX-License-Identifier: MIT
 *
 * The tensor types of a quantised file chosen by measurement: least loss within a budget of bytes.
 *
 * Error: of each matrix and each type the squared error of its products, sum of v_j (w - q)^2 with
 * v the importance of the columns, is measured on a sample of its rows.
 *
 * Loss: one matrix alone, or a class of them, is quantised in memory, all others being exact, and
 * the model's Kullback-Leibler divergence from itself measured on text that it writes
 * (bench/quality/divergence.h). For small errors the divergence is quadratic in the change of the
 * weights, hence proportional to the error: what one probe measures holds for every type, and the
 * losses of several matrices add up. A matrix whose type comes out far from its probe is probed
 * again with that type, and the plan is made anew.
 *
 * Choice: engine/make/budget.h.
 */
#ifndef CN_AUTO_TYPES_H
#define CN_AUTO_TYPES_H

#include "engine/tools.h"

enum cn_sensitivity {
    CN_SENSITIVITY_AUTO,  /* divergence where the model runs here and is not too large, or error */
    CN_SENSITIVITY_KL,    /* divergence */
    CN_SENSITIVITY_ERROR, /* the matrices' relative error alone: no forward pass */
};

struct cn_auto_options {
    double bpw;          /* of all tensors together; 0: size counts */
    uint64_t file_bytes; /* the file's size */
    enum cn_sensitivity sensitivity;
    /* Bits 1 << CN_FAMILY_...: of these families only those; of none (CN_FAMILY_OTHER) all the
     * same, as rows of odd lengths fit no others. 0: all. */
    uint32_t families;
    double seconds;  /* for probing, about; 0: 600. Matrices that it does not suffice for one by one
                      * are probed in classes: of a kind, in the first, middle or last layers */
    const char *out; /* where the file is to go: whether it can is found out first; NULL: nowhere */
    /* How the file is to be made; what is asked for by its tensor_types, output_type and
     * embedding_type stays as it is. Its type, choices, dry_run and calls do not count here. */
    struct cn_quantize_options file;
    void *user;
    /* Either may be NULL. what: "errors", "text", "probing". */
    void (*progress)(void *user, const char *what, double done, double total);
    bool (*cancel)(void *user);
};

struct cn_auto_tensor {
    const char *name;
    int n_dims;
    int64_t ne[4];
    const char *type; /* "Q4_K" */
    bool chosen; /* false: not a matrix of weights, or asked for, or of rows that fit no type */
    size_t bytes;
    double bpw;
    double loss; /* predicted; NAN if not chosen */
};

struct cn_auto_plan {
    struct cn_auto_tensor *tensors; /* [n_tensors], in the order of the file */
    size_t n_tensors;
    struct cn_quantize_choice *choices; /* [n_choices], for cn_quantize_file */
    size_t n_choices;
    const char *file_type; /* the one whose size is nearest: what the file is to call itself */
    double loss;           /* sum: nats of divergence, or (sensitivity error) relative errors */
    double bpw;            /* of all tensors */
    size_t file_bytes;
    enum cn_sensitivity sensitivity; /* the one taken: never AUTO */
    int n_probes;
    bool classes;    /* probed in classes */
    bool given_text; /* divergence is of the importance matrix's text, not of the model's own */
    const char *why; /* AUTO was to be divergence and is error: why; NULL otherwise */
    void *memory;    /* private */
};

/* The caller empties the plan with cn_auto_plan_free. A budget that the types cannot keep to, or do
 * not fill, is CN_ERR_ARGUMENT. */
enum cn_status cn_auto_plan_make(const char *in, const struct cn_auto_options *options,
                                 struct cn_auto_plan *plan, struct cn_error *err);
void cn_auto_plan_free(struct cn_auto_plan *plan);

#endif
