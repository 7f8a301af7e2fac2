/* Weights in a file of their own: is the file the right one, whole, and can nothing in it do harm? */
#include "embbert_blob.h"

#include "embbert_math.h"

#define VERSION_AT 8u
#define BYTES_AT 12u
#define FINGERPRINT_AT 16u
#define SMALLEST (FINGERPRINT_AT + EMBBERT_BLOB_FINGERPRINT + 4u)

#define LARGEST ((uint64_t)INT32_MAX)

/* CRC-32 as in Ethernet and zlib, four bits at a time: a table of 64 bytes. */
static uint32_t crc32(const uint8_t *data, size_t bytes)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    uint32_t crc = UINT32_MAX;
    size_t i;

    for (i = 0; i < bytes; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

static int same(const uint8_t *a, const uint8_t *b, uint32_t bytes)
{
    uint32_t i;

    for (i = 0; i < bytes; i++) {
        if (a[i] != b[i]) {
            return 0;
        }
    }
    return 1;
}

/* As this machine reads it in place: on a big-endian one the version is not the expected one. */
static uint32_t number(const uint8_t *place)
{
    return *(const uint32_t *)(const void *)place;
}

embbert_status embbert_blob_check(const void *blob, size_t bytes, size_t expected_bytes,
                                  const uint8_t fingerprint[EMBBERT_BLOB_FINGERPRINT])
{
    static const uint8_t magic[VERSION_AT] = {'e', 'm', 'b', 'b', 'e', 'r', 't', 'w'};
    const uint8_t *data = (const uint8_t *)blob;

    if (blob == NULL) {
        return EMBBERT_WEIGHTS_NULL;
    }
    if ((uintptr_t)blob % EMBBERT_BLOB_ALIGNMENT != 0u) {
        return EMBBERT_WEIGHTS_MISALIGNED;
    }
    if (bytes < SMALLEST) {
        return EMBBERT_WEIGHTS_TRUNCATED;
    }
    if (!same(data, magic, sizeof magic) || number(data + VERSION_AT) != EMBBERT_BLOB_VERSION) {
        return EMBBERT_WEIGHTS_UNKNOWN;
    }
    if (!same(data + FINGERPRINT_AT, fingerprint, EMBBERT_BLOB_FINGERPRINT) ||
        number(data + BYTES_AT) != expected_bytes) {
        return EMBBERT_WEIGHTS_FOREIGN;
    }
    if (bytes < expected_bytes) {
        return EMBBERT_WEIGHTS_TRUNCATED;
    }
    return crc32(data, expected_bytes - 4u) == number(data + expected_bytes - 4u) ? EMBBERT_OK
                                                                                  : EMBBERT_WEIGHTS_DAMAGED;
}

/* A lift brings a shift to where kernels take the upper half of a product; sums up to `reach` must survive it, and
 * so must the power of two itself, which is all that is left where every sum is 0. */
static int lift_in_range(uint32_t shift, uint32_t lift, uint64_t reach)
{
    return lift == 0u || (lift < 31u && shift + lift == EMBBERT_HIGH && reach << lift <= LARGEST);
}

static uint32_t magnitude(int32_t value)
{
    return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

/* The largest magnitude of a bias with `count` products, whose weights lie `step` apart, or more than LARGEST. */
static uint64_t reach_of(const int8_t *weight, size_t step, uint32_t count, uint32_t input_limit, int32_t bias)
{
    uint32_t i, sum = 0;

    for (i = 0; i < count; i++) {
        sum += magnitude(weight[i * step]);
    }
    return (uint64_t)sum * input_limit + magnitude(bias);
}

int embbert_linear_sound(const embbert_linear *op)
{
    const uint32_t limit = op->source == EMBBERT_INT8 ? 127u : 32767u;
    uint64_t worst = 0;
    uint32_t o;

    for (o = 0; o < op->outputs; o++) {
        const uint64_t reach = reach_of(op->weight + (size_t)o * op->inputs, 1u, op->inputs, limit, op->bias[o]);
        worst = reach > worst ? reach : worst;
    }
    return worst <= LARGEST && embbert_in_range8(op->weight, (size_t)op->outputs * op->inputs) &&
           embbert_in_range32(op->multiplier, op->outputs) && embbert_shift_in_range(op->shift) &&
           lift_in_range(op->shift, op->lift, worst);
}

int embbert_conv_sound(const embbert_conv *op)
{
    const uint32_t channels = (uint32_t)op->cols * op->expansion;
    uint64_t worst = 0;
    uint32_t c;

    for (c = 0; c < channels; c++) {
        const uint64_t reach = reach_of(op->weight + c, channels, op->taps, 127u, op->bias[c]);
        worst = reach > worst ? reach : worst;
    }
    return worst <= LARGEST && embbert_in_range8(op->weight, (size_t)op->taps * channels) &&
           embbert_in_range32(op->multiplier, channels) && embbert_in_range8(op->table, 256u) &&
           embbert_shift_in_range(op->shift);
}

int embbert_embed_sound(const embbert_embed *op, uint32_t vocab_size, uint32_t max_length)
{
    const uint64_t worst = (uint64_t)op->rank * 127u * 127u; /* of any table and weight */
    const size_t weights = (size_t)op->rank * op->cols;

    return worst <= LARGEST && embbert_in_range8(op->token_table, (size_t)vocab_size * op->rank) &&
           embbert_in_range8(op->position_table, (size_t)max_length * op->rank) &&
           embbert_in_range8(op->token_weight, weights) && embbert_in_range8(op->position_weight, weights) &&
           embbert_in_range32(op->token_multiplier, op->cols) &&
           embbert_in_range32(op->position_multiplier, op->cols) &&
           embbert_in_range16(op->segment_table, (size_t)2u * op->cols) &&
           embbert_shift_in_range(op->token_shift) && embbert_shift_in_range(op->position_shift) &&
           lift_in_range(op->token_shift, op->token_lift, worst) &&
           lift_in_range(op->position_shift, op->position_lift, worst);
}

int embbert_norm_sound(const embbert_norm *op)
{
    const uint64_t squares = (uint64_t)op->cols * 32767u * 32767u;
    const int32_t shift = op->shift;

    return op->epsilon >= 1u && op->epsilon < (uint64_t)1 << 62 && embbert_in_range16(op->gain, op->cols) &&
           embbert_shift_in_range(shift + embbert_root_shift(op->epsilon)) &&
           embbert_shift_in_range(shift + embbert_root_shift(op->epsilon + squares));
}

int embbert_attend_sound(const embbert_attend *op)
{
    return op->exp_multiplier >= 0 && op->out_multiplier >= (int32_t)1 << 19 &&
           op->out_multiplier < (int32_t)1 << 20 && embbert_shift_in_range(op->exp_shift) &&
           embbert_shift_in_range(op->out_shift);
}
