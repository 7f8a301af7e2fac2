/* The program around an exported model during verification: requests on standard input, records on standard output.
 *
 * Request: kind (1 byte: 't' text, 'p' pair, 'i' ids), then for every part its size in bytes (uint32) and the bytes.
 * Record: tag (1 byte) and its fields, all integers of this machine:
 *   'I' count ids...      token ids       'T' name length, name, first_row rows cols element_bytes, rows   one operator
 *   'L' count logits...   logits          'S' bytes   stack of the call       'R' value   class or regression value
 *   'E' status            end of the request
 * HARNESS_PREFIX and HARNESS_UPPER are the export's prefix; HARNESS_PAIR and HARNESS_REGRESS say which functions it has. */
#ifdef HARNESS_STACK
#define _XOPEN_SOURCE 700
#include <ucontext.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(rest) PASTE(HARNESS_PREFIX, rest)
#define CONSTANT(rest) PASTE(HARNESS_UPPER, rest)
#ifdef HARNESS_REGRESS
#define ANSWER NAME(_predict)
typedef int32_t answer;
#else
#define ANSWER NAME(_classify)
typedef uint32_t answer;
#endif

static uint8_t *parts[2];
static uint32_t sizes[2];
static char kind;
static void *arena;
static answer result;
static int32_t logits[CONSTANT(_CLASSES)];
static embbert_status status;

static void put(const void *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, stdout) != bytes) {
        exit(3);
    }
}

static void put_number(uint32_t value)
{
    put(&value, sizeof value);
}

static int get(void *data, size_t bytes)
{
    return fread(data, 1, bytes, stdin) == bytes;
}

void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t element_bytes,
                   uint32_t first_row);

void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t element_bytes,
                   uint32_t first_row)
{
    const uint32_t head[4] = {first_row, rows, cols, element_bytes};

    put("T", 1);
    put_number((uint32_t)strlen(name));
    put(name, strlen(name));
    put(head, sizeof head);
    put(data, (size_t)rows * cols * element_bytes);
}

static void answer_request(void)
{
    if (kind == 'i') {
        status = NAME(_run_ids)(arena, CONSTANT(_ARENA_BYTES), (const uint16_t *)(void *)parts[0], sizes[0] / 2, logits);
    }
#ifdef HARNESS_PAIR
    else if (kind == 'p') {
        status = PASTE(ANSWER, _pair)(arena, CONSTANT(_ARENA_BYTES), (const char *)parts[0], sizes[0],
                                      (const char *)parts[1], sizes[1], &result);
    }
#elif !defined(HARNESS_IDS_ONLY)
    else if (kind == 't') {
        status = ANSWER(arena, CONSTANT(_ARENA_BYTES), (const char *)parts[0], sizes[0], &result);
    }
#endif
    else {
        exit(4);
    }
}

#ifdef HARNESS_STACK
/* The call runs on a stack of its own, painted before; what is no longer paint afterwards was used. */
static ucontext_t caller, callee;
static uint8_t stack[1 << 16];

static uint32_t measured_answer(void (*function)(void))
{
    size_t unused = 0;

    memset(stack, 0xC5, sizeof stack);
    if (getcontext(&callee) != 0) {
        exit(5);
    }
    callee.uc_stack.ss_sp = stack;
    callee.uc_stack.ss_size = sizeof stack;
    callee.uc_link = &caller;
    makecontext(&callee, function, 0);
    if (swapcontext(&caller, &callee) != 0) {
        exit(5);
    }
    while (unused < sizeof stack && stack[unused] == 0xC5) {
        unused++;
    }
    return (uint32_t)(sizeof stack - unused);
}

static void nothing(void)
{
}
#endif

static void put_ids(void)
{
#ifndef HARNESS_IDS_ONLY
    static uint16_t ids[CONSTANT(_MAX_LENGTH)];
    uint32_t count = 0;

    if (kind == 'i') {
        return;
    }
#ifdef HARNESS_PAIR
    if (NAME(_encode_pair)((const char *)parts[0], sizes[0], (const char *)parts[1], sizes[1], ids, &count) != EMBBERT_OK) {
        return;
    }
#else
    if (NAME(_encode)((const char *)parts[0], sizes[0], ids, &count) != EMBBERT_OK) {
        return;
    }
#endif
    put("I", 1);
    put_number(count);
    put(ids, count * sizeof ids[0]);
#endif
}

static int read_request(void)
{
    int i, wanted;

    if (!get(&kind, 1)) {
        return 0;
    }
    wanted = kind == 'p' ? 2 : 1;
    for (i = 0; i < wanted; i++) {
        if (!get(&sizes[i], sizeof sizes[i])) {
            exit(4);
        }
        free(parts[i]);
        /* Exactly as large as the text, so that the address sanitizer sees a read beyond its end. */
        parts[i] = malloc(sizes[i] > 0 ? sizes[i] : 1u);
        if (parts[i] == NULL || !get(parts[i], sizes[i])) {
            exit(4);
        }
    }
    return 1;
}

int main(void)
{
    arena = malloc(CONSTANT(_ARENA_BYTES));
    if (arena == NULL) {
        return 2;
    }
    while (read_request()) {
        /* Results must not depend on what the arena held before. */
        memset(arena, 0xA5, CONSTANT(_ARENA_BYTES));
        put_ids();
#ifdef HARNESS_STACK
        {
            uint32_t idle, used;

            answer_request(); /* a dynamic linker looks up memset and the like during their first call */
            idle = measured_answer(nothing);
            used = measured_answer(answer_request);
            put("S", 1);
            put_number(used > idle ? used - idle : 0u);
        }
#else
        answer_request();
#endif
        if (status == EMBBERT_OK) {
            put("L", 1);
            put_number(CONSTANT(_CLASSES));
            put(NAME(_logits)(arena), sizeof logits);
            put("R", 1);
            put_number(kind == 'i' ? 0u : (uint32_t)result);
        }
        put("E", 1);
        put_number((uint32_t)status);
        fflush(stdout);
    }
    free(parts[0]);
    free(parts[1]);
    free(arena);
    return 0;
}
