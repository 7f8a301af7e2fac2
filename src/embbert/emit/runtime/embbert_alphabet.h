/* embbert_alphabet.h - the characters that a vocabulary knows, and what every code point does. */
#ifndef EMBBERT_ALPHABET_H
#define EMBBERT_ALPHABET_H

#include <stdint.h>

/* Runs of code points that behave alike, and symbols (the characters that are known), sorted by code point: the
 * lower 16 bits are stored, and planes[p] is where those with upper bits p begin. */
typedef struct embbert_alphabet {
    const uint16_t *run_first;     /* first code point of each run; every plane begins with a run */
    const uint16_t *run_action;    /* what its code points do: ACT_ in embbert_text.h */
    const uint16_t *run_planes;    /* [18] */
    const uint16_t *sequence;      /* what a code point turns into, if not into itself */
    const uint16_t *symbol_code;   /* the characters that are known */
    const uint16_t *symbol_planes; /* [18] */
} embbert_alphabet;

#endif
