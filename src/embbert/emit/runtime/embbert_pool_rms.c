/* The root of the mean square of the rows of a text. */
#include "embbert_math.h"
#include "embbert_ops.h"

void embbert_pool_add_squares(const int8_t *source, uint32_t rows, uint32_t cols, int32_t *sums)
{
    uint32_t row, c;

    for (row = 0; row < rows; row++) {
        for (c = 0; c < cols; c++) {
            const int32_t value = source[(size_t)row * cols + c];
            sums[c] += value * value;
        }
    }
}

void embbert_pool_root(const int32_t *sums, uint32_t cols, uint32_t count, int16_t *out)
{
    const uint64_t n = count;
    uint32_t c;

    for (c = 0; c < cols; c++) {
        const uint64_t mean = (((uint64_t)(uint32_t)sums[c] << 16) + n / 2u) / n;
        out[c] = (int16_t)embbert_isqrt((uint32_t)mean);
    }
}
