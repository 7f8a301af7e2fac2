/* Inner loops for Helium (MVE): sixteen products of bytes per instruction, four of 32-bit numbers.
 *
 * What is left at the end of a row goes through the same instructions with the missing lanes switched off. */
#include "embbert_kernels.h"
#include "embbert_math.h"
#include "embbert_scaling.h"

#if EMBBERT_KERNELS == EMBBERT_MVE

#include <arm_mve.h>

static inline int32x4_t scaled(int32x4_t sums, int32x4_t multiplier, int32_t half, int32_t down)
{
    return vshlq_r_s32(vaddq_n_s32(vmulhq_s32(sums, multiplier), half), -down);
}

void embbert_scale(const embbert_scaling *by, int32_t *sums, uint32_t columns)
{
    const int32_t half = by->half, lift = by->lift, down = (int32_t)by->shift - 32;
    const int32_t *multiplier = by->multiplier;
    int32x4_t factor = vdupq_n_s32(*multiplier);
    uint32_t c;

    for (c = 0; c < columns; c += 4u) {
        const mve_pred16_t lanes = vctp32q(columns - c);
        if (by->each != 0u) {
            factor = vldrwq_z_s32(multiplier + c, lanes);
        }
        vstrwq_p_s32(sums, scaled(vmulq_n_s32(vldrwq_z_s32(sums, lanes), lift), factor, half, down), lanes);
        sums += 4;
    }
}

void embbert_gain(const int16_t *x, const int16_t *gain, int32_t inverse, uint32_t shift, uint32_t cols, int8_t *out)
{
    const int32_t half = embbert_half(shift), down = (int32_t)shift - 32;
    uint32_t c;

    for (c = 0; c < cols; c += 4u) {
        const mve_pred16_t lanes = vctp32q(cols - c);
        const int32x4_t value = vmulq_n_s32(vldrhq_z_s32(x + c, lanes), inverse);
        const int32x4_t result = scaled(value, vldrhq_z_s32(gain + c, lanes), half, down);
        vstrbq_p_s32(out + c, vminq_s32(vmaxq_s32(result, vdupq_n_s32(-127)), vdupq_n_s32(127)), lanes);
    }
}

/* Products of one row of weights with one of values. */
static inline int32_t one_row(const int8_t *weight, const int8_t *x, uint32_t count, int32_t sum)
{
    for (; count >= 16u; count -= 16u) {
        sum = vmladavaq_s8(sum, vldrbq_s8(weight), vldrbq_s8(x));
        weight += 16;
        x += 16;
    }
    if (count != 0u) {
        const mve_pred16_t lanes = vctp8q(count);
        sum = vmladavaq_s8(sum, vldrbq_z_s8(weight, lanes), vldrbq_z_s8(x, lanes));
    }
    return sum;
}

/* Four rows; `count` is a multiple of 16. */
static void four_rows(const int8_t *weight, const int32_t *bias, uint32_t outputs, const int8_t *x, uint32_t count,
                      int32_t *sums, uint32_t row_step, uint32_t step)
{
    int32_t *sums2 = sums + 2u * (size_t)row_step;
    uint32_t i;

    for (; outputs != 0u; outputs--) {
        const int8_t *x0 = x, *x1 = x + count, *x2 = x1 + count, *x3 = x2 + count;
        const int32_t start = bias != NULL ? *bias++ : 0;
        int32_t s0 = start, s1 = start, s2 = start, s3 = start;
        for (i = count / 16u; i != 0u; i--) {
            const int8x16_t w = vldrbq_s8(weight);
            s0 = vmladavaq_s8(s0, w, vldrbq_s8(x0));
            s1 = vmladavaq_s8(s1, w, vldrbq_s8(x1));
            s2 = vmladavaq_s8(s2, w, vldrbq_s8(x2));
            s3 = vmladavaq_s8(s3, w, vldrbq_s8(x3));
            weight += 16;
            x0 += 16;
            x1 += 16;
            x2 += 16;
            x3 += 16;
        }
        sums[0] = s0;
        sums[row_step] = s1;
        sums2[0] = s2;
        sums2[row_step] = s3;
        sums += step;
        sums2 += step;
    }
}

void embbert_products(const int8_t *weight, const int32_t *bias, uint32_t outputs, const int8_t *x, uint32_t rows,
                      uint32_t count, int32_t *sums, uint32_t row_step, uint32_t step)
{
    uint32_t o, row;

    if (rows == EMBBERT_ROWS && count % 16u == 0u) {
        four_rows(weight, bias, outputs, x, count, sums, row_step, step);
        return;
    }
    for (o = 0; o < outputs; o++) {
        for (row = 0; row < rows; row++) {
            sums[row * (size_t)row_step] =
                one_row(weight, x + (size_t)row * count, count, bias != NULL ? bias[o] : 0);
        }
        weight += count;
        sums += step;
    }
}

void embbert_mix(const int32_t *factors, const int8_t *keys, uint32_t stride, uint32_t count, uint32_t rows,
                 uint32_t columns, int32_t *sums)
{
    uint32_t c, j;

    (void)rows;
    for (c = 0; c < columns; c += 4u) {
        const mve_pred16_t lanes = vctp32q(columns - c);
        const int8_t *key = keys + c;
        const int32_t *f = factors;
        int32x4_t s0 = vldrwq_s32(sums), s1 = vldrwq_s32(sums + EMBBERT_BLOCK);
        int32x4_t s2 = vldrwq_s32(sums + 2u * EMBBERT_BLOCK), s3 = vldrwq_s32(sums + 3u * EMBBERT_BLOCK);
        if (columns - c >= 4u) {
            for (j = count; j != 0u; j--) {
                const int32x4_t value = vldrbq_s32(key);
                s0 = vmlaq_n_s32(s0, value, f[0]);
                s1 = vmlaq_n_s32(s1, value, f[1]);
                s2 = vmlaq_n_s32(s2, value, f[2]);
                s3 = vmlaq_n_s32(s3, value, f[3]);
                key += stride;
                f += 4;
            }
        } else {
            for (j = count; j != 0u; j--) {
                const int32x4_t value = vldrbq_z_s32(key, lanes);
                s0 = vmlaq_n_s32(s0, value, f[0]);
                s1 = vmlaq_n_s32(s1, value, f[1]);
                s2 = vmlaq_n_s32(s2, value, f[2]);
                s3 = vmlaq_n_s32(s3, value, f[3]);
                key += stride;
                f += 4;
            }
        }
        vstrwq_s32(sums, s0);
        vstrwq_s32(sums + EMBBERT_BLOCK, s1);
        vstrwq_s32(sums + 2u * EMBBERT_BLOCK, s2);
        vstrwq_s32(sums + 3u * EMBBERT_BLOCK, s3);
        sums += 4;
    }
}

/* Four columns of four rows. A token that one row meets at tap k, the row before it meets at tap k + 1. */
static inline void four_windows(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride,
                                uint32_t taps, mve_pred16_t lanes, int32_t *sums)
{
    int32x4_t s0 = vldrwq_s32(sums), s1 = vldrwq_s32(sums + EMBBERT_BLOCK);
    int32x4_t s2 = vldrwq_s32(sums + 2u * EMBBERT_BLOCK), s3 = vldrwq_s32(sums + 3u * EMBBERT_BLOCK);
    int32x4_t x0 = vldrbq_z_s32(text, lanes), x1 = vldrbq_z_s32(text + stride, lanes);
    int32x4_t x2 = vldrbq_z_s32(text + 2u * (size_t)stride, lanes), x3;

    text += 3u * (size_t)stride;
    for (; taps != 0u; taps--) {
        const int32x4_t w = vldrbq_z_s32(weight, lanes);
        x3 = vldrbq_z_s32(text, lanes);
        s0 = vaddq_s32(s0, vmulq_s32(w, x0));
        s1 = vaddq_s32(s1, vmulq_s32(w, x1));
        s2 = vaddq_s32(s2, vmulq_s32(w, x2));
        s3 = vaddq_s32(s3, vmulq_s32(w, x3));
        x0 = x1;
        x1 = x2;
        x2 = x3;
        weight += step;
        text += stride;
    }
    vstrwq_s32(sums, s0);
    vstrwq_s32(sums + EMBBERT_BLOCK, s1);
    vstrwq_s32(sums + 2u * EMBBERT_BLOCK, s2);
    vstrwq_s32(sums + 3u * EMBBERT_BLOCK, s3);
}

void embbert_window(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride, uint32_t taps,
                    uint32_t rows, uint32_t columns, int32_t *sums)
{
    uint32_t row, k, c;

    if (rows == EMBBERT_ROWS && taps != 0u) {
        for (c = 0; c < columns; c += 4u) {
            four_windows(weight + c, step, text + c, stride, taps, vctp32q(columns - c), sums + c);
        }
        return;
    }
    for (row = 0; row < rows; row++) {
        for (k = 0; k < taps; k++) {
            for (c = 0; c < columns; c++) {
                sums[c] += (int32_t)weight[(size_t)k * step + c] * text[(size_t)k * stride + c];
            }
        }
        text += stride;
        sums += EMBBERT_BLOCK;
    }
}
#endif
