/* Token ids to rows of the stream. */
#include "embbert_kernels.h"
#include "embbert_math.h"
#include "embbert_ops.h"
#include "embbert_scaling.h"

#define RANKS 16u /* elements of an entry that are widened at a time */
#define WIDTH 32u /* columns at a time; where rows of a block lie one after the other, both parts share one */

typedef char embbert_assume_room_for_both_parts[EMBBERT_STEP != 1u || EMBBERT_BLOCK == 2u * WIDTH ? 1 : -1];

/* sums(row, c) += entry[row] * weight[.., c]: a mix whose keys are the rows of the weight. */
static void widen(const int8_t *const entries[EMBBERT_ROWS], const int8_t *weight, uint32_t rank, uint32_t cols,
                  uint32_t rows, uint32_t width, int32_t *sums)
{
    int32_t factors[4u * RANKS];
    uint32_t first, row, i;

    for (first = 0; first < rank; first += RANKS) {
        const uint32_t count = embbert_smaller(RANKS, rank - first);
        for (row = 0; row < EMBBERT_ROWS; row++) {
            for (i = 0; i < count; i++) {
                embbert_put_factor(factors, row, i, count, row < rows ? entries[row][first + i] : 0);
            }
        }
        embbert_mix(factors, weight + (size_t)first * cols, cols, count, rows, width, sums);
    }
}

/* Both parts of one row and its segment to the row of the stream. */
static void combine(const embbert_embed *op, int32_t *restrict by_token, int32_t *restrict by_position, uint32_t first,
                    const int16_t *restrict segment, uint32_t width, int16_t *restrict out)
{
    const int32_t *token_multiplier = op->token_multiplier + first;
    const int32_t *position_multiplier = op->position_multiplier + first;
    uint32_t c;

    if ((uint32_t)op->token_shift + op->token_lift >= EMBBERT_HIGH &&
        (uint32_t)op->position_shift + op->position_lift >= EMBBERT_HIGH) {
        const embbert_scaling token = embbert_scaling_of(token_multiplier, 1u, op->token_shift, op->token_lift);
        const embbert_scaling position =
            embbert_scaling_of(position_multiplier, 1u, op->position_shift, op->position_lift);
        embbert_scale(&token, by_token, width);
        embbert_scale(&position, by_position, width);
        for (c = 0; c < width; c++) {
            out[c] = embbert_narrow16(embbert_scaled(&token, by_token, c) + embbert_scaled(&position, by_position, c) +
                                      segment[c]);
        }
    } else {
        for (c = 0; c < width; c++) {
            out[c] = embbert_clamp16(
                embbert_requantize(by_token[c * EMBBERT_STEP], token_multiplier[c], op->token_shift) +
                embbert_requantize(by_position[c * EMBBERT_STEP], position_multiplier[c], op->position_shift) +
                segment[c]);
        }
    }
}

void embbert_embed_rows(const embbert_embed *op, const uint16_t *ids, uint32_t second, uint32_t first_row,
                        uint32_t rows, int16_t *out)
{
    int32_t sums[2u * 4u * WIDTH];
    int32_t *const by_position = sums + (size_t)WIDTH * EMBBERT_STEP;
    const int8_t *tokens[EMBBERT_ROWS], *positions[EMBBERT_ROWS];
    const uint32_t cols = op->cols;
    uint32_t row, first, i;

    for (row = 0; row < rows; row++) {
        tokens[row] = op->token_table + (size_t)ids[first_row + row] * op->rank;
        positions[row] = op->position_table + (size_t)(first_row + row) * op->rank;
    }
    for (first = 0; first < cols; first += WIDTH) {
        const uint32_t width = embbert_smaller(WIDTH, cols - first);
        for (i = 0; i < 2u * 4u * WIDTH; i++) {
            sums[i] = 0;
        }
        widen(tokens, op->token_weight + first, op->rank, cols, rows, width, sums);
        widen(positions, op->position_weight + first, op->rank, cols, rows, width, by_position);
        for (row = 0; row < rows; row++) {
            combine(op, embbert_row(sums, row), embbert_row(by_position, row), first,
                    op->segment_table + (first_row + row >= second ? cols : 0u) + first, width,
                    out + (size_t)row * cols + first);
        }
    }
}
