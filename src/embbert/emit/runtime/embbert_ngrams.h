/* Text to the numbers of its known n-grams, the same numbers that Python gives for the same bytes.
 *
 * Stands alone: C99, no heap, no recursion, no mutable globals, no library calls. Everything that training
 * decides is in the constant tables of an `embbert_ngrams`, which is generated. */
#ifndef EMBBERT_NGRAMS_H
#define EMBBERT_NGRAMS_H

#include <stddef.h>
#include <stdint.h>

#include "embbert_alphabet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The n-grams of a model in the order of their hashes. The upper bucket_bits of a hash choose a bucket, the 16
 * bits below them are stored. */
typedef struct embbert_ngrams {
    embbert_alphabet alphabet;
    const uint16_t *bucket_begin; /* [2^bucket_bits + 1] where the n-grams of each bucket begin */
    const uint16_t *keys;         /* ascending in each bucket */
    uint32_t bucket_bits;         /* 1 to 16 */
} embbert_ngrams;

/* Writes at most max_length numbers, in the order in which the n-grams end, and returns how many: there may be
 * none. The text is any text_bytes bytes, zeros included; bytes that are not UTF-8 are skipped. */
uint32_t embbert_encode_ngrams(const embbert_ngrams *table, const char *text, size_t text_bytes, uint16_t *ids,
                               uint32_t max_length);

/* The numbers of a, then those of b, whose n-grams are others. What does not fit is cut from the end of the text
 * with more numbers first. */
uint32_t embbert_encode_ngrams_pair(const embbert_ngrams *table, const char *a, size_t a_bytes, const char *b,
                                    size_t b_bytes, uint16_t *ids, uint32_t max_length);

#ifdef __cplusplus
}
#endif

#endif
