/* SPDX-License-Identifier: MIT
 *
 * Folders that jobs leave their files in.
 */
#ifndef CN_STUDY_FOLDER_H
#define CN_STUDY_FOLDER_H

#include "engine/carnot.h"

/* Removes a folder that holds files only; one that is not there is fine. */
enum cn_status cn_study_remove_folder(const char *path, struct cn_error *err);

#endif
