/* embbert_dot.h - products of one weight row with one or four activation rows. Internal to the runtime.
 *
 * Some processors multiply unsigned by signed bytes in their fastest instruction. For them the weight is taken as
 * w + 128, which is a flip of its top bit, and 128 times the sum of the activations is taken off again. */
#ifndef EMBBERT_DOT_H
#define EMBBERT_DOT_H

#include <stdint.h>

#include "embbert_math.h"

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define EMBBERT_WEIGHT_OFFSET 128
typedef uint8_t embbert_factor;
#else
#define EMBBERT_WEIGHT_OFFSET 0
typedef int8_t embbert_factor;
#endif

static inline embbert_factor embbert_weight(int8_t weight)
{
#if EMBBERT_WEIGHT_OFFSET != 0
    return (embbert_factor)((uint8_t)weight ^ 0x80u);
#else
    return weight;
#endif
}

/* What the products with an activation row exceed the true ones by. */
static inline uint32_t embbert_excess(const int8_t *x, uint32_t count)
{
#if EMBBERT_WEIGHT_OFFSET != 0
    int32_t sum = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        sum += x[i];
    }
    return (uint32_t)sum * (uint32_t)EMBBERT_WEIGHT_OFFSET;
#else
    (void)x;
    (void)count;
    return 0;
#endif
}

/* Adds the products of `count` elements to four sums; the rows of x lie `stride` apart. */
static inline void embbert_add4(const int8_t *weight, const int8_t *x, uint32_t stride, uint32_t count,
                                int32_t sums[4])
{
    const int8_t *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    uint32_t i;

    for (i = 0; i < count; i++) {
        const embbert_factor w = embbert_weight(weight[i]);
        s0 += w * x[i];
        s1 += w * x1[i];
        s2 += w * x2[i];
        s3 += w * x3[i];
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static inline int32_t embbert_dot(const int8_t *weight, const int8_t *x, uint32_t count)
{
    int32_t sum = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        sum += embbert_weight(weight[i]) * x[i];
    }
    return sum;
}

/* The four rows of x lie `count` elements apart. */
static inline void embbert_dot4(const int8_t *weight, const int8_t *x, uint32_t count, int32_t sums[4])
{
    uint32_t i = 0;

    sums[0] = sums[1] = sums[2] = sums[3] = 0;
#ifndef __OPTIMIZE_SIZE__
    /* Lengths that the compiler knows, which it turns into better code. */
    for (; count - i >= 128u; i += 128u) {
        embbert_add4(weight + i, x + i, count, 128u, sums);
    }
    for (; count - i >= 32u; i += 32u) {
        embbert_add4(weight + i, x + i, count, 32u, sums);
    }
#endif
    embbert_add4(weight + i, x + i, count, count - i, sums);
}

#endif
