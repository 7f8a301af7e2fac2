/* embbert_sum.h - two vectors of logits become one: what the tokens say and what the n-grams say. Internal to the
 * runtime. */
#ifndef EMBBERT_SUM_H
#define EMBBERT_SUM_H

#include <stdint.h>

#include "embbert_math.h"

static inline void embbert_add_logits(const int32_t *source, uint32_t count, int32_t *out)
{
    uint32_t i;

    for (i = 0; i < count; i++) {
        out[i] = embbert_clamp32((int64_t)out[i] + source[i]);
    }
}

#endif
