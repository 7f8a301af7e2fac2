/* embbert_blob.h - weights in a file of their own, read where they lie. Internal to the runtime.
 *
 * The file, little-endian: "embbertw", format version (uint32), bytes of the file (uint32), fingerprint (32 bytes) of
 * everything that was compiled in, then the scalars and arrays at places that the fingerprint fixes, and at the
 * very end the CRC-32 of all before it. Nothing in it says where anything lies, so nothing in it can point astray.
 * What the operators rely on (ranges, and that no sum can overflow) is checked before the first use, and so holds
 * even for a file with a forged CRC. */
#ifndef EMBBERT_BLOB_H
#define EMBBERT_BLOB_H

#include "embbert.h"
#include "embbert_ops.h"

#define EMBBERT_BLOB_VERSION 1u
#define EMBBERT_BLOB_ALIGNMENT 8u
#define EMBBERT_BLOB_FINGERPRINT 32u

/* Is this the file that belongs to `fingerprint`, whole and unchanged? */
embbert_status embbert_blob_check(const void *blob, size_t bytes, size_t expected_bytes,
                                  const uint8_t fingerprint[EMBBERT_BLOB_FINGERPRINT]);

/* 1 if the operator cannot overflow or leave its tables, whatever rows it is given. */
int embbert_embed_sound(const embbert_embed *op, uint32_t vocab_size, uint32_t max_length);
int embbert_norm_sound(const embbert_norm *op);
int embbert_linear_sound(const embbert_linear *op);
int embbert_attend_sound(const embbert_attend *op);
int embbert_conv_sound(const embbert_conv *op);

/* What lies at an aligned place of an opened file. */
static inline const int8_t *embbert_blob_int8(const uint8_t *place)
{
    return (const int8_t *)(const void *)place;
}

static inline const int16_t *embbert_blob_int16(const uint8_t *place)
{
    return (const int16_t *)(const void *)place;
}

static inline const int32_t *embbert_blob_int32(const uint8_t *place)
{
    return (const int32_t *)(const void *)place;
}

static inline const uint64_t *embbert_blob_uint64(const uint8_t *place)
{
    return (const uint64_t *)(const void *)place;
}

#endif
