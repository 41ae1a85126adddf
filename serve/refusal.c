/* SPDX-License-Identifier: MIT */
#include "serve/refusal.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

bool cn_refuse(struct cn_refusal *refusal, int status, const char *code, const char *param,
               const char *format, ...)
{
    va_list args;
    *refusal = (struct cn_refusal){ .status = status, .code = code };
    refusal->type = status == 401   ? "authentication_error"
                    : status == 429 ? "rate_limit_error"
                    : status >= 500 ? "server_error"
                                    : "invalid_request_error";
    snprintf(refusal->param, sizeof refusal->param, "%s", param);
    va_start(args, format);
    cn_format_fit(refusal->message, sizeof refusal->message, format, args);
    va_end(args);
    return false;
}

bool cn_refuse_model(struct cn_refusal *refusal, const char *id)
{
    return cn_refuse(refusal, 404, "model_not_found", "model",
                     "model: there is one, \"%s\" (GET /v1/models)", id);
}
