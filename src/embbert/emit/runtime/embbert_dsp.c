/* Inner loops for Arm cores with the DSP extension: SMLAD adds two products of 16-bit numbers at a time.
 *
 * SXTB16 turns bytes 0 and 2 of a word into a pair of 16-bit numbers, and after a rotation by 8 bytes 1 and 3. What
 * is used many times is widened once, in that order; what is used once, on the fly. Words are read from addresses
 * of any alignment, which these cores allow for single words (and only for these). */
#include "embbert_kernels.h"
#include "embbert_math.h"

#if EMBBERT_KERNELS == EMBBERT_DSP

#define CHUNK 128u /* inputs of four rows that lie on the stack, widened */

#if defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__) && defined(__GNUC__)
/* Not the functions of <arm_acle.h>: through them GCC does not merge the rotation into SXTB16. */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__ volatile("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline uint32_t even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__ volatile("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__ volatile("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* Two words, which belong to two rows, and on to the next; the address is a multiple of 4. In C it would be two
 * instructions whenever GCC's scheduler has put something in between. The compiler does not see what is read:
 * START_READING and END_READING, which depend on the address and on the results, keep it behind earlier stores
 * and before later ones. */
#define READ_TWO(low, high, words) __asm__ volatile("ldrd %0, %1, [%2], #8" : "=r"(low), "=r"(high), "+r"(words))
#define START_READING(words) __asm__ volatile("" : "+r"(words) : : "memory")
#define END_READING(a, b, c, d) __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : "memory")
#else
#define READ_TWO(low, high, words) \
    do {                           \
        (low) = *(words)++;        \
        (high) = *(words)++;       \
    } while (0)
#define START_READING(words) ((void)0)
#define END_READING(a, b, c, d) ((void)0)

/* The same in plain C, so that these loops can be tested on any machine. */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + (int32_t)(int16_t)(a & 0xffffu) * (int16_t)(b & 0xffffu) +
           (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
}

static inline uint32_t even_bytes(uint32_t word)
{
    return (uint16_t)(int8_t)(word & 0xffu) | (uint32_t)(uint16_t)(int8_t)(word >> 16 & 0xffu) << 16;
}

static inline uint32_t odd_bytes(uint32_t word)
{
    return even_bytes(word >> 8);
}
#endif

/* One word from any address. A call of memcpy would cost more than the products. */
static inline uint32_t load4(const int8_t *bytes)
{
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

/* Up to three bytes, zeros above them. */
static inline uint32_t load_rest(const int8_t *bytes, uint32_t count)
{
    uint32_t word = 0;

    while (count-- > 0u) {
        word = word << 8 | (uint8_t)bytes[count];
    }
    return word;
}

/* For every four inputs the even bytes of four rows, then the odd ones. Missing inputs are zeros; where there are
 * fewer rows the last one stands in for the others. */
static void widen_rows(const int8_t *x, uint32_t rows, uint32_t stride, uint32_t count, uint32_t *packed)
{
    uint32_t row, i;

    for (row = 0; row < 4u; row++) {
        uint32_t *p = packed + row;
        for (i = 0; i + 4u <= count; i += 4u) {
            const uint32_t word = load4(x + i);
            p[0] = even_bytes(word);
            p[4] = odd_bytes(word);
            p += 8;
        }
        if (i < count) {
            const uint32_t word = load_rest(x + i, count - i);
            p[0] = even_bytes(word);
            p[4] = odd_bytes(word);
        }
        x += row + 1u < rows ? stride : 0u;
    }
}

/* Adds the products of one row of weights with four rows. */
static inline void four_rows(const int8_t *weight, const uint32_t *x, uint32_t count, int32_t *sums)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    const int8_t *const end = weight + (count & ~3u);
    uint32_t word, pair, low, high;

    START_READING(x);
#define STEP(four)                  \
    do {                            \
        word = (four);              \
        pair = even_bytes(word);    \
        READ_TWO(low, high, x);     \
        s0 = smlad(pair, low, s0);  \
        s1 = smlad(pair, high, s1); \
        READ_TWO(low, high, x);     \
        s2 = smlad(pair, low, s2);  \
        s3 = smlad(pair, high, s3); \
        pair = odd_bytes(word);     \
        READ_TWO(low, high, x);     \
        s0 = smlad(pair, low, s0);  \
        s1 = smlad(pair, high, s1); \
        READ_TWO(low, high, x);     \
        s2 = smlad(pair, low, s2);  \
        s3 = smlad(pair, high, s3); \
    } while (0)

    for (; end - weight >= 16; weight += 16) {
        STEP(load4(weight));
        STEP(load4(weight + 4));
        STEP(load4(weight + 8));
        STEP(load4(weight + 12));
    }
    for (; weight != end; weight += 4) {
        STEP(load4(weight));
    }
    if (count % 4u != 0u) {
        STEP(load_rest(weight, count % 4u));
    }
#undef STEP
    END_READING(s0, s1, s2, s3);
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* One row: x as `widen_rows` leaves it, of which the first of four is used. */
static inline int32_t one_row(const int8_t *weight, const uint32_t *x, uint32_t count, int32_t sum)
{
    uint32_t i, word;

    for (i = 0; i + 4u <= count; i += 4u) {
        word = load4(weight + i);
        sum = smlad(even_bytes(word), x[0], sum);
        sum = smlad(odd_bytes(word), x[4], sum);
        x += 8;
    }
    if (i < count) {
        word = load_rest(weight + i, count - i);
        sum = smlad(even_bytes(word), x[0], sum);
        sum = smlad(odd_bytes(word), x[4], sum);
    }
    return sum;
}

void embbert_products(const int8_t *weight, const int32_t *bias, uint32_t outputs, const int8_t *x, uint32_t rows,
                      uint32_t count, int32_t *sums, uint32_t row_step, uint32_t step)
{
    uint32_t packed[2u * CHUNK];
    uint32_t o, first;

    (void)row_step;
    (void)step;
    for (o = 0; o < 4u * outputs; o++) {
        sums[o] = bias != NULL ? bias[o / 4u] : 0;
    }
    for (first = 0; first < count; first += CHUNK) {
        const uint32_t length = embbert_smaller(CHUNK, count - first);
        widen_rows(x + first, rows, count, length, packed);
        for (o = 0; o < outputs; o++) {
            const int8_t *w = weight + (size_t)o * count + first;
            if (rows == 1u) {
                sums[4u * o] = one_row(w, packed, length, sums[4u * o]);
            } else {
                four_rows(w, packed, length, sums + 4u * o);
            }
        }
    }
}

static inline uint32_t load2(const int8_t *bytes)
{
    uint16_t half;
    __builtin_memcpy(&half, bytes, sizeof half);
    return half;
}

/* Two columns of four rows; an odd count ends with factors of 0. */
static inline void two_columns(const uint32_t *factors, const int8_t *key, uint32_t stride, uint32_t count,
                               int32_t *sums)
{
    int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    int32_t b0 = sums[4], b1 = sums[5], b2 = sums[6], b3 = sums[7];
    const uint32_t *const end = factors + 4u * (size_t)(count / 2u);
    uint32_t word, pair, low, high;

    START_READING(factors);
#define STEP(next)                        \
    do {                                  \
        word = load2(key) | (next) << 16; \
        pair = even_bytes(word);          \
        word = odd_bytes(word);           \
        READ_TWO(low, high, factors);     \
        a0 = smlad(pair, low, a0);        \
        b0 = smlad(word, low, b0);        \
        a1 = smlad(pair, high, a1);       \
        b1 = smlad(word, high, b1);       \
        READ_TWO(low, high, factors);     \
        a2 = smlad(pair, low, a2);        \
        b2 = smlad(word, low, b2);        \
        a3 = smlad(pair, high, a3);       \
        b3 = smlad(word, high, b3);       \
    } while (0)

    while (factors != end) {
        STEP(load2(key + stride));
        key += 2u * stride;
    }
    if (count % 2u != 0u) {
        STEP((uint32_t)0);
    }
#undef STEP
    END_READING(a0, a1, a2, a3);
    END_READING(b0, b1, b2, b3);
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
    sums[4] = b0;
    sums[5] = b1;
    sums[6] = b2;
    sums[7] = b3;
}

static void one_column(const uint32_t *factors, const int8_t *key, uint32_t stride, uint32_t count, int32_t *sums)
{
    uint32_t j, row;

    for (row = 0; row < 4u; row++) {
        for (j = 0; j < count; j++) {
            const uint32_t pair = factors[4u * (size_t)(j / 2u) + row];
            sums[row] += (int16_t)(j % 2u == 0u ? pair & 0xffffu : pair >> 16) * key[(size_t)j * stride];
        }
    }
}

void embbert_mix(const int32_t *factors, const int8_t *keys, uint32_t stride, uint32_t count, uint32_t rows,
                 uint32_t columns, int32_t *sums)
{
    const uint32_t *pairs = (const uint32_t *)factors;
    uint32_t c;

    (void)rows;
    for (c = 0; c + 1u < columns; c += 2u) {
        two_columns(pairs, keys + c, stride, count, sums + 4u * c);
    }
    if (c < columns) {
        one_column(pairs, keys + c, stride, count, sums + 4u * c);
    }
}
#endif
