/* Reads texts from a serial port, one per line, and answers each with its label.
 *
 * For Arm's MPS2 board with a Cortex-M4, which QEMU emulates as mps2-an386: no C library, no operating system, nothing
 * but the folder that `embbert export c` wrote. What belongs to the board are the two addresses of the serial port and
 * the vector table; the rest is what any firmware would do. */
#include "model.h"

#define UART ((volatile uint32_t *)0x40004000) /* data, state, control, interrupts, baud rate */
#define SEND_FULL 1u
#define RECEIVED 2u
#define END_OF_TEXT '\004' /* Ctrl-D */
#define LINE_BYTES 512

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_end[];

static uint64_t arena[MODEL_ARENA_BYTES / 8];

static void put(const char *text)
{
    for (; *text != '\0'; text++) {
        while (UART[1] & SEND_FULL) {
        }
        UART[0] = (uint8_t)*text;
    }
}

static char get(void)
{
    while (!(UART[1] & RECEIVED)) {
    }
    return (char)UART[0];
}

static void put_number(uint32_t value)
{
    char digits[11], *at = digits + 10;

    *at = '\0';
    do {
        *--at = (char)('0' + value % 10u);
        value /= 10u;
    } while (value > 0u);
    put(at);
}

static void put_answer(const char *text, size_t bytes)
{
    uint32_t class_index;
    const embbert_status status = model_classify(arena, sizeof arena, text, bytes, &class_index);

    put(status == EMBBERT_OK ? model_label(class_index) : embbert_status_text(status));
    put("\n");
}

/* Tells the emulator to end; a real board would never come here. */
static void stop(void)
{
    register uint32_t operation __asm__("r0") = 0x18; /* SYS_EXIT */
    register uint32_t reason __asm__("r1") = 0x20026;  /* ADP_Stopped_ApplicationExit */

    __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(reason) : "memory");
}

static void put_question(const char *line)
{
    put("> ");
    put(line);
    put("\n  ");
}

static void serve(void)
{
    static char line[LINE_BYTES];
    size_t bytes = 0; /* of the line, also of what is not kept */

    for (;;) {
        const char next = get();

        if (next == END_OF_TEXT) {
            return;
        }
        if (next == '\n' || next == '\r') {
            line[bytes < LINE_BYTES ? bytes : LINE_BYTES - 1u] = '\0';
            if (bytes >= LINE_BYTES) { /* cut off, it might mean something else */
                put_question(line);
                put("too long\n");
            } else if (bytes > 0u) {
                put_question(line);
                put_answer(line, bytes);
            }
            bytes = 0;
        } else {
            if (bytes < LINE_BYTES - 1u) {
                line[bytes] = next;
            }
            bytes += bytes < LINE_BYTES ? 1u : 0u;
        }
    }
}

void reset(void);
void fault(void);

void fault(void)
{
    for (;;) {
    }
}

void reset(void)
{
    uint32_t *to;
    const uint32_t *from = data_load;

    for (to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (to = bss_start; to < bss_end; to++) {
        *to = 0u;
    }
    UART[4] = 16u; /* clock divider */
    UART[2] = 3u;  /* send and receive */
    put("model: arena ");
    put_number(MODEL_ARENA_BYTES);
    put(" bytes, self-test ");
    put(embbert_status_text(model_self_test(arena, sizeof arena)));
    put("\n");
    serve();
    stop();
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const handler vectors[16] = {
    (handler)stack_end, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};
