/* Counts the instructions that unicorn executes: called at the start of every block, in the process of the emulator. */
#include <stdint.h>

typedef struct counter {
    uint64_t instructions;
    const uint8_t *flash;
    uint64_t origin;
    uint64_t bytes;
    uint32_t *known; /* per half-word of flash: size of the block that starts there and its instructions, 16 bits each */
    uint32_t riscv;
} counter;

void embbert_count_block(void *core, uint64_t address, uint32_t size, counter *state);

static uint32_t length_of(const uint8_t *code, uint32_t riscv)
{
    if (riscv) {
        return (code[0] & 3u) == 3u ? 4u : 2u;
    }
    return code[1] >> 3 >= 0x1Du ? 4u : 2u;
}

void embbert_count_block(void *core, uint64_t address, uint32_t size, counter *state)
{
    const uint64_t at = address - state->origin;
    uint32_t count = 0, offset = 0;

    (void)core;
    if (address < state->origin || at + size > state->bytes) {
        return;
    }
    if (state->known[at / 2] >> 16 == size) {
        state->instructions += state->known[at / 2] & 0xFFFFu;
        return;
    }
    while (offset < size) {
        offset += length_of(state->flash + at + offset, state->riscv);
        count++;
    }
    state->known[at / 2] = size << 16 | count;
    state->instructions += count;
}
