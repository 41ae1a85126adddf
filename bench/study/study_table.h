/* SPDX-License-Identifier: MIT
 *
 * The run table: what a plan and a seed make of each other. Nothing else decides which run is where
 * in it, so that shards made on different machines fit together.
 *
 * A block is one repetition of every cell. The cells of block b are shuffled (Fisher and Yates)
 * with the generator splitmix64 (Steele, Lea, Flood 2014) seeded with seed + b x 2^32.
 */
#ifndef CN_STUDY_TABLE_H
#define CN_STUDY_TABLE_H

#include "bench/study/study_db.h"
#include "bench/study/study_plan.h"

/* Shard i of n runs the blocks i, i + n, ...; n 0 or 1: all. */
struct cn_study_shard {
    int i, n;
};

enum { CN_STUDY_MAX_RUNS = 1000000 };

/* Fills an empty database in one transaction. */
enum cn_status cn_study_table_create(struct cn_study_db *db, const struct cn_study_plan *plan,
                                     const struct cn_study_plan_source *source,
                                     struct cn_study_shard shard, struct cn_error *err);

/* Whether the database holds this plan (source NULL: any) and shard (n 0: any). *shard becomes its
 * own. CN_ERR_ARGUMENT says what differs. */
enum cn_status cn_study_table_match(struct cn_study_db *db,
                                    const struct cn_study_plan_source *source,
                                    struct cn_study_shard *shard, struct cn_error *err);

#endif
