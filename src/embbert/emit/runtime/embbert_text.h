/* embbert_text.h - from bytes to normalised characters, one by one, and where the pieces between them end.
 * Internal to the runtime. What a code point does is in constant tables, which are generated. */
#ifndef EMBBERT_TEXT_H
#define EMBBERT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "embbert_alphabet.h"

/* What a code point does: vanishes (0), one of these, or ACT_SEQUENCE + a place in `sequence`. */
#define ACT_SPACE 1u    /* ends a piece */
#define ACT_WORD 2u     /* itself, inside a piece */
#define ACT_ISOLATED 3u /* itself, as a piece of its own */
#define ACT_SEQUENCE 4u

/* An element of `sequence`: a symbol (or UNKNOWN) and two flags. */
#define SEQ_MORE 0x8000u     /* another element follows */
#define SEQ_ISOLATED 0x4000u /* this one is a piece of its own */
#define UNKNOWN 0x3FFFu      /* a character that is not in the alphabet */

#define NOT_UTF8 0xFFFDu /* the replacement character, which every table drops */

/* A text on its way to characters. */
typedef struct {
    const embbert_alphabet *alphabet;
    const unsigned char *text;
    size_t bytes;
    size_t at;            /* bytes read so far */
    const uint16_t *more; /* what is left of the sequence that the last code point turned into, or NULL */
    uint32_t vowel;       /* letters of a Hangul syllable that are still to come; 0: none */
    uint32_t tail;
} embbert_reader;

typedef enum {
    READ_END,      /* the text is over */
    READ_SPACE,    /* the piece ends here */
    READ_INSIDE,   /* a character that belongs to a piece */
    READ_ISOLATED, /* a character that is a piece of its own */
} embbert_read_kind;

static inline embbert_reader embbert_open_text(const embbert_alphabet *alphabet, const char *text, size_t bytes)
{
    embbert_reader reader;
    reader.alphabet = alphabet;
    reader.text = (const unsigned char *)text;
    reader.bytes = bytes;
    reader.at = 0;
    reader.more = NULL;
    reader.vowel = 0;
    reader.tail = 0;
    return reader;
}

/* How many of the ascending keys[begin..end) are <= key, plus begin. */
static inline uint32_t embbert_upper_bound(const uint16_t *keys, uint32_t begin, uint32_t end, uint32_t key)
{
    while (begin < end) {
        const uint32_t middle = begin + (end - begin) / 2u;
        if (keys[middle] <= key) {
            begin = middle + 1u;
        } else {
            end = middle;
        }
    }
    return begin;
}

/* The action of a code point. Each plane begins with a run, so one is always found. */
static inline uint32_t embbert_action(const embbert_alphabet *alphabet, uint32_t code)
{
    const uint16_t *planes = &alphabet->run_planes[code >> 16];
    return alphabet->run_action[embbert_upper_bound(alphabet->run_first, planes[0], planes[1], code & 0xFFFFu) - 1u];
}

/* The symbol of a character, or UNKNOWN. */
static inline uint32_t embbert_symbol(const embbert_alphabet *alphabet, uint32_t code)
{
    const uint16_t *planes = &alphabet->symbol_planes[code >> 16];
    const uint32_t low = code & 0xFFFFu;
    const uint32_t after = embbert_upper_bound(alphabet->symbol_code, planes[0], planes[1], low);
    return after > planes[0] && alphabet->symbol_code[after - 1u] == low ? after - 1u : UNKNOWN;
}

/* Decode the code point at text[*at] and step over it. What is not UTF-8 (a stray or missing continuation,
 * an overlong form, a surrogate, more than U+10FFFF) is one byte of NOT_UTF8: the continuation bytes that
 * may follow are stray ones in their turn, so all of it is dropped and no valid character with it. */
static inline uint32_t embbert_decode(const unsigned char *text, size_t bytes, size_t *at)
{
    static const uint32_t smallest[3] = {0x80u, 0x800u, 0x10000u};
    const uint32_t lead = text[*at];
    const size_t rest = bytes - *at - 1u;
    uint32_t extra, code, i;
    ++*at;
    if (lead < 0x80u) {
        return lead;
    }
    if (lead < 0xC0u || lead >= 0xF8u) {
        return NOT_UTF8;
    }
    extra = lead < 0xE0u ? 1u : lead < 0xF0u ? 2u : 3u;
    if (rest < extra) {
        return NOT_UTF8;
    }
    code = lead & (0x3Fu >> extra);
    for (i = 0; i < extra; i++) {
        const uint32_t byte = text[*at + i];
        if ((byte & 0xC0u) != 0x80u) {
            return NOT_UTF8;
        }
        code = code << 6 | (byte & 0x3Fu);
    }
    if (code < smallest[extra - 1u] || code > 0x10FFFFu || (code >= 0xD800u && code < 0xE000u)) {
        return NOT_UTF8;
    }
    *at += extra;
    return code;
}

/* The next code point; the text must not be over. The 11,172 Hangul syllables fall apart into letters by
 * arithmetic instead of by table. */
static inline uint32_t embbert_next_code(embbert_reader *reader)
{
    uint32_t code = reader->vowel, index;
    if (code != 0u) {
        reader->vowel = reader->tail;
        reader->tail = 0;
        return code;
    }
    code = embbert_decode(reader->text, reader->bytes, &reader->at);
    index = code - 0xAC00u; /* wraps to a large number below the first syllable */
    if (index < 11172u) {
        reader->vowel = 0x1161u + index % 588u / 28u;
        reader->tail = index % 28u != 0u ? 0x11A7u + index % 28u : 0u;
        code = 0x1100u + index / 588u;
    }
    return code;
}

/* The next that there is in the text; a character's symbol, or UNKNOWN, goes to *symbol. */
static inline embbert_read_kind embbert_read(embbert_reader *reader, uint32_t *symbol)
{
    while (reader->more != NULL || reader->vowel != 0u || reader->at < reader->bytes) {
        const uint16_t *next = reader->more;
        if (next == NULL) {
            const uint32_t code = embbert_next_code(reader);
            const uint32_t action = embbert_action(reader->alphabet, code);
            if (action == ACT_SPACE) {
                return READ_SPACE;
            }
            if (action == ACT_WORD || action == ACT_ISOLATED) {
                *symbol = embbert_symbol(reader->alphabet, code);
                return action == ACT_ISOLATED ? READ_ISOLATED : READ_INSIDE;
            }
            if (action >= ACT_SEQUENCE) {
                next = &reader->alphabet->sequence[action - ACT_SEQUENCE];
            }
        }
        if (next != NULL) {
            const uint32_t element = *next;
            reader->more = (element & SEQ_MORE) != 0u ? next + 1 : NULL;
            *symbol = element & UNKNOWN;
            return (element & SEQ_ISOLATED) != 0u ? READ_ISOLATED : READ_INSIDE;
        }
        /* it vanishes */
    }
    return READ_END;
}

/* How many ids of each text of a pair stay where there is room for `room`: what does not fit is cut from the end
 * of the longer text first, down to half of the room; the odd id stays with the longer, or with the second of equals. */
static inline void embbert_share(size_t *first, size_t *second, size_t room)
{
    if (*first > room || *second > room - *first) {
        size_t shorter = *first < *second ? *first : *second;
        shorter = shorter < room / 2u ? shorter : room / 2u;
        if (*first > *second) {
            *first = room - shorter;
            *second = shorter;
        } else {
            *first = shorter;
            *second = room - shorter;
        }
    }
}

#endif
