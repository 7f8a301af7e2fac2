/* libFuzzer: any bytes as one text, and cut in two as a pair. The first byte chooses max_length, the second where
 * the text is cut. Buffers have their exact sizes on the heap, so that the sanitizers see one byte too far. */
#include "embbert_ngrams.h"

#include <stdlib.h>
#include <string.h>

extern const embbert_ngrams fuzzed_tokenizer;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition) {
        abort();
    }
}

static char *copy(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0u ? size : 1u);
    need(text != NULL);
    memcpy(text, data, size);
    return text;
}

static uint16_t *places(uint32_t count)
{
    uint16_t *ids = malloc(count > 0u ? count * sizeof *ids : 1u);
    need(ids != NULL);
    return ids;
}

static void one_text(const char *text, size_t bytes, uint32_t max_length)
{
    uint16_t *ids = places(max_length), *fewer = places(max_length / 2u);
    const uint32_t count = embbert_encode_ngrams(&fuzzed_tokenizer, text, bytes, ids, max_length);
    const uint32_t some = embbert_encode_ngrams(&fuzzed_tokenizer, text, bytes, fewer, max_length / 2u);
    uint32_t i;

    need(count <= max_length);
    for (i = 0; i < count; i++) {
        need(ids[i] < VOCAB_SIZE);
    }
    /* a smaller max_length cuts and changes nothing else */
    need(some == (count < max_length / 2u ? count : max_length / 2u));
    need(memcmp(ids, fewer, some * sizeof *ids) == 0);
    free(fewer);
    free(ids);
}

static void two_texts(const char *a, size_t a_bytes, const char *b, size_t b_bytes, uint32_t max_length)
{
    uint16_t *ids = places(max_length), *first = places(max_length);
    const uint32_t count = embbert_encode_ngrams_pair(&fuzzed_tokenizer, a, a_bytes, b, b_bytes, ids, max_length);
    const uint32_t own = embbert_encode_ngrams(&fuzzed_tokenizer, a, a_bytes, first, max_length);
    uint32_t i;

    need(count <= max_length);
    for (i = 0; i < count; i++) {
        need(ids[i] < VOCAB_SIZE);
    }
    i = own < max_length / 2u ? own : max_length / 2u;
    need(count >= i && memcmp(ids, first, i * sizeof *ids) == 0);
    free(first);
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
