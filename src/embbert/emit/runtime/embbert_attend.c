/* Attention in one pass over the text per row: scores, their exponentials as powers of two from a table, and the
 * weighted average of the values. Nothing of the size of a text squared exists. */
#include "embbert_kernels.h"
#include "embbert_math.h"
#include "embbert_ops.h"
#include "embbert_scaling.h"

#define STEPS 256u /* of the table, per power of two */
#define LAST (16 * 256 - 1) /* 16 powers of two below the largest a weight rounds to 0, as do all beyond it */

/* 2^(14 - f/256), rounded */
static const uint16_t powers[STEPS] = {
    16384, 16340, 16296, 16251, 16208, 16164, 16120, 16076, 16033, 15990, 15946, 15903, 15860, 15817, 15775, 15732,
    15689, 15647, 15605, 15562, 15520, 15478, 15437, 15395, 15353, 15312, 15270, 15229, 15188, 15147, 15106, 15065,
    15024, 14984, 14943, 14903, 14862, 14822, 14782, 14742, 14702, 14663, 14623, 14583, 14544, 14505, 14465, 14426,
    14387, 14348, 14310, 14271, 14232, 14194, 14155, 14117, 14079, 14041, 14003, 13965, 13927, 13890, 13852, 13815,
    13777, 13740, 13703, 13666, 13629, 13592, 13555, 13519, 13482, 13446, 13409, 13373, 13337, 13301, 13265, 13229,
    13193, 13157, 13122, 13086, 13051, 13016, 12981, 12945, 12910, 12876, 12841, 12806, 12771, 12737, 12702, 12668,
    12634, 12600, 12566, 12532, 12498, 12464, 12430, 12397, 12363, 12330, 12296, 12263, 12230, 12197, 12164, 12131,
    12098, 12065, 12033, 12000, 11968, 11935, 11903, 11871, 11839, 11807, 11775, 11743, 11711, 11680, 11648, 11617,
    11585, 11554, 11523, 11492, 11460, 11429, 11399, 11368, 11337, 11306, 11276, 11245, 11215, 11185, 11154, 11124,
    11094, 11064, 11034, 11004, 10975, 10945, 10915, 10886, 10856, 10827, 10798, 10769, 10739, 10710, 10681, 10653,
    10624, 10595, 10566, 10538, 10509, 10481, 10453, 10424, 10396, 10368, 10340, 10312, 10284, 10256, 10229, 10201,
    10173, 10146, 10118, 10091, 10064, 10037, 10009, 9982, 9955, 9928, 9902, 9875, 9848, 9821, 9795, 9768,
    9742, 9716, 9689, 9663, 9637, 9611, 9585, 9559, 9533, 9507, 9482, 9456, 9431, 9405, 9380, 9354,
    9329, 9304, 9279, 9253, 9228, 9204, 9179, 9154, 9129, 9104, 9080, 9055, 9031, 9006, 8982, 8958,
    8933, 8909, 8885, 8861, 8837, 8813, 8789, 8766, 8742, 8718, 8695, 8671, 8648, 8624, 8601, 8578,
    8555, 8532, 8508, 8485, 8463, 8440, 8417, 8394, 8371, 8349, 8326, 8304, 8281, 8259, 8236, 8214,
};

/* Turns the scores of one row into factors in place and returns their sum. */
static uint32_t exponentials(const embbert_attend *op, int32_t *block, uint32_t row, uint32_t count)
{
    int32_t *scores = block + row * (size_t)EMBBERT_FACTOR_ROW(count);
    const int32_t multiplier = op->exp_multiplier;
    const uint32_t shift = op->exp_shift;
    const int32_t half = shift >= EMBBERT_HIGH ? embbert_half(shift) : 0;
    int32_t top = scores[0];
    uint32_t j, sum = 0;

    for (j = 1; j < count; j++) {
        top = scores[j * EMBBERT_FACTOR_STEP] > top ? scores[j * EMBBERT_FACTOR_STEP] : top;
    }
    if (shift >= EMBBERT_HIGH) {
        for (j = 0; j < count; j++) {
            int32_t *score = scores + j * EMBBERT_FACTOR_STEP;
            const int32_t power = embbert_high(top - *score, multiplier, half, shift);
            *score = power < LAST ? power : LAST;
        }
    } else {
        for (j = 0; j < count; j++) {
            int32_t *score = scores + j * EMBBERT_FACTOR_STEP;
            const int64_t power = embbert_requantize(top - *score, multiplier, shift);
            *score = (int32_t)(power < LAST ? power : LAST);
        }
    }
    for (j = 0; j < count; j++) {
        const uint32_t power = (uint32_t)scores[j * EMBBERT_FACTOR_STEP];
        const uint32_t twice = (uint32_t)powers[power % STEPS] << 1;
        const uint32_t weight = ((twice >> (power / STEPS)) + 1u) >> 1; /* rounds, for a shift by 0 too */
        embbert_put_factor(block, row, j, count, (int32_t)weight);
        sum += weight;
    }
    return sum;
}

static void store(int32_t *restrict sums, int32_t ratio, uint32_t shift, uint32_t width, int8_t *restrict out)
{
    uint32_t c;

    if (shift >= EMBBERT_HIGH) {
        const embbert_scaling by = embbert_scaling_of(&ratio, 0u, shift, 0u);
        embbert_scale(&by, sums, width);
        for (c = 0; c < width; c++) {
            out[c] = embbert_narrow8(embbert_scaled(&by, sums, c));
        }
    } else {
        for (c = 0; c < width; c++) {
            out[c] = embbert_clamp8(embbert_requantize(sums[c * EMBBERT_STEP], ratio, shift));
        }
    }
}

void embbert_attend_rows(const embbert_attend *op, const int8_t *query, uint32_t rows, const int8_t *keys,
                         const int8_t *values, uint32_t count, int32_t *scores, int8_t *out)
{
    const uint32_t cols = op->value_cols;
    int32_t sums[4u * EMBBERT_BLOCK];
    int32_t ratio[4];
    uint32_t row, first, j;

    /* The largest score counts only by its distance to the others. */
    embbert_products(keys, NULL, count, query, rows, op->cols, scores, EMBBERT_FACTOR_ROW(count),
                     EMBBERT_FACTOR_STEP);
    for (row = 0; row < rows; row++) {
        const uint32_t sum = exponentials(op, scores, row, count);
        const uint64_t quotient = ((uint64_t)op->out_multiplier * ((uint64_t)1 << 24) + (uint64_t)sum / 2u) / sum;
        ratio[row] = (int32_t)quotient;
    }
    for (; row < EMBBERT_ROWS; row++) {
        for (j = 0; j < count; j++) {
            embbert_put_factor(scores, row, j, count, 0);
        }
    }
    for (first = 0; first < cols; first += EMBBERT_BLOCK) {
        const uint32_t width = embbert_smaller(EMBBERT_BLOCK, cols - first);
        for (j = 0; j < 4u * EMBBERT_BLOCK; j++) {
            sums[j] = 0;
        }
        embbert_mix(scores, values + first, cols, count, rows, width, sums);
        for (row = 0; row < rows; row++) {
            store(embbert_row(sums, row), ratio[row], op->out_shift, width,
                  out + (size_t)row * cols + first);
        }
    }
}
