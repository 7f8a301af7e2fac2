/* The harness on a bare core: start-up code, and a channel to the emulator through semihosting.
 *
 * Requests are read from the file `requests` beside the emulator, records written to `replies`. Nothing here interrupts
 * the program that is measured: instructions are counted by a timer that is only ever read. The macros come from
 * embbert.verify.device.cores: COUNTER_READ is the address to read, and COUNTER_TIMER, COUNTER_SYSTEM or COUNTER_MTIME
 * says what lies there; with COUNTER_FUEL the runtime of WebAssembly is asked instead.
 *
 * A module of WebAssembly needs no start-up code: the runtime places its data and its stack, and lends it semihosting. */
#include "harness.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define PAINT 0xC5C5C5C5u
#define CHANNEL_BYTES 8192u
#define PART_BYTES HARNESS_PART_BYTES
#define GUARDS 8
#define GUARD UINT64_C(0x5AA55AA55AA55AA5)

enum semihosting { SYS_OPEN = 1, SYS_WRITE0 = 4, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_READ = 1, OPEN_WRITE = 5, EXIT_REASON = 0x20026 };

#ifdef __wasm__
/* From the linker. */
#define stack_start __stack_low
extern uint32_t stack_start[];
#else
/* From the linker script. */
extern uint32_t harness_data_load[], harness_data_start[], harness_data_end[];
extern uint32_t data_load[], data_start[], data_end[];
extern uint32_t bss_start[], bss_end[];
extern uint32_t stack_start[], stack_end[];
#endif

void start(void);
void fault_at(uint32_t address);

#ifdef __wasm__
#define FROM_HOST(name) __attribute__((import_module("host"), import_name(name)))
FROM_HOST("semihosting") uintptr_t semihosting(uintptr_t operation, const void *arguments);
FROM_HOST("fuel") uint32_t fuel(void);
__asm__(".globaltype __stack_pointer, i32");
#elif defined(__riscv)
__asm__(
    ".section .vectors, \"ax\"\n"
    ".option arch, +zicsr\n"
    ".globl reset\n"
    "reset:\n"
    "    la sp, stack_end\n"
    "    la t0, fault\n"
    "    csrw mtvec, t0\n"
    "    j start\n"
    "    .balign 4\n"
    "fault:\n"
    "    csrr a0, mepc\n"
    "    j fault_at\n"
    ".text\n");

static uintptr_t semihosting(uintptr_t operation, const void *arguments)
{
    register uintptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;

    __asm__ volatile(
        ".balign 16\n .option push\n .option norvc\n"
        "slli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n .option pop\n"
        : "+r"(a0)
        : "r"(a1)
        : "memory");
    return a0;
}
#else
/* The first instructions allow the floating-point and vector unit: compilers vectorise even the loops of `start`. */
__asm__(
    ".syntax unified\n"
    ".section .vectors, \"a\", %progbits\n"
    "    .word stack_end\n"
    "    .word reset\n"
    "    .rept 14\n"
    "    .word fault\n"
    "    .endr\n"
    ".text\n"
    ".thumb\n"
    ".balign 4\n"
    ".globl reset\n"
    ".thumb_func\n"
    ".type reset, %function\n"
    "reset:\n"
    "    ldr r0, =0xE000ED88\n"
    "    ldr r1, [r0]\n"
    "    orr r1, r1, #0x00F00000\n"
    "    str r1, [r0]\n"
    "    dsb\n"
    "    isb\n"
    "    ldr r0, =stack_end\n"
    "    mov sp, r0\n"
    "    b start\n"
    ".thumb_func\n"
    ".type fault, %function\n"
    "fault:\n"
    "    ldr r0, [sp, #24]\n"
    "    ldr r1, =stack_end\n"
    "    mov sp, r1\n"
    "    b fault_at\n"
    "    .ltorg\n");

static uintptr_t semihosting(uintptr_t operation, const void *arguments)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
#endif

static uint8_t received[CHANNEL_BYTES], sent[CHANNEL_BYTES];
static size_t received_bytes, received_at, sent_bytes;
static uintptr_t requests, replies;
static uint32_t parts[2][PART_BYTES / 4];
static struct {
    uint64_t before[GUARDS];
    uint64_t arena[CONSTANT(_ARENA_BYTES) / 8];
    uint64_t after[GUARDS];
} memory;

void harness_stop(int code)
{
    const uintptr_t arguments[2] = {EXIT_REASON, (uintptr_t)code};

    (void)semihosting(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

void fault_at(uint32_t address)
{
    static const char digits[] = "0123456789abcdef";
    char text[] = "fault at 0x00000000\n";
    uint32_t i;

    for (i = 0; i < 8; i++) {
        text[18 - i] = digits[address >> (4 * i) & 15u];
    }
    (void)semihosting(SYS_WRITE0, text);
    harness_stop(HARNESS_FAULT);
}

static uintptr_t open_file(const char *name, uintptr_t length, uintptr_t mode)
{
    uintptr_t arguments[3];

    arguments[0] = (uintptr_t)name;
    arguments[1] = mode;
    arguments[2] = length;
    return semihosting(SYS_OPEN, arguments);
}

/* Bytes that were not read or written. */
static uintptr_t transfer(uintptr_t operation, uintptr_t file, void *data, size_t bytes)
{
    uintptr_t arguments[3];

    arguments[0] = file;
    arguments[1] = (uintptr_t)data;
    arguments[2] = bytes;
    return semihosting(operation, arguments);
}

int harness_get(void *data, size_t bytes)
{
    uint8_t *target = (uint8_t *)data;
    size_t i;

    for (i = 0; i < bytes; i++) {
        if (received_at == received_bytes) {
            received_at = 0;
            received_bytes = CHANNEL_BYTES - transfer(SYS_READ, requests, received, CHANNEL_BYTES);
            if (received_bytes == 0) {
                return 0;
            }
        }
        target[i] = received[received_at++];
    }
    return 1;
}

void harness_flush(void)
{
    if (sent_bytes > 0 && transfer(SYS_WRITE, replies, sent, sent_bytes) != 0) {
        harness_stop(HARNESS_WRITE_FAILED);
    }
    sent_bytes = 0;
}

void harness_put(const void *data, size_t bytes)
{
    const uint8_t *source = (const uint8_t *)data;
    size_t i;

    for (i = 0; i < bytes; i++) {
        if (sent_bytes == CHANNEL_BYTES) {
            harness_flush();
        }
        sent[sent_bytes++] = source[i];
    }
}

uint8_t *harness_part(int which, size_t bytes)
{
    if (bytes > PART_BYTES) {
        harness_stop(HARNESS_TOO_LARGE);
    }
    return (uint8_t *)parts[which];
}

int harness_guarded(void)
{
    int i, whole = 1;

    for (i = 0; i < GUARDS; i++) {
        whole = whole && memory.before[i] == GUARD && memory.after[i] == GUARD;
    }
    return whole;
}

/* The stack below this function is painted; what is no longer paint after the call was used. */
uint32_t harness_stack(void (*function)(void))
{
    volatile uint32_t *word;
    uintptr_t here;

#ifdef __wasm__
    __asm__ volatile("global.get __stack_pointer\n local.set %0" : "=r"(here));
#elif defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=r"(here));
#else
    __asm__ volatile("mov %0, sp" : "=r"(here));
#endif
    for (word = stack_start; (uintptr_t)word < here; word++) {
        *word = PAINT;
    }
    function();
    word = stack_start;
    while ((uintptr_t)word < here && *word == PAINT) {
        word++;
    }
    return (uint32_t)(here - (uintptr_t)word);
}

/* Not inlined: an emulator that counts whole blocks then counts this call as one. */
__attribute__((noinline)) uint32_t harness_ticks(void)
{
#ifdef COUNTER_FUEL
    return fuel();
#elif defined(COUNTER_TIMER)
    return ~REGISTER(COUNTER_READ);
#else
    return REGISTER(COUNTER_READ);
#endif
}

static void start_counter(void)
{
#ifdef COUNTER_TIMER /* counts down from its reload value: control, value, reload */
    REGISTER(COUNTER_READ + 4u) = UINT32_MAX;
    REGISTER(COUNTER_READ) = UINT32_MAX;
    REGISTER(COUNTER_READ - 4u) = 1u;
#elif defined(COUNTER_SYSTEM) /* control, status, value */
    REGISTER(COUNTER_READ - 8u) = 1u;
#endif
}

#ifndef __wasm__
static void copy(uint32_t *target, const uint32_t *end, const uint32_t *source)
{
    while (target < end) {
        *target++ = *source++;
    }
}

static void place_data(void)
{
    uint32_t *word;

    copy(harness_data_start, harness_data_end, harness_data_load);
    copy(data_start, data_end, data_load);
    for (word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
}
#endif

void start(void)
{
    int i;

#ifndef __wasm__
    place_data();
#endif
    for (i = 0; i < GUARDS; i++) {
        memory.before[i] = GUARD;
        memory.after[i] = GUARD;
    }
    start_counter();
    requests = open_file("requests", 8, OPEN_READ);
    replies = open_file("replies", 7, OPEN_WRITE);
    harness_run(memory.arena);
    harness_flush();
    harness_stop(0);
}
