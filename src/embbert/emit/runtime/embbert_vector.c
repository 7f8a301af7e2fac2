/* Inner loops written so that compilers turn them into vector code.
 *
 * Some processors multiply unsigned by signed bytes in their fastest instruction. For them the weight is taken as
 * w + 128, which is a flip of its top bit, and 128 times the sum of the activations is taken off again. */
#include "embbert_kernels.h"
#include "embbert_math.h"

#if EMBBERT_KERNELS == EMBBERT_VECTOR

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define WEIGHT_OFFSET 128
typedef uint8_t factor;
#else
#define WEIGHT_OFFSET 0
typedef int8_t factor;
#endif

static inline factor offset_weight(int8_t weight)
{
#if WEIGHT_OFFSET != 0
    return (factor)((uint8_t)weight ^ 0x80u);
#else
    return weight;
#endif
}

/* What the products with an activation row exceed the true ones by. */
static inline uint32_t excess_of(const int8_t *x, uint32_t count)
{
#if WEIGHT_OFFSET != 0
    int32_t sum = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        sum += x[i];
    }
    return (uint32_t)sum * (uint32_t)WEIGHT_OFFSET;
#else
    (void)x;
    (void)count;
    return 0;
#endif
}

/* Adds the products of `count` elements to four sums; the rows of x lie `stride` apart. */
static inline void add4(const int8_t *weight, const int8_t *x, uint32_t stride, uint32_t count, int32_t sums[4])
{
    const int8_t *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    uint32_t i;

    for (i = 0; i < count; i++) {
        const int32_t w = offset_weight(weight[i]);
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

static inline int32_t dot(const int8_t *weight, const int8_t *x, uint32_t count)
{
    int32_t sum = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        sum += (int32_t)offset_weight(weight[i]) * x[i];
    }
    return sum;
}

/* The four rows of x lie `count` elements apart. */
static inline void dot4(const int8_t *weight, const int8_t *x, uint32_t count, int32_t sums[4])
{
    uint32_t i = 0;

    sums[0] = 0;
    sums[1] = 0;
    sums[2] = 0;
    sums[3] = 0;
#ifndef __OPTIMIZE_SIZE__
    /* Lengths that the compiler knows, which it turns into better code. */
    for (; count - i >= 128u; i += 128u) {
        add4(weight + i, x + i, count, 128u, sums);
    }
    for (; count - i >= 32u; i += 32u) {
        add4(weight + i, x + i, count, 32u, sums);
    }
#endif
    add4(weight + i, x + i, count, count - i, sums);
}

void embbert_products(const int8_t *weight, const int32_t *bias, uint32_t outputs, const int8_t *x, uint32_t rows,
                      uint32_t count, int32_t *sums, uint32_t row_step, uint32_t step)
{
    uint32_t excess[4] = {0, 0, 0, 0};
    int32_t products[4];
    uint32_t o, row;

    (void)step;
    for (row = 0; row < rows && bias != NULL; row++) {
        excess[row] = excess_of(x + (size_t)row * count, count);
    }
    for (o = 0; o < outputs; o++) {
        const uint32_t start = bias != NULL ? (uint32_t)bias[o] : 0u;
        if (rows == EMBBERT_ROWS) {
            dot4(weight, x, count, products);
            for (row = 0; row < EMBBERT_ROWS; row++) {
                sums[(size_t)row * row_step + o] = embbert_from_bits((uint32_t)products[row] + start - excess[row]);
            }
        } else {
            for (row = 0; row < rows; row++) {
                const uint32_t product = (uint32_t)dot(weight, x + (size_t)row * count, count);
                sums[(size_t)row * row_step + o] = embbert_from_bits(product + start - excess[row]);
            }
        }
        weight += count;
    }
}

static inline void mix4(const int32_t *restrict factors, const int8_t *restrict keys, uint32_t stride, uint32_t count,
                        uint32_t columns, int32_t sums[restrict 4][EMBBERT_BLOCK])
{
    uint32_t j, c;

    for (j = 0; j < count; j++) {
        const int32_t f0 = factors[j], f1 = factors[count + j];
        const int32_t f2 = factors[2u * count + j], f3 = factors[3u * count + j];
        for (c = 0; c < columns; c++) {
            const int32_t value = keys[c];
            sums[0][c] += f0 * value;
            sums[1][c] += f1 * value;
            sums[2][c] += f2 * value;
            sums[3][c] += f3 * value;
        }
        keys += stride;
    }
}

static inline void mix1(const int32_t *restrict factors, const int8_t *restrict keys, uint32_t stride, uint32_t count,
                        uint32_t columns, int32_t *restrict sums)
{
    uint32_t j, c;

    for (j = 0; j < count; j++) {
        for (c = 0; c < columns; c++) {
            sums[c] += factors[j] * keys[c];
        }
        keys += stride;
    }
}

void embbert_mix(const int32_t *factors, const int8_t *keys, uint32_t stride, uint32_t count, uint32_t rows,
                 uint32_t columns, int32_t *sums)
{
    uint32_t row;

    /* The usual widths, known to the compiler. */
    if (rows == EMBBERT_ROWS && columns == EMBBERT_BLOCK) {
        mix4(factors, keys, stride, count, EMBBERT_BLOCK, (int32_t(*)[EMBBERT_BLOCK])sums);
    } else if (rows == EMBBERT_ROWS && columns == EMBBERT_BLOCK / 2u) {
        mix4(factors, keys, stride, count, EMBBERT_BLOCK / 2u, (int32_t(*)[EMBBERT_BLOCK])sums);
    } else {
        for (row = 0; row < rows; row++) {
            mix1(factors + (size_t)row * count, keys, stride, count, columns, sums + row * EMBBERT_BLOCK);
        }
    }
}

static inline void window1(const int8_t *restrict weight, size_t step, const int8_t *restrict text, size_t stride,
                           uint32_t taps, uint32_t columns, int32_t *restrict sums)
{
    uint32_t k, c;

    for (k = 0; k < taps; k++) {
        for (c = 0; c < columns; c++) {
            sums[c] += (int32_t)weight[c] * text[c];
        }
        weight += step;
        text += stride;
    }
}

void embbert_window(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride, uint32_t taps,
                    uint32_t rows, uint32_t columns, int32_t *sums)
{
    uint32_t row;

    for (row = 0; row < rows; row++) {
        if (columns == EMBBERT_BLOCK) { /* the usual width, known to the compiler */
            window1(weight, step, text, stride, taps, EMBBERT_BLOCK, sums);
        } else {
            window1(weight, step, text, stride, taps, columns, sums);
        }
        text += stride;
        sums += EMBBERT_BLOCK;
    }
}
#endif
