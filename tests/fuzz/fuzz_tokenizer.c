/* libFuzzer: any bytes as one text, and cut in two as a pair. The first byte chooses max_length, the second where
 * the text is cut. Buffers have their exact sizes on the heap, so that the sanitizers see one byte too far. */
#include "embbert_tokenizer.h"

#include <stdlib.h>
#include <string.h>

extern const embbert_tokenizer fuzzed_tokenizer;

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

static void check_ids(const uint16_t *ids, uint32_t from, uint32_t to)
{
    for (; from < to; from++) {
        need(ids[from] == EMBBERT_UNK || (ids[from] > EMBBERT_SEP && ids[from] < VOCAB_SIZE));
    }
}

static void one_text(const char *text, size_t bytes, uint32_t max_length)
{
    uint16_t *ids = malloc((max_length + 1u) * sizeof *ids), *fewer = malloc((max_length + 1u) * sizeof *fewer);
    const uint32_t count = embbert_encode(&fuzzed_tokenizer, text, bytes, ids, max_length);

    need(max_length == 0u ? count == 0u : count >= 1u && count <= max_length && ids[0] == EMBBERT_CLS);
    need(count <= bytes * 4u + 1u);
    check_ids(ids, 1, count);
    if (max_length > 0u) { /* a smaller max_length cuts and changes nothing else */
        const uint32_t some = embbert_encode(&fuzzed_tokenizer, text, bytes, fewer, max_length / 2u + 1u);
        need(some == (count < max_length / 2u + 1u ? count : max_length / 2u + 1u));
        need(memcmp(ids, fewer, some * sizeof *ids) == 0);
    }
    free(fewer);
    free(ids);
}

static void two_texts(const char *a, size_t a_bytes, const char *b, size_t b_bytes, uint32_t max_length)
{
    uint16_t *ids = malloc((max_length + 1u) * sizeof *ids);
    const uint32_t count = embbert_encode_pair(&fuzzed_tokenizer, a, a_bytes, b, b_bytes, ids, max_length);
    uint32_t i, separators = 0;

    need(max_length < 3u ? count == 0u : count >= 3u && count <= max_length);
    for (i = 0; i < count; i++) {
        separators += ids[i] == EMBBERT_SEP;
    }
    need(count == 0u || (separators == 2u && ids[count - 1u] == EMBBERT_SEP && ids[0] == EMBBERT_CLS));
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
