/* The program around an exported model during verification: requests in, records out. The same on a host, where they
 * pass through pipes, and on a bare core, where they pass through files of the emulator.
 *
 * Request: kind (1 byte: 't' text, 'p' pair, 'i' ids), then for every part its size in bytes (uint32) and the bytes.
 * Record: tag (1 byte) and its fields, all integers of this machine:
 *   'I' count ids...      token ids       'T' name length, name, first_row rows cols element_bytes, rows   one operator
 *   'L' count logits...   logits          'S' bytes   stack of the call       'R' value   class or regression value
 *   'C' ticks ticks       of encoding the text, of the whole call             'K' name length, name, ticks  one operator
 *   'A' flag flag         an arena one byte too small was refused, the bytes around the arena are untouched
 *   'N' count names...    of the numbers 0 .. CLASSES, once, if classes have names: length and name, or UINT32_MAX
 *   'H' bytes bytes tokens ids bytes   what the header says of arena, stack, length, vocabulary, file of weights, once
 *   'F' status            of the boot self-test, once                         'O' ticks   of checking the weights, once
 *   'E' status            end of the request
 * HARNESS_PREFIX and HARNESS_UPPER are the export's prefix; HARNESS_PAIR, HARNESS_REGRESS, HARNESS_LABELS,
 * HARNESS_SELF_TEST and HARNESS_IDS_ONLY say which functions it has, HARNESS_NGRAMS that n-grams follow the tokens;
 * HARNESS_BLOB is the path of its weights if they are a file. HARNESS_STACK, HARNESS_COUNT and HARNESS_CHECKS ask for
 * 'S', for 'C' and 'O' (and in a traced build 'K' in place of 'T'), and for 'A', 'N', 'H' and 'F', which a traced build
 * cannot have: their calls would report rows too. */
#include "harness.h"

#ifdef HARNESS_REGRESS
#define ANSWER NAME(_predict)
typedef int32_t answer;
#else
#define ANSWER NAME(_classify)
typedef uint32_t answer;
#endif

#ifdef HARNESS_NGRAMS
#define MOST_IDS CONSTANT(_MAX_IDS)
#else
#define MOST_IDS CONSTANT(_MAX_LENGTH)
#endif

#ifdef HARNESS_BLOB
/* The file of weights, as memory-mapped flash would hold it. */
#ifdef __wasm__
#define RODATA ".rodata.harness_blob, \"\", @"
#define BLOB_END " .size harness_blob, . - harness_blob\n"
#else
#define RODATA ".rodata"
#define BLOB_END " .text\n"
#endif
__asm__(".section " RODATA "\n .balign 8\nharness_blob:\n .incbin \"" HARNESS_BLOB "\"\n" BLOB_END);
extern const uint8_t harness_blob[];
static NAME(_weights) weights;
#define WEIGHTS &weights,
#else
#define WEIGHTS
#endif

static uint8_t *parts[2];
static uint32_t sizes[2];
static char kind;
static void *arena;
static answer result;
static int32_t logits[CONSTANT(_CLASSES)];
static embbert_status status;

static void put_number(uint32_t value)
{
    harness_put(&value, sizeof value);
}

#ifdef HARNESS_COUNT
static uint32_t reading; /* ticks that it takes to read the counter */
static uint32_t encode_ticks, call_ticks;

static uint32_t ticks_since(uint32_t start)
{
    return harness_ticks() - start - reading;
}
#endif

#if defined(HARNESS_CHECKS) && defined(HARNESS_LABELS)
#define PUT_LABELS
#endif

#if defined(EMBBERT_TRACE) || defined(PUT_LABELS)
static void put_name(const char *name)
{
    uint32_t length = 0;

    while (name[length] != '\0') {
        length++;
    }
    put_number(length);
    harness_put(name, length);
}
#endif

#ifdef EMBBERT_TRACE
void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t element_bytes,
                   uint32_t first_row);

#ifdef HARNESS_COUNT
#define OPERATORS 256

static struct {
    const char *name;
    uint32_t ticks;
} operators[OPERATORS];
static uint32_t previous;

/* What passed since the last operator reported is this one's. */
void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t element_bytes,
                   uint32_t first_row)
{
    const uint32_t ticks = ticks_since(previous);
    uint32_t i = 0;

    (void)data;
    (void)rows;
    (void)cols;
    (void)element_bytes;
    (void)first_row;
    while (i < OPERATORS && operators[i].name != NULL && operators[i].name != name) {
        i++;
    }
    if (i == OPERATORS) {
        harness_stop(HARNESS_TOO_LARGE);
    }
    operators[i].name = name;
    operators[i].ticks += ticks;
    previous = harness_ticks();
}

static void put_operators(void)
{
    uint32_t i;

    for (i = 0; i < OPERATORS && operators[i].name != NULL; i++) {
        harness_put("K", 1);
        put_name(operators[i].name);
        put_number(operators[i].ticks);
        operators[i].ticks = 0;
    }
}
#else
void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t element_bytes,
                   uint32_t first_row)
{
    const uint32_t head[4] = {first_row, rows, cols, element_bytes};

    harness_put("T", 1);
    put_name(name);
    harness_put(head, sizeof head);
    harness_put(data, (size_t)rows * cols * element_bytes);
}
#endif
#endif

static embbert_status call(size_t arena_bytes)
{
    if (kind == 'i') {
        return NAME(_run_ids)(WEIGHTS arena, arena_bytes, (const uint16_t *)(void *)parts[0], sizes[0] / 2, logits);
    }
#ifdef HARNESS_PAIR
    if (kind == 'p') {
        return PASTE(ANSWER, _pair)(WEIGHTS arena, arena_bytes, (const char *)parts[0], sizes[0], (const char *)parts[1],
                                    sizes[1], &result);
    }
#elif !defined(HARNESS_IDS_ONLY)
    if (kind == 't') {
        return ANSWER(WEIGHTS arena, arena_bytes, (const char *)parts[0], sizes[0], &result);
    }
#endif
    harness_stop(HARNESS_BAD_REQUEST);
    return EMBBERT_OK;
}

static void answer_request(void)
{
#ifdef HARNESS_COUNT
    const uint32_t start = harness_ticks();
#ifdef EMBBERT_TRACE
    previous = start;
#endif
#endif
    status = call(CONSTANT(_ARENA_BYTES));
#ifdef HARNESS_COUNT
    call_ticks = ticks_since(start);
#endif
}

#ifndef HARNESS_IDS_ONLY
static embbert_status encode(uint16_t *ids, uint32_t *count)
{
#ifdef HARNESS_PAIR
    return NAME(_encode_pair)((const char *)parts[0], sizes[0], (const char *)parts[1], sizes[1], ids, count);
#else
    return NAME(_encode)((const char *)parts[0], sizes[0], ids, count);
#endif
}
#endif

static void put_ids(void)
{
#ifndef HARNESS_IDS_ONLY
    static uint16_t ids[MOST_IDS];
    uint32_t count = 0;
    embbert_status done;
#ifdef HARNESS_COUNT
    uint32_t start;

    encode_ticks = 0;
#endif
    if (kind == 'i') {
        return;
    }
#ifdef HARNESS_COUNT
    start = harness_ticks();
#endif
    done = encode(ids, &count);
#ifdef HARNESS_COUNT
    encode_ticks = ticks_since(start);
#endif
    if (done == EMBBERT_OK) {
        harness_put("I", 1);
        put_number(count);
        harness_put(ids, count * sizeof ids[0]);
    }
#endif
}

static int read_request(void)
{
    int i, wanted;

    if (!harness_get(&kind, 1)) {
        return 0;
    }
    wanted = kind == 'p' ? 2 : 1;
    for (i = 0; i < wanted; i++) {
        if (!harness_get(&sizes[i], sizeof sizes[i])) {
            harness_stop(HARNESS_BAD_REQUEST);
        }
        parts[i] = harness_part(i, sizes[i]);
        if (sizes[i] > 0 && !harness_get(parts[i], sizes[i])) {
            harness_stop(HARNESS_BAD_REQUEST);
        }
    }
    return 1;
}

static void clear_arena(void)
{
    volatile uint8_t *bytes = (volatile uint8_t *)arena;
    uint32_t i;

    /* Results must not depend on what the arena held before. */
    for (i = 0; i < CONSTANT(_ARENA_BYTES); i++) {
        bytes[i] = 0xA5;
    }
}

#ifdef HARNESS_STACK
static void nothing(void)
{
}

static void put_stack(void)
{
    const uint32_t idle = harness_stack(nothing);
    const uint32_t used = harness_stack(answer_request);

    harness_put("S", 1);
    put_number(used > idle ? used - idle : 0u);
}
#endif

static void put_checks(void)
{
#ifdef HARNESS_CHECKS
    harness_put("A", 1);
    put_number(call(CONSTANT(_ARENA_BYTES) - 1u) == EMBBERT_ARENA_TOO_SMALL ? 1u : 0u);
    put_number(harness_guarded() ? 1u : 0u);
#endif
}

static void put_labels(void)
{
#ifdef PUT_LABELS
    uint32_t i;

    harness_put("N", 1);
    put_number(CONSTANT(_CLASSES) + 1u);
    for (i = 0; i <= CONSTANT(_CLASSES); i++) {
        const char *name = NAME(_label)(i);

        if (name == NULL) {
            put_number(UINT32_MAX);
        } else {
            put_name(name);
        }
    }
#endif
}

static void put_header(void)
{
#ifdef HARNESS_CHECKS
    harness_put("H", 1);
    put_number(CONSTANT(_ARENA_BYTES));
    put_number(CONSTANT(_STACK_BYTES));
    put_number(CONSTANT(_MAX_LENGTH));
    put_number(CONSTANT(_VOCAB_SIZE));
#ifdef HARNESS_BLOB
    put_number(CONSTANT(_BLOB_BYTES));
#else
    put_number(0u);
#endif
#endif
}

static void put_self_test(void)
{
#if defined(HARNESS_CHECKS) && defined(HARNESS_SELF_TEST)
    harness_put("F", 1);
    put_number((uint32_t)NAME(_self_test)(WEIGHTS arena, CONSTANT(_ARENA_BYTES)));
#endif
}

static void open_weights(void)
{
#ifdef HARNESS_BLOB
#ifdef HARNESS_COUNT
    const uint32_t start = harness_ticks();
#endif

    if (NAME(_open)(harness_blob, CONSTANT(_BLOB_BYTES), &weights) != EMBBERT_OK) {
        harness_stop(HARNESS_BAD_WEIGHTS);
    }
#ifdef HARNESS_COUNT
    harness_put("O", 1);
    put_number(ticks_since(start));
#endif
#endif
}

void harness_run(void *memory)
{
    arena = memory;
#ifdef HARNESS_COUNT
    reading = harness_ticks();
    reading = harness_ticks() - reading;
#endif
    open_weights();
    put_labels();
    put_header();
    put_self_test();
    while (read_request()) {
        clear_arena();
        put_ids();
#ifdef HARNESS_STACK
        put_stack();
#else
        answer_request();
#endif
        if (status == EMBBERT_OK) {
            harness_put("L", 1);
            put_number(CONSTANT(_CLASSES));
            harness_put(kind == 'i' ? logits : NAME(_logits)(arena), sizeof logits);
            harness_put("R", 1);
            put_number(kind == 'i' ? 0u : (uint32_t)result);
        }
#ifdef HARNESS_COUNT
        harness_put("C", 1);
        put_number(encode_ticks);
        put_number(call_ticks);
#ifdef EMBBERT_TRACE
        put_operators();
#endif
#endif
        put_checks();
        harness_put("E", 1);
        put_number((uint32_t)status);
        harness_flush();
    }
}
