/* Depth-wise convolution over tokens: tokens outside the text do not exist and add nothing. */
#include "embbert_math.h"
#include "embbert_ops.h"

/* sums[c] = bias[c] + products of the taps from .. to - 1; rows of text and weight lie `stride` and `step` apart. */
static inline void accumulate(const int8_t *restrict weight, size_t step, const int8_t *restrict text, size_t stride,
                              uint32_t taps, const int32_t *restrict bias, uint32_t width, int32_t *restrict sums)
{
    uint32_t k, c;

    for (c = 0; c < width; c++) {
        sums[c] = bias[c];
    }
    for (k = 0; k < taps; k++) {
        for (c = 0; c < width; c++) {
            sums[c] += (int32_t)weight[c] * text[c];
        }
        weight += step;
        text += stride;
    }
}

static inline void look_up(const embbert_conv *op, const int32_t *restrict sums, const int32_t *restrict multiplier,
                    uint32_t width, int8_t *restrict out)
{
    int8_t index[EMBBERT_BLOCK];
    const uint32_t shift = op->shift, expansion = op->expansion;
    uint32_t c;

    for (c = 0; c < width; c++) {
        index[c] = embbert_clamp8(embbert_requantize(sums[c], multiplier[c], shift));
    }
    for (c = 0; c < width; c++) {
        out[(size_t)c * expansion] = op->table[index[c] + 128];
    }
}

static void conv_row(const embbert_conv *op, const int8_t *text, uint32_t count, uint32_t token, int8_t *out)
{
    const uint32_t cols = op->cols, channels = cols * op->expansion;
    const uint32_t from = token >= op->left ? 0u : op->left - token;
    const uint32_t to = embbert_smaller(op->taps, count + op->left - token);
    const int8_t *window = text + (size_t)(token + from - op->left) * cols;
    const int8_t *weight = op->weight + (size_t)from * channels;
    int32_t sums[EMBBERT_BLOCK];
    uint32_t m, first;

    for (m = 0; m < op->expansion; m++) {
        for (first = 0; first < cols; first += EMBBERT_BLOCK) {
            const uint32_t width = embbert_smaller(EMBBERT_BLOCK, cols - first);
            const size_t at = (size_t)m * cols + first;
            if (width == EMBBERT_BLOCK) { /* the usual width, known to the compiler */
                accumulate(weight + at, channels, window + first, cols, to - from, op->bias + at, EMBBERT_BLOCK, sums);
            } else {
                accumulate(weight + at, channels, window + first, cols, to - from, op->bias + at, width, sums);
            }
            look_up(op, sums, op->multiplier + at, width, out + (size_t)first * op->expansion + m);
        }
    }
}

void embbert_conv_rows(const embbert_conv *op, const int8_t *text, uint32_t count, uint32_t first_row, uint32_t rows,
                       int8_t *out)
{
    uint32_t row;

    for (row = first_row; row < first_row + rows; row++) {
        conv_row(op, text, count, row, out);
        out += (size_t)op->cols * op->expansion;
    }
}
