/* embbert.h - what every generated model shares: the status that each call returns.
 *
 * The whole library is C99 on fixed-width integers. It allocates nothing, keeps no state of its own and uses no
 * floating point; the memory it works in belongs to the caller. It calls nothing outside itself but what compilers
 * put in on their own: memcpy, memset, memmove, and arithmetic that the processor has no instruction for: division,
 * multiplication and shifts of 64 bits, on the smallest cores multiplication and division of 32.
 */
#ifndef EMBBERT_H
#define EMBBERT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum embbert_status {
    EMBBERT_OK = 0,
    EMBBERT_ARENA_NULL,       /* no working memory was given */
    EMBBERT_ARENA_MISALIGNED, /* its address is not a multiple of the stated alignment */
    EMBBERT_ARENA_TOO_SMALL,  /* it has fewer bytes than the model needs */
    EMBBERT_TEXT_NULL,        /* no text was given, and its length is not 0 */
    EMBBERT_RESULT_NULL,      /* there is no place for the result */
    EMBBERT_NO_TOKENS,        /* there is no list of ids, or it is empty where a model needs a token */
    EMBBERT_TOO_MANY_TOKENS,  /* it has more tokens than the model's max_length, or more n-grams than it takes */
    EMBBERT_BAD_TOKEN,        /* an id is unknown, or a token stands behind n-grams */
    EMBBERT_SELF_TEST_FAILED, /* this build computes something else than the model that was exported */
    /* Of models whose weights are a file of their own: */
    EMBBERT_WEIGHTS_NULL,       /* there are none, or they were not opened */
    EMBBERT_WEIGHTS_MISALIGNED, /* their address is not a multiple of 8 */
    EMBBERT_WEIGHTS_TRUNCATED,  /* they have fewer bytes than they should */
    EMBBERT_WEIGHTS_UNKNOWN,    /* this is no file of weights, or one of another version or byte order */
    EMBBERT_WEIGHTS_FOREIGN,    /* they belong to another model */
    EMBBERT_WEIGHTS_DAMAGED,    /* their checksum is wrong */
    EMBBERT_WEIGHTS_UNSOUND     /* their checksum is right, but a value is out of range or sums could overflow */
} embbert_status;

/* A short English sentence for log files; never NULL. */
const char *embbert_status_text(embbert_status status);

#ifdef __cplusplus
}
#endif

#endif
