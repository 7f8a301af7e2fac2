/* Layer norm: the RMS norm of what differs from the row's mean, and a bias. */
#include "embbert_math.h"
#include "embbert_ops.h"

/* The nearest to the average of the row, halves up. */
static int32_t mean_of(const int16_t *x, int32_t cols)
{
    int32_t sum = 0, mean, c;

    for (c = 0; c < cols; c++) {
        sum += x[c];
    }
    sum = 2 * sum + cols;
    mean = sum / (2 * cols);
    if (sum % (2 * cols) < 0) {
        mean--; /* C rounds towards 0, the format downwards */
    }
    return mean;
}

static void layer_norm_row(const embbert_layer_norm *op, const int16_t *x, int8_t *out)
{
    const uint32_t cols = op->cols;
    const int32_t mean = mean_of(x, op->cols);
    uint64_t sum = op->epsilon;
    uint32_t c, shift = op->shift;
    int64_t half;
    int32_t inverse;

    for (c = 0; c < cols; c++) {
        const int32_t y = embbert_narrow16(x[c] - mean);
        const int32_t square = y * y;
        sum += (uint32_t)square;
    }
    inverse = embbert_inverse_root(sum, &shift);
    half = (int64_t)1 << (shift - 1u);
    for (c = 0; c < cols; c++) {
        const int32_t y = embbert_narrow16(x[c] - mean);
        /* Two shifts: the bias has 8 bits behind the point, and nothing below them carries into the result. */
        const int64_t scaled = ((int64_t)(y * inverse) * op->gain[c] + half) >> (shift - 8u);
        out[c] = embbert_clamp8((scaled + op->bias[c]) >> 8);
    }
}

void embbert_layer_norm_rows(const embbert_layer_norm *op, const int16_t *source, uint32_t rows, int8_t *out)
{
    uint32_t row;

    for (row = 0; row < rows; row++) {
        layer_norm_row(op, source + (size_t)row * op->cols, out + (size_t)row * op->cols);
    }
}
