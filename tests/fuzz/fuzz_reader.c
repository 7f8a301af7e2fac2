/* libFuzzer: any bytes as one text, and cut in two as a pair. The first byte chooses max_length, the second where
 * the text is cut. Buffers have their exact sizes on the heap. */
#include "fuzz.h"

#include "../native/reader.h"

extern const tokenizer fuzzed_tokenizer;

static uint16_t *places(uint32_t count)
{
    uint16_t *ids = malloc(count > 0u ? count * sizeof *ids : 1u);
    need(ids != NULL);
    return ids;
}

#ifdef NGRAMS
static void check_one(const uint16_t *ids, uint32_t count, size_t bytes, uint32_t max_length)
{
    uint32_t i;

    (void)bytes;
    need(count <= max_length);
    for (i = 0; i < count; i++) {
        need(ids[i] < VOCAB_SIZE);
    }
}

/* The numbers of the first text come first. */
static void check_two(const uint16_t *ids, uint32_t count, const char *a, size_t a_bytes, uint32_t max_length)
{
    uint16_t *first = places(max_length);
    uint32_t own = ENCODE(&fuzzed_tokenizer, a, a_bytes, first, max_length);

    check_one(ids, count, 0, max_length);
    own = own < max_length / 2u ? own : max_length / 2u;
    need(count >= own && memcmp(ids, first, own * sizeof *ids) == 0);
    free(first);
}
#else
static void check_one(const uint16_t *ids, uint32_t count, size_t bytes, uint32_t max_length)
{
    uint32_t i;

    need(max_length == 0u ? count == 0u : count >= 1u && count <= max_length && ids[0] == EMBBERT_CLS);
    need(count <= bytes * 4u + 1u);
    for (i = 1; i < count; i++) {
        need(ids[i] == EMBBERT_UNK || (ids[i] > EMBBERT_SEP && ids[i] < VOCAB_SIZE));
    }
}

static void check_two(const uint16_t *ids, uint32_t count, const char *a, size_t a_bytes, uint32_t max_length)
{
    uint32_t i, separators = 0;

    (void)a, (void)a_bytes;
    need(max_length < 3u ? count == 0u : count >= 3u && count <= max_length);
    for (i = 0; i < count; i++) {
        separators += ids[i] == EMBBERT_SEP;
    }
    need(count == 0u || (separators == 2u && ids[count - 1u] == EMBBERT_SEP && ids[0] == EMBBERT_CLS));
}
#endif

static void one_text(const char *text, size_t bytes, uint32_t max_length)
{
    const uint32_t half = (max_length + 1u) / 2u;
    uint16_t *ids = places(max_length), *fewer = places(half);
    const uint32_t count = ENCODE(&fuzzed_tokenizer, text, bytes, ids, max_length);
    const uint32_t some = ENCODE(&fuzzed_tokenizer, text, bytes, fewer, half);

    check_one(ids, count, bytes, max_length);
    /* a smaller max_length cuts and changes nothing else */
    need(some == (count < half ? count : half));
    need(memcmp(ids, fewer, some * sizeof *ids) == 0);
    free(fewer);
    free(ids);
}

static void two_texts(const char *a, size_t a_bytes, const char *b, size_t b_bytes, uint32_t max_length)
{
    uint16_t *ids = places(max_length);
    const uint32_t count = ENCODE_PAIR(&fuzzed_tokenizer, a, a_bytes, b, b_bytes, ids, max_length);

    check_two(ids, count, a, a_bytes, max_length);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t cut;
    char *first, *second;

    if (size < 2u) {
        return 0;
    }
    cut = data[1] < size - 2u ? data[1] : size - 2u;
    first = copy(data + 2, size - 2u);
    one_text(first, size - 2u, data[0]);
    free(first);
    first = copy(data + 2, cut);
    second = copy(data + 2 + cut, size - 2u - cut);
    two_texts(first, cut, second, size - 2u - cut, data[0]);
    free(second);
    free(first);
    return 0;
}
