/* SPDX-License-Identifier: MIT
 *
 * Types by the names that users give; an unknown one is CN_ERR_UNSUPPORTED, with the list of those
 * that there are.
 */
#ifndef CN_TYPE_NAMES_H
#define CN_TYPE_NAMES_H

#include "base/error.h"
#include "quant/quant.h"

enum cn_status cn_find_tensor_type(const char *name, const struct cn_format **format,
                                   struct cn_error *err);
enum cn_status cn_find_file_type(const char *name, const struct cn_file_type **type,
                                 struct cn_error *err);

#endif
