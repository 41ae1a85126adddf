/* SPDX-License-Identifier: MIT
 *
 * What a request is told that is not done.
 */
#ifndef CN_REFUSAL_H
#define CN_REFUSAL_H

#include <stdbool.h>

/* Why a request is not done. */
struct cn_refusal {
    int status;       /* of HTTP: 400, ... */
    const char *type; /* "invalid_request_error", ...; a literal */
    const char *code; /* "context_length_exceeded", ...; a literal, or NULL */
    char param[48];   /* the field that is to blame; "" if none is */
    char message[512];
};

/* Fills *refusal. Returns false. */
__attribute__((format(printf, 5, 6))) bool cn_refuse(struct cn_refusal *refusal, int status,
                                                     const char *code, const char *param,
                                                     const char *format, ...);
/* The same for another model than the one there is. */
bool cn_refuse_model(struct cn_refusal *refusal, const char *id);

#endif
