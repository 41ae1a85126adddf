/* SPDX-License-Identifier: MIT
 *
 * How functions say that they failed. A part of carnot.h: installing puts it in there.
 */
#ifndef CN_STATUS_H
#define CN_STATUS_H

#define CN_API __attribute__((visibility("default")))

/* Numbers are stable. */
enum cn_status {
    CN_OK = 0,
    CN_ERR_ARGUMENT = 1,    /* the caller's argument is out of its range */
    CN_ERR_IO = 2,          /* the operating system refused (open, read, write, map) */
    CN_ERR_FORMAT = 3,      /* the file is damaged or not of the kind expected */
    CN_ERR_UNSUPPORTED = 4, /* the file is sound, but asks for something not built in */
    CN_ERR_MEMORY = 5,
    CN_ERR_CONTEXT = 6, /* the context is full */
    CN_ERR_CANCELLED = 7,
};

struct cn_error {
    char text[512];
};

/* "out of memory" and the like, for a status without a text. */
CN_API const char *cn_status_name(enum cn_status status);

#endif
