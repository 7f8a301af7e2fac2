/* embbert_scaling.h - sums to results: multiply, round, shift, for shifts that the upper half of the product decides.
 * Internal to the runtime. */
#ifndef EMBBERT_SCALING_H
#define EMBBERT_SCALING_H

#include "embbert_kernels.h"
#include "embbert_math.h"

typedef struct embbert_scaling {
    const int32_t *multiplier;
    uint32_t each;  /* 1: a multiplier per column; 0: one for all */
    int32_t lift;   /* a power of two that the sums take, and the shift with them */
    int32_t half;
    uint32_t shift; /* with the lift; at least EMBBERT_HIGH */
} embbert_scaling;

static inline embbert_scaling embbert_scaling_of(const int32_t *multiplier, uint32_t each, uint32_t shift,
                                                 uint32_t lift)
{
    embbert_scaling by;

    by.multiplier = multiplier;
    by.each = each;
    by.lift = (int32_t)1 << lift;
    by.half = embbert_half(shift + lift);
    by.shift = shift + lift;
    return by;
}

/* A loop over the columns of a row calls embbert_scale before it and embbert_scaled for each sum in it. Helium
 * computes all of them beforehand, in place; elsewhere the loop does. */
#if EMBBERT_KERNELS == EMBBERT_MVE
void embbert_scale(const embbert_scaling *by, int32_t *sums, uint32_t columns);

static inline int32_t embbert_scaled(const embbert_scaling *by, const int32_t *sums, uint32_t c)
{
    (void)by;
    return sums[c];
}
#else
static inline void embbert_scale(const embbert_scaling *by, int32_t *sums, uint32_t columns)
{
    (void)by;
    (void)sums;
    (void)columns;
}

static inline int32_t embbert_scaled(const embbert_scaling *by, const int32_t *sums, uint32_t c)
{
    return embbert_high(sums[c * EMBBERT_STEP] * by->lift, by->multiplier[c * by->each], by->half, by->shift);
}
#endif

#endif
