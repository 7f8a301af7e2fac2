/* Opens a file of weights and every damaged form of it. Under the sanitizers, so a clean end means that nothing was
 * read or computed that must not be. Prints how many damaged forms with a right checksum were accepted and refused. */
#include "net.h"

#include "../native/crc32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *original;
static size_t size;
static uint64_t arena[NET_ARENA_BYTES / 8];

static void need(int condition, const char *what, size_t at)
{
    if (!condition) {
        fprintf(stderr, "%s at %zu\n", what, at);
        exit(1);
    }
}

/* Texts that go through every row count and both segments. */
static void run(const net_weights *weights)
{
    static const uint32_t counts[] = {1, 2, 4, 5, NET_MAX_LENGTH};
    uint16_t ids[NET_MAX_LENGTH];
    int32_t logits[NET_CLASSES];
    uint32_t i, j;

    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (j = 0; j < counts[i]; j++) {
            ids[j] = (uint16_t)((j * 5u + i) % NET_VOCAB_SIZE);
        }
        need(net_run_ids(weights, arena, sizeof arena, ids, counts[i], logits) == EMBBERT_OK, "does not run", i);
    }
}

static void truncations(void)
{
    size_t length;

    for (length = 0; length < size; length++) {
        uint8_t *part = malloc(length > 0 ? length : 1u);
        net_weights weights = {original};
        memcpy(part, original, length);
        need(net_open(part, length, &weights) == EMBBERT_WEIGHTS_TRUNCATED, "a truncation is accepted", length);
        need(weights.blob == NULL, "closed weights are open", length);
        free(part);
    }
}

static void flips(void)
{
    static const uint8_t masks[] = {1, 2, 4, 8, 16, 32, 64, 128, 255, 127};
    uint8_t *copy = malloc(size);
    uint32_t accepted = 0, refused = 0, crc;
    size_t at, i;

    for (at = 0; at < size; at++) {
        for (i = 0; i < sizeof masks; i++) {
            net_weights weights;
            embbert_status status;
            memcpy(copy, original, size);
            copy[at] ^= masks[i];
            need(net_open(copy, size, &weights) != EMBBERT_OK, "a flip is accepted", at);
            if (at + 4u >= size) {
                continue;
            }
            crc = crc32(copy, size - 4u);
            memcpy(copy + size - 4u, &crc, 4u);
            status = net_open(copy, size, &weights);
            if (at < 48u) {
                need(status != EMBBERT_OK && status != EMBBERT_WEIGHTS_DAMAGED, "a forged header is accepted", at);
            }
            if (status == EMBBERT_OK) {
                run(&weights);
                accepted++;
            } else {
                refused++;
            }
        }
    }
    free(copy);
    printf("%u %u\n", accepted, refused);
}

static void states(void)
{
    net_weights weights = {NULL};
    uint8_t *larger = malloc(size + 24u);
    const uint16_t id = 2;
    int32_t logits[NET_CLASSES];

    memcpy(larger + 8, original, size);
    need(net_open(NULL, size, &weights) == EMBBERT_WEIGHTS_NULL, "nothing is opened", 0);
    need(net_open(larger + 4, size, &weights) == EMBBERT_WEIGHTS_MISALIGNED, "a bad address is accepted", 0);
    need(net_open(original, size, NULL) == EMBBERT_RESULT_NULL, "there is no place for the result", 0);
    need(net_run_ids(&weights, arena, sizeof arena, &id, 1, logits) == EMBBERT_WEIGHTS_NULL, "closed weights run", 0);
    need(net_run_ids(NULL, arena, sizeof arena, &id, 1, logits) == EMBBERT_WEIGHTS_NULL, "no weights run", 0);
    need(net_open(larger + 8, size + 16u, &weights) == EMBBERT_OK, "bytes after the end are refused", 0);
    run(&weights);
    free(larger);
}

int main(int argc, char **argv)
{
    net_weights weights;
    embbert_status status;
    FILE *file = fopen(argv[1], "rb");

    size = NET_BLOB_BYTES;
    original = malloc(size);
    need(file != NULL && fread(original, 1, size, file) == size && fgetc(file) == EOF, "not the stated size", 0);
    fclose(file);
    status = net_open(original, size, &weights);
    if (argc > 2) {
        printf("%s\n", embbert_status_text(status));
        if (status == EMBBERT_OK) {
            run(&weights);
        }
    } else {
        need(status == EMBBERT_OK, "not opened", 0);
        run(&weights);
        states();
        truncations();
        flips();
    }
    free(original);
    return 0;
}
