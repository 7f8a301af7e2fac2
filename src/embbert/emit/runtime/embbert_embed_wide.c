/* Token ids to rows of the stream, from tables as wide as the rows. */
#include "embbert_math.h"
#include "embbert_ops.h"

void embbert_embed_wide_rows(const embbert_embed_wide *op, const uint16_t *ids, uint32_t second, uint32_t first_row,
                             uint32_t rows, int16_t *out)
{
    const uint32_t cols = op->cols;
    uint32_t row, c;

    for (row = 0; row < rows; row++) {
        const uint32_t at = first_row + row;
        const int8_t *token = op->token_table + (size_t)ids[at] * cols;
        const int8_t *position = op->position_table + (size_t)at * cols;
        const int16_t *segment = op->segment_table + (at >= second ? cols : 0u);
        for (c = 0; c < cols; c++) {
            out[(size_t)row * cols + c] =
                embbert_clamp16(embbert_requantize(token[c], op->token_multiplier[c], op->token_shift) +
                                embbert_requantize(position[c], op->position_multiplier[c], op->position_shift) +
                                segment[c]);
        }
    }
}
