/* Text to token ids, the same ids that the Python tokenizer gives for the same bytes.
 *
 * Stands alone: C99, no heap, no recursion, no mutable globals, no library calls. Everything a
 * vocabulary decides is in the constant tables of an `embbert_tokenizer`, which is generated.
 */
#ifndef EMBBERT_TOKENIZER_H
#define EMBBERT_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "embbert_alphabet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ids of the special tokens; a text cannot produce any of them but EMBBERT_UNK. */
enum { EMBBERT_PAD = 0, EMBBERT_UNK = 1, EMBBERT_CLS = 2, EMBBERT_MASK = 3, EMBBERT_SEP = 4 };

/* Characters per piece; a longer run of letters is cut. */
enum { EMBBERT_MAX_PIECE = 64 };

/* One vocabulary: the symbols of its alphabet have tokens, and tokens merge. */
typedef struct embbert_tokenizer {
    embbert_alphabet alphabet;
    const uint16_t *symbol_start;  /* id of a symbol at the start of a piece */
    const uint16_t *symbol_inside; /* id of a symbol inside a piece */
    const uint16_t *merge_left;    /* [lefts] the tokens that some merge has on its left, ascending */
    const uint16_t *merge_begin;   /* [lefts + 1] where the merges of each begin */
    const uint16_t *merge_right;   /* their right tokens, ascending */
    const uint16_t *merge_rank;    /* their ranks: the lowest is merged first */
    uint16_t lefts;
    uint16_t first_merged; /* rank k makes token first_merged + k */
} embbert_tokenizer;

/* [CLS] text. Writes at most max_length ids and returns how many: at least 1, or 0 if max_length is 0.
 * The text is any text_bytes bytes, zeros included; bytes that are not UTF-8 are skipped. */
uint32_t embbert_encode(const embbert_tokenizer *tok, const char *text, size_t text_bytes, uint16_t *ids,
                        uint32_t max_length);

/* [CLS] a [SEP] b [SEP]. What does not fit is cut from the end of the longer text first. Returns how many
 * ids were written: at least 3, or 0 if max_length is less than 3. */
uint32_t embbert_encode_pair(const embbert_tokenizer *tok, const char *a, size_t a_bytes, const char *b,
                             size_t b_bytes, uint16_t *ids, uint32_t max_length);

#ifdef __cplusplus
}
#endif

#endif
