/* Depth-wise convolution over tokens: tokens outside the text do not exist and add nothing. */
#include "embbert_kernels.h"
#include "embbert_math.h"
#include "embbert_ops.h"
#include "embbert_scaling.h"

/* The taps of a row that meet a token. */
typedef struct span {
    uint32_t from;
    uint32_t to;
} span;

static span taps_of(const embbert_conv *op, uint32_t count, uint32_t token)
{
    span taps;

    taps.from = token >= op->left ? 0u : op->left - token;
    taps.to = embbert_smaller(op->taps, count + op->left - token);
    return taps;
}

static inline void look_up(const embbert_conv *op, int32_t *restrict sums, const int32_t *restrict multiplier,
                           uint32_t width, int8_t *restrict out)
{
    const int8_t *restrict table = op->table + 128;
    const uint32_t shift = op->shift, expansion = op->expansion;
    uint32_t c;

    if (shift >= EMBBERT_HIGH) {
        const embbert_scaling by = embbert_scaling_of(multiplier, 1u, shift, 0u);
        embbert_scale(&by, sums, width);
#if EMBBERT_STEP == 1u
        int8_t index[EMBBERT_BLOCK]; /* apart from the loop that no vector instruction can do */
        for (c = 0; c < width; c++) {
            index[c] = embbert_narrow8(embbert_scaled(&by, sums, c));
        }
        for (c = 0; c < width; c++) {
            out[(size_t)c * expansion] = table[index[c]];
        }
#else
        for (c = 0; c < width; c++) {
            *out = table[embbert_narrow8(embbert_scaled(&by, sums, c))];
            out += expansion;
        }
#endif
    } else {
        for (c = 0; c < width; c++) {
            *out = table[embbert_clamp8(embbert_requantize(sums[c * EMBBERT_STEP], multiplier[c], shift))];
            out += expansion;
        }
    }
}

/* Adds taps from .. to - 1 of rows that begin at `token`, for the channels whose first constants and values
 * `weight` and `text` point to. */
static void add_taps(const embbert_conv *op, const int8_t *weight, const int8_t *text, uint32_t token, uint32_t rows,
                     span taps, uint32_t width, int32_t *sums)
{
    const uint32_t cols = op->cols, step = cols * op->expansion;

    if (taps.from < taps.to) {
        embbert_window(weight + (size_t)taps.from * step, step, text + (size_t)(token + taps.from - op->left) * cols,
                       cols, taps.to - taps.from, rows, width, sums);
    }
}

/* Of four rows, the taps for which all have a token are taken together, and what single rows have beyond them
 * alone. There are such taps: `left` < `taps`, and four rows have four tokens. */
static void add_rows(const embbert_conv *op, const int8_t *weight, const int8_t *text, uint32_t count,
                     uint32_t first_row, uint32_t rows, uint32_t width, int32_t *sums)
{
    span common = {0u, 0u};
    uint32_t row;

    if (rows == EMBBERT_ROWS) {
        common.from = taps_of(op, count, first_row).from;
        common.to = taps_of(op, count, first_row + rows - 1u).to;
        add_taps(op, weight, text, first_row, rows, common, width, sums);
    }
    for (row = 0; row < rows; row++) {
        const uint32_t token = first_row + row;
        const span own = taps_of(op, count, token);
        const span before = {own.from, common.from};
        const span after = {common.to > own.from ? common.to : own.from, own.to};
        add_taps(op, weight, text, token, 1u, before, width, embbert_row(sums, row));
        add_taps(op, weight, text, token, 1u, after, width, embbert_row(sums, row));
    }
}

void embbert_conv_rows(const embbert_conv *op, const int8_t *text, uint32_t count, uint32_t first_row, uint32_t rows,
                       int8_t *out)
{
    const uint32_t cols = op->cols, channels = cols * op->expansion;
    int32_t sums[4u * EMBBERT_BLOCK];
    uint32_t m, first, row, c;

    for (m = 0; m < op->expansion; m++) {
        for (first = 0; first < cols; first += EMBBERT_BLOCK) {
            const uint32_t width = embbert_smaller(EMBBERT_BLOCK, cols - first);
            const size_t at = (size_t)m * cols + first;
            for (row = 0; row < rows; row++) {
                int32_t *own = embbert_row(sums, row);
                for (c = 0; c < width; c++) {
                    own[c * EMBBERT_STEP] = op->bias[at + c];
                }
            }
            add_rows(op, op->weight + at, text + first, count, first_row, rows, width, sums);
            for (row = 0; row < rows; row++) {
                look_up(op, embbert_row(sums, row), op->multiplier + at, width,
                        out + (size_t)row * channels + (size_t)first * op->expansion + m);
            }
        }
    }
}
