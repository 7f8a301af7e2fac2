/* RMS norm without a division per channel and without a float; the residual sum. */
#include "embbert_math.h"
#include "embbert_ops.h"

#if EMBBERT_KERNELS != EMBBERT_MVE
static void embbert_gain(const int16_t *restrict x, const int16_t *restrict gain, int32_t inverse, uint32_t shift,
                         uint32_t cols, int8_t *restrict out)
{
    const int32_t half = embbert_half(shift);
    uint32_t c;

    for (c = 0; c < cols; c++) {
        out[c] = embbert_narrow8(embbert_high(x[c] * inverse, gain[c], half, shift));
    }
}
#endif

static void norm_row(const embbert_norm *op, const int16_t *restrict x, int8_t *restrict out)
{
    const int16_t *restrict gain = op->gain;
    const uint32_t cols = op->cols;
    uint64_t sum = op->epsilon;
    int32_t inverse;
    uint32_t c, shift = op->shift;

    for (c = 0; c < cols; c++) {
        const int32_t square = (int32_t)x[c] * x[c];
        sum += (uint32_t)square;
    }
    inverse = embbert_inverse_root(sum, &shift);
    if (shift >= EMBBERT_HIGH) {
        embbert_gain(x, gain, inverse, shift, cols, out);
    } else {
        for (c = 0; c < cols; c++) {
            out[c] = embbert_clamp8(embbert_round_shift((int64_t)(x[c] * inverse) * gain[c], shift));
        }
    }
}

void embbert_norm_rows(const embbert_norm *op, const int16_t *source, uint32_t rows, int8_t *out)
{
    uint32_t row;

    for (row = 0; row < rows; row++) {
        norm_row(op, source + (size_t)row * op->cols, out + (size_t)row * op->cols);
    }
}

void embbert_add_rows(const int16_t *source, uint32_t rows, uint32_t cols, int16_t *out)
{
    const size_t count = (size_t)rows * cols;
    const int16_t *restrict from = source;
    int16_t *restrict to = out;
    size_t i;

    for (i = 0; i < count; i++) {
        to[i] = embbert_narrow16(to[i] + from[i]);
    }
}
