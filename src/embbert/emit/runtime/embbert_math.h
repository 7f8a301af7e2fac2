/* embbert_math.h - the arithmetic of the number format: one rounding rule, saturation, integer roots.
 * Internal to the runtime. */
#ifndef EMBBERT_MATH_H
#define EMBBERT_MATH_H

#include <stdint.h>

#include "embbert_kernels.h"

/* What the arithmetic below relies on and ISO C leaves to the implementation; an array of -1 elements does
 * not compile. */
typedef char embbert_assume_8_bit_bytes[(unsigned char)-1 == 255 ? 1 : -1];
typedef char embbert_assume_32_bit_int[sizeof(int) >= 4 ? 1 : -1];
typedef char embbert_assume_twos_complement[(-1 & 3) == 3 ? 1 : -1];
typedef char embbert_assume_arithmetic_shift[((int64_t)-5 >> 1) == -3 && (-5 >> 1) == -3 ? 1 : -1];
typedef char embbert_assume_wrapping[(int16_t)65535u == -1 && (int8_t)255u == -1 ? 1 : -1];

/* Rows that go through an operator together, so that each weight is loaded once for all of them. */
#define EMBBERT_ROWS 4u

/* value / 2^shift, halves up; 1 <= shift <= 62 */
static inline int64_t embbert_round_shift(int64_t value, uint32_t shift)
{
    return (value + ((int64_t)1 << (shift - 1u))) >> shift;
}

static inline int64_t embbert_requantize(int32_t accumulator, int32_t multiplier, uint32_t shift)
{
    return embbert_round_shift((int64_t)accumulator * multiplier, shift);
}

/* From this shift on the upper half of the 64-bit product is all that the rounded quotient depends on: what the
 * lower half holds is less than one unit of the upper, and 2^(shift-1) is a whole number of them. */
#define EMBBERT_HIGH 33u

/* embbert_requantize for a shift >= EMBBERT_HIGH; the result fits 31 bits. `half` is embbert_half(shift). */
static inline int32_t embbert_high(int32_t accumulator, int32_t multiplier, int32_t half, uint32_t shift)
{
    return ((int32_t)(((int64_t)accumulator * multiplier) >> 32) + half) >> (shift - 32u);
}

static inline int32_t embbert_half(uint32_t shift)
{
    return (int32_t)1 << (shift - 33u);
}

static inline int8_t embbert_clamp8(int64_t value)
{
    return (int8_t)(value > 127 ? 127 : value < -127 ? -127 : value);
}

static inline int16_t embbert_clamp16(int64_t value)
{
    return (int16_t)(value > 32767 ? 32767 : value < -32767 ? -32767 : value);
}

static inline int32_t embbert_clamp32(int64_t value)
{
    return (int32_t)(value > INT32_MAX ? INT32_MAX : value < -INT32_MAX ? -INT32_MAX : value);
}

/* The accumulator whose bits are `bits`: sums are taken modulo 2^32 and are known to fit at the end. */
static inline int32_t embbert_from_bits(uint32_t bits)
{
    const uint32_t above = bits - 0x80000000u;

    return bits <= (uint32_t)INT32_MAX ? (int32_t)bits : (int32_t)above + INT32_MIN;
}

/* The same for values that fit 32 bits. Where values go through registers one by one, a single comparison passes
 * those that are in range; vectors have minimum and maximum. */
static inline int8_t embbert_narrow8(int32_t value)
{
#if EMBBERT_KERNELS == EMBBERT_SCALAR || EMBBERT_KERNELS == EMBBERT_DSP
    return (int8_t)((uint32_t)value + 127u <= 254u ? value : value < 0 ? -127 : 127);
#else
    return (int8_t)(value > 127 ? 127 : value < -127 ? -127 : value);
#endif
}

static inline int16_t embbert_narrow16(int32_t value)
{
#if EMBBERT_KERNELS == EMBBERT_SCALAR || EMBBERT_KERNELS == EMBBERT_DSP
    return (int16_t)((uint32_t)value + 32767u <= 65534u ? value : value < 0 ? -32767 : 32767);
#else
    return (int16_t)(value > 32767 ? 32767 : value < -32767 ? -32767 : value);
#endif
}

/* floor of the square root */
static inline uint32_t embbert_isqrt(uint32_t value)
{
    uint32_t root = 0, bit = (uint32_t)1 << 30;

    while (bit > value) {
        bit >>= 2;
    }
    for (; bit != 0u; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* Bits up to and including the highest one of a number > 0. */
static inline uint32_t embbert_bit_length(uint64_t value)
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

/* 2^31 / root of `sum` > 0, in units that bring it to 15 or 16 bits; `shift`, of a product with it, makes up for
 * them. */
static inline int32_t embbert_inverse_root(uint64_t sum, uint32_t *shift)
{
    const uint32_t bits = embbert_bit_length(sum);
    uint32_t even, leading;

    /* An even shift brings the sum into 2^30 .. 2^32 - 1; half of it is undone after the root. */
    if (bits >= 31u) {
        even = (bits - 31u) & ~1u;
        leading = (uint32_t)(sum >> even);
        *shift += even / 2u;
    } else {
        even = (32u - bits) & ~1u;
        leading = (uint32_t)(sum << even);
        *shift -= even / 2u;
    }
    return INT32_MAX / (int32_t)embbert_isqrt(leading);
}

static inline uint32_t embbert_smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#endif
