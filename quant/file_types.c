/* SPDX-License-Identifier: MIT
 *
 * The names and ids of file types: the mixes of file_types.def, and each format under its own name.
 */
#include "quant/quant.h"

#include <strings.h>

#define LOCAL(n) (CN_LOCAL_TYPES + (n))

/* GGUF type ids of the formats, by their printed names. */
enum {
#define CN_FORMAT(id, label, code, elems, bytes, header, act, tiers) TYPE_##label = code,
#include "quant/formats.def"
#undef CN_FORMAT
};

/* Bit 10 of general.file_type: the writer guessed it. */
enum { GUESSED = 1024 };

/* A format without a file type of GGUF's has the id of its tensors as its file type; one that GGUF
 * gave out is moved out of the way of GGUF's file types. */
enum { OWN_IDS = 0x4000 };
_Static_assert(OWN_IDS + 512 <= CN_LOCAL_TYPES && !(OWN_IDS & GUESSED) &&
                   !(CN_LOCAL_TYPES & GUESSED),
               "ids of own file types meet neither local tensor types nor the bit of guesses");

static const struct cn_file_type mixes[] = {
#define CN_FILE_TYPE(label, id, base) { #label, id, TYPE_##base, false },
#define CN_FILE_TYPE_ALIAS(label, of)
#include "quant/file_types.def"
};
static const struct cn_file_type own[] = {
#define CN_FORMAT(id, label, code, elems, bytes, header, act, tiers) \
    { #label, (code) < CN_LOCAL_TYPES ? OWN_IDS + (code) : (code), code, true },
#include "quant/formats.def"
#undef CN_FORMAT
};
static const struct {
    const char *name, *of;
} aliases[] = {
#define CN_FILE_TYPE(label, id, base)
#define CN_FILE_TYPE_ALIAS(label, of) { #label, #of },
#include "quant/file_types.def"
};
enum {
    N_MIXES = sizeof mixes / sizeof *mixes,
    N_OWN = sizeof own / sizeof *own,
    N_ALIASES = sizeof aliases / sizeof *aliases,
};

static const struct cn_file_type *mix_by_name(const char *name)
{
    for (int i = 0; i < N_ALIASES; i++)
        if (strcasecmp(aliases[i].name, name) == 0)
            name = aliases[i].of;
    for (int i = 0; i < N_MIXES; i++)
        if (strcasecmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

const struct cn_file_type *cn_file_type_at(int i)
{
    if (i < N_MIXES)
        return &mixes[i];
    i -= N_MIXES;
    for (int f = 0; f < N_OWN; f++)
        if (!mix_by_name(own[f].name) && i-- == 0)
            return &own[f];
    return NULL;
}

const struct cn_file_type *cn_file_type_by_name(const char *name)
{
    const struct cn_file_type *type = mix_by_name(name);
    for (int i = 0; i < N_OWN && !type; i++)
        if (strcasecmp(own[i].name, name) == 0)
            type = &own[i];
    return type;
}

const struct cn_file_type *cn_file_type_by_id(uint32_t id)
{
    const struct cn_file_type *type;
    for (int i = 0; (type = cn_file_type_at(i)) != NULL; i++)
        if (type->id == (id & ~(uint32_t)GUESSED))
            return type;
    return NULL;
}
