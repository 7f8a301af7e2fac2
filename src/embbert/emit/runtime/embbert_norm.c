/* RMS norm without a division per channel and without a float; the residual sum; the argmax. */
#include "embbert_math.h"
#include "embbert_ops.h"

/* Bits up to and including the highest one of a number > 0. */
static uint32_t bit_length(uint64_t value)
{
    uint32_t rest = (uint32_t)value, bits = 1, step;

    if (value >> 32 != 0u) {
        rest = (uint32_t)(value >> 32);
        bits += 32u;
    }
    for (step = 16; step != 0u; step >>= 1) {
        if (rest >> step != 0u) {
            rest >>= step;
            bits += step;
        }
    }
    return bits;
}

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
    uint32_t c, bits, even, shift, scaled;

    for (c = 0; c < cols; c++) {
        const int32_t square = (int32_t)x[c] * x[c];
        sum += (uint32_t)square;
    }
    /* An even shift brings the sum into 2^30 .. 2^32 - 1; half of it is undone after the root. */
    bits = bit_length(sum);
    if (bits >= 31u) {
        even = (bits - 31u) & ~1u;
        scaled = (uint32_t)(sum >> even);
        shift = op->shift + even / 2u;
    } else {
        even = (32u - bits) & ~1u;
        scaled = (uint32_t)(sum << even);
        shift = op->shift - even / 2u;
    }
    inverse = INT32_MAX / (int32_t)embbert_isqrt(scaled);
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

uint32_t embbert_argmax(const int32_t *logits, uint32_t classes)
{
    uint32_t i, best = 0;

    for (i = 1; i < classes; i++) {
        if (logits[i] > logits[best]) {
            best = i;
        }
    }
    return best;
}
