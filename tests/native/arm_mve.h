/* The Helium functions that the runtime uses, lane by lane in plain C: with them its Helium loops run on any host,
 * under sanitizers too. A switched-off lane is neither read nor written, and counts as 0. */
#ifndef TEST_ARM_MVE_H
#define TEST_ARM_MVE_H

#include <stdint.h>

typedef struct int8x16_t {
    int8_t lane[16];
} int8x16_t;

typedef struct int32x4_t {
    int32_t lane[4];
} int32x4_t;

typedef uint16_t mve_pred16_t; /* a bit per byte */

static inline mve_pred16_t vctp8q(uint32_t count)
{
    return (mve_pred16_t)(count >= 16u ? 0xffffu : (1u << count) - 1u);
}

static inline mve_pred16_t vctp32q(uint32_t count)
{
    return vctp8q(count >= 4u ? 16u : 4u * count);
}

static inline int8x16_t vldrbq_z_s8(const int8_t *from, mve_pred16_t lanes)
{
    int8x16_t value;
    for (int i = 0; i < 16; i++) {
        value.lane[i] = (lanes >> i & 1) != 0 ? from[i] : (int8_t)0;
    }
    return value;
}

static inline int8x16_t vldrbq_s8(const int8_t *from)
{
    return vldrbq_z_s8(from, 0xffffu);
}

static inline int32_t vmladavaq_s8(int32_t sum, int8x16_t a, int8x16_t b)
{
    for (int i = 0; i < 16; i++) {
        sum += a.lane[i] * b.lane[i];
    }
    return sum;
}

#define TEST_LOAD(name, type)                                                     \
    static inline int32x4_t name(const type *from, mve_pred16_t lanes)            \
    {                                                                             \
        int32x4_t value;                                                          \
        for (int i = 0; i < 4; i++) {                                             \
            value.lane[i] = (lanes >> (4 * i) & 1) != 0 ? from[i] : (int32_t)0;   \
        }                                                                         \
        return value;                                                             \
    }
TEST_LOAD(vldrbq_z_s32, int8_t)
TEST_LOAD(vldrhq_z_s32, int16_t)
TEST_LOAD(vldrwq_z_s32, int32_t)

static inline int32x4_t vldrbq_s32(const int8_t *from)
{
    return vldrbq_z_s32(from, 0xffffu);
}

static inline int32x4_t vldrwq_s32(const int32_t *from)
{
    return vldrwq_z_s32(from, 0xffffu);
}

#define TEST_STORE(name, type)                                                    \
    static inline void name(type *to, int32x4_t value, mve_pred16_t lanes)        \
    {                                                                             \
        for (int i = 0; i < 4; i++) {                                             \
            if ((lanes >> (4 * i) & 1) != 0) {                                    \
                to[i] = (type)value.lane[i];                                      \
            }                                                                     \
        }                                                                         \
    }
TEST_STORE(vstrbq_p_s32, int8_t)
TEST_STORE(vstrwq_p_s32, int32_t)

static inline void vstrwq_s32(int32_t *to, int32x4_t value)
{
    vstrwq_p_s32(to, value, 0xffffu);
}

static inline int32x4_t vdupq_n_s32(int32_t value)
{
    return (int32x4_t){{value, value, value, value}};
}

#define TEST_EACH(name, expression)                                               \
    static inline int32x4_t name(int32x4_t x, int32x4_t y)                        \
    {                                                                             \
        for (int i = 0; i < 4; i++) {                                             \
            const int32_t a = x.lane[i], b = y.lane[i];                           \
            x.lane[i] = (int32_t)(expression);                                    \
        }                                                                         \
        return x;                                                                 \
    }
TEST_EACH(vaddq_s32, a + b)
TEST_EACH(vmulq_s32, a * b)
TEST_EACH(vmulhq_s32, ((int64_t)a * b) >> 32)
TEST_EACH(vminq_s32, a < b ? a : b)
TEST_EACH(vmaxq_s32, a > b ? a : b)
TEST_EACH(shift_lanes, b >= 0 ? (int32_t)((uint32_t)a << b) : a >> -b)

static inline int32x4_t vaddq_n_s32(int32x4_t a, int32_t b)
{
    return vaddq_s32(a, vdupq_n_s32(b));
}

static inline int32x4_t vmulq_n_s32(int32x4_t a, int32_t b)
{
    return vmulq_s32(a, vdupq_n_s32(b));
}

static inline int32x4_t vmlaq_n_s32(int32x4_t sum, int32x4_t a, int32_t b)
{
    return vaddq_s32(sum, vmulq_n_s32(a, b));
}

static inline int32x4_t vshlq_r_s32(int32x4_t a, int32_t b)
{
    return shift_lanes(a, vdupq_n_s32(b));
}

#endif
