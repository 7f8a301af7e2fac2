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
int embbert_embed_wide_sound(const embbert_embed_wide *op, uint32_t vocab_size, uint32_t max_length);
int embbert_layer_norm_sound(const embbert_layer_norm *op);
int embbert_rescale_sound(const embbert_rescale *op);
int embbert_look_up_sound(const embbert_look_up *op);
int embbert_bag_sound(const embbert_bag *op, uint32_t vocab_size);

/* The most negative number of each type is no value of the number format. */
static inline int embbert_in_range8(const int8_t *values, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (values[i] == INT8_MIN) {
            return 0;
        }
    }
    return 1;
}

static inline int embbert_in_range16(const int16_t *values, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (values[i] == INT16_MIN) {
            return 0;
        }
    }
    return 1;
}

static inline int embbert_in_range32(const int32_t *values, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (values[i] == INT32_MIN) {
            return 0;
        }
    }
    return 1;
}

static inline int embbert_shift_in_range(int32_t shift)
{
    return shift >= 1 && shift <= 62;
}

/* What the root of a sum of squares adds to the shift: half of the bits above 31, rounded down. */
static inline int32_t embbert_root_shift(uint64_t sum)
{
    int32_t bits = 1; /* one more, to divide a positive number */

    while (sum != 0u) {
        sum >>= 1;
        bits++;
    }
    return bits / 2 - 16;
}

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
