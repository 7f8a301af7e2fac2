/* Token ids to rows of the stream. */
#include "embbert_math.h"
#include "embbert_ops.h"

#define SEP 4u

uint32_t embbert_second_segment(const uint16_t *ids, uint32_t count)
{
    uint32_t i = 0;

    while (i < count && ids[i] != SEP) {
        i++;
    }
    return i;
}

/* Widens one entry of a narrow table: `cols` is the distance between the rows of `weight`. */
static inline void widen(const int8_t *restrict entry, const int8_t *restrict weight, uint32_t rank, uint32_t cols,
                  uint32_t width, int32_t *restrict sums)
{
    uint32_t i, c;

    for (c = 0; c < width; c++) {
        sums[c] = 0;
    }
    for (i = 0; i < rank; i++) {
        const int32_t value = entry[i];
        const int8_t *restrict w = weight + (size_t)i * cols;
        for (c = 0; c < width; c++) {
            sums[c] += value * w[c];
        }
    }
}

static inline void embed_block(const embbert_embed *op, uint32_t token, uint32_t position, const int16_t *segment,
                        uint32_t first, uint32_t width, int16_t *restrict out)
{
    int32_t by_token[EMBBERT_BLOCK], by_position[EMBBERT_BLOCK];
    const int32_t *restrict token_multiplier = op->token_multiplier + first;
    const int32_t *restrict position_multiplier = op->position_multiplier + first;
    const uint32_t token_shift = op->token_shift, position_shift = op->position_shift;
    uint32_t c;

    widen(op->token_table + (size_t)token * op->rank, op->token_weight + first, op->rank, op->cols, width, by_token);
    widen(op->position_table + (size_t)position * op->rank, op->position_weight + first, op->rank, op->cols, width,
          by_position);
    for (c = 0; c < width; c++) {
        out[c] = embbert_clamp16(embbert_requantize(by_token[c], token_multiplier[c], token_shift) +
                                 embbert_requantize(by_position[c], position_multiplier[c], position_shift) +
                                 segment[c]);
    }
}

void embbert_embed_rows(const embbert_embed *op, const uint16_t *ids, uint32_t second, uint32_t first_row,
                        uint32_t rows, int16_t *out)
{
    uint32_t row, first;

    for (row = first_row; row < first_row + rows; row++) {
        const int16_t *segment = op->segment_table + (row >= second ? op->cols : 0u);
        for (first = 0; first < op->cols; first += EMBBERT_BLOCK) {
            const uint32_t width = embbert_smaller(EMBBERT_BLOCK, op->cols - first);
            if (width == EMBBERT_BLOCK) { /* the usual width, known to the compiler */
                embed_block(op, ids[row], row, segment + first, first, EMBBERT_BLOCK, out + first);
            } else {
                embed_block(op, ids[row], row, segment + first, first, width, out + first);
            }
        }
        out += op->cols;
    }
}
