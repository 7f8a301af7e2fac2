/* Inner loops for processors without vectors: everything stays in registers, four rows at a time. */
#include "embbert_kernels.h"
#include "embbert_math.h"

#if EMBBERT_KERNELS == EMBBERT_SCALAR

/* Between two steps of the product loop. Schedulers that do not count registers would otherwise load far ahead and
 * spill. */
#if defined(__GNUC__) && (defined(__thumb2__) || defined(__riscv)) /* which have as many registers as it names */
#define IN_ORDER(a, b, c, d, e, f, g, h) \
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h) : : "memory")
#else
#define IN_ORDER(a, b, c, d, e, f, g, h) ((void)0)
#endif

#define CHUNK 128u /* inputs of four rows that lie on the stack side by side */

/* x[i] of four rows next to each other; where there are fewer rows the last one stands in for the others. */
static void interleave(const int8_t *x, uint32_t rows, uint32_t stride, uint32_t count, int8_t *packed)
{
    const int8_t *x1 = x + (rows > 1u ? stride : 0u);
    const int8_t *x2 = x1 + (rows > 2u ? stride : 0u);
    const int8_t *x3 = x2 + (rows > 3u ? stride : 0u);
    uint32_t i;

    for (i = 0; i < count; i++) {
        packed[0] = x[i];
        packed[1] = x1[i];
        packed[2] = x2[i];
        packed[3] = x3[i];
        packed += 4;
    }
}

/* Two outputs of four rows: six loads for eight products. */
static void two_outputs(const int8_t *a, const int8_t *b, const int8_t *x, uint32_t count, int32_t *sums)
{
    int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    int32_t b0 = sums[4], b1 = sums[5], b2 = sums[6], b3 = sums[7];
    uint32_t i;

#define STEP(k)                           \
    do {                                  \
        const int32_t wa = a[k], wb = b[k]; \
        const int32_t x0 = x[4 * (k)];    \
        const int32_t x1 = x[4 * (k) + 1]; \
        const int32_t x2 = x[4 * (k) + 2]; \
        const int32_t x3 = x[4 * (k) + 3]; \
        a0 += wa * x0;                    \
        b0 += wb * x0;                    \
        a1 += wa * x1;                    \
        b1 += wb * x1;                    \
        a2 += wa * x2;                    \
        b2 += wb * x2;                    \
        a3 += wa * x3;                    \
        b3 += wb * x3;                    \
        IN_ORDER(a0, a1, a2, a3, b0, b1, b2, b3); \
    } while (0)

    for (i = count / 8u; i != 0u; i--) {
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
        STEP(4);
        STEP(5);
        STEP(6);
        STEP(7);
        a += 8;
        b += 8;
        x += 32;
    }
    for (i = count % 8u; i != 0u; i--, a++, b++, x += 4) {
        STEP(0);
    }
#undef STEP
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
    sums[4] = b0;
    sums[5] = b1;
    sums[6] = b2;
    sums[7] = b3;
}

static int32_t dot(const int8_t *weight, const int8_t *x, uint32_t count)
{
    int32_t sum = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        sum += (int32_t)weight[i] * x[i];
    }
    return sum;
}

void embbert_products(const int8_t *weight, const int32_t *bias, uint32_t outputs, const int8_t *x, uint32_t rows,
                      uint32_t count, int32_t *sums, uint32_t row_step, uint32_t step)
{
    int8_t packed[4u * CHUNK];
    int32_t unpaired[8];
    uint32_t o, r, first;

    (void)row_step;
    (void)step;
    for (o = 0; o < outputs; o++) {
        for (r = 0; r < 4u; r++) {
            sums[4u * o + r] = bias != NULL ? bias[o] : 0;
        }
    }
    if (rows == 1u) {
        for (o = 0; o < outputs; o++) {
            sums[4u * o] += dot(weight + (size_t)o * count, x, count);
        }
        return;
    }
    for (first = 0; first < count; first += CHUNK) {
        const uint32_t length = embbert_smaller(CHUNK, count - first);
        const int8_t *w = weight + first;
        interleave(x + first, rows, count, length, packed);
        for (o = 0; o + 1u < outputs; o += 2u) {
            two_outputs(w, w + count, packed, length, sums + 4u * o);
            w += 2u * (size_t)count;
        }
        if (o < outputs) {
            for (r = 0; r < 4u; r++) {
                unpaired[r] = sums[4u * o + r];
                unpaired[4u + r] = unpaired[r];
            }
            two_outputs(w, w, packed, length, unpaired);
            for (r = 0; r < 4u; r++) {
                sums[4u * o + r] = unpaired[r];
            }
        }
    }
}

void embbert_mix(const int32_t *factors, const int8_t *keys, uint32_t stride, uint32_t count, uint32_t rows,
                 uint32_t columns, int32_t *sums)
{
    uint32_t c, j;

    (void)rows;
    for (c = 0; c < columns; c += 2u) {
        /* Two columns share each factor. Of the last, odd column the second is computed twice. */
        const uint32_t other = c + 1u < columns ? 1u : 0u;
        const int8_t *a = keys + c, *b = a + other;
        const int32_t *f = factors;
        int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
        int32_t b0 = sums[4], b1 = sums[5], b2 = sums[6], b3 = sums[7];
        for (j = 0; j < count; j++) {
            const int32_t wa = *a, wb = *b;
            a0 += f[0] * wa;
            b0 += f[0] * wb;
            a1 += f[1] * wa;
            b1 += f[1] * wb;
            a2 += f[2] * wa;
            b2 += f[2] * wb;
            a3 += f[3] * wa;
            b3 += f[3] * wb;
            f += 4;
            a += stride;
            b += stride;
        }
        sums[0] = a0;
        sums[1] = a1;
        sums[2] = a2;
        sums[3] = a3;
        if (other != 0u) {
            sums[4] = b0;
            sums[5] = b1;
            sums[6] = b2;
            sums[7] = b3;
        }
        sums += 8;
    }
}
#endif

#if EMBBERT_KERNELS == EMBBERT_SCALAR || EMBBERT_KERNELS == EMBBERT_DSP

/* One column of four rows. A token that one row meets at tap k, the row before it meets at tap k + 1. */
static void four_windows(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride, uint32_t taps,
                         int32_t *sums)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    int32_t x0 = text[0], x1 = text[stride], x2 = text[2u * stride], x3;

    text += 3u * stride;
#define TAP(a, b, c, d)       \
    do {                      \
        const int32_t w = *weight; \
        (d) = *text;          \
        weight += step;       \
        text += stride;       \
        s0 += w * (a);        \
        s1 += w * (b);        \
        s2 += w * (c);        \
        s3 += w * (d);        \
    } while (0)

    for (; taps >= 4u; taps -= 4u) {
        TAP(x0, x1, x2, x3);
        TAP(x1, x2, x3, x0);
        TAP(x2, x3, x0, x1);
        TAP(x3, x0, x1, x2);
    }
    for (; taps != 0u; taps--) {
        TAP(x0, x1, x2, x3);
        x0 = x1;
        x1 = x2;
        x2 = x3;
    }
#undef TAP
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static void one_window(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride, uint32_t taps,
                       uint32_t columns, int32_t *sums)
{
    uint32_t k, c;

    for (k = 0; k < taps; k++) {
        for (c = 0; c < columns; c++) {
            sums[4u * c] += (int32_t)weight[c] * text[c];
        }
        weight += step;
        text += stride;
    }
}

void embbert_window(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride, uint32_t taps,
                    uint32_t rows, uint32_t columns, int32_t *sums)
{
    uint32_t r;

    if (rows == EMBBERT_ROWS && taps != 0u) {
        uint32_t c;
        for (c = 0; c < columns; c++) {
            four_windows(weight + c, step, text + c, stride, taps, sums + 4u * c);
        }
        return;
    }
    for (r = 0; r < rows; r++) {
        one_window(weight, step, text + (size_t)r * stride, stride, taps, columns, sums + r);
    }
}
#endif
