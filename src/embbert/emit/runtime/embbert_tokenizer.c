#include "embbert_tokenizer.h"

/* What a code point does: vanishes (0), one of these, or ACT_SEQUENCE + a place in `sequence`. */
#define ACT_SPACE 1u    /* ends a piece */
#define ACT_WORD 2u     /* itself, inside a piece */
#define ACT_ISOLATED 3u /* itself, as a piece of its own */
#define ACT_SEQUENCE 4u

/* An element of `sequence`: a symbol (or UNKNOWN) and two flags. */
#define SEQ_MORE 0x8000u     /* another element follows */
#define SEQ_ISOLATED 0x4000u /* this one is a piece of its own */
#define UNKNOWN 0x3FFFu      /* a character without a token */

#define NOT_UTF8 0xFFFDu /* the replacement character, which every table drops */
#define NO_MERGE 0xFFFFu /* above every rank */

/* A text on its way to ids: the piece being read, and the ids so far. */
typedef struct {
    const embbert_tokenizer *tok;
    uint16_t *ids; /* NULL: only count */
    size_t room;   /* stop at this many ids */
    size_t count;  /* <= room */
    uint32_t length;
    uint16_t piece[EMBBERT_MAX_PIECE]; /* ids of the characters of the piece */
} encoder;

/* How many of the ascending keys[begin..end) are <= key, plus begin. */
static uint32_t upper_bound(const uint16_t *keys, uint32_t begin, uint32_t end, uint32_t key)
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
static uint32_t action_of(const embbert_tokenizer *tok, uint32_t code)
{
    const uint16_t *planes = &tok->run_planes[code >> 16];
    return tok->run_action[upper_bound(tok->run_first, planes[0], planes[1], code & 0xFFFFu) - 1u];
}

/* The symbol of a character, or UNKNOWN. */
static uint32_t symbol_of(const embbert_tokenizer *tok, uint32_t code)
{
    const uint16_t *planes = &tok->symbol_planes[code >> 16];
    const uint32_t low = code & 0xFFFFu;
    const uint32_t after = upper_bound(tok->symbol_code, planes[0], planes[1], low);
    return after > planes[0] && tok->symbol_code[after - 1u] == low ? after - 1u : UNKNOWN;
}

/* The rank at which two neighbours merge, or NO_MERGE. */
static uint16_t rank_of(const embbert_tokenizer *tok, uint32_t left, uint32_t right)
{
    const uint32_t place = upper_bound(tok->merge_left, 0u, tok->lefts, left);
    uint32_t begin, after;
    if (place == 0u || tok->merge_left[place - 1u] != left) {
        return NO_MERGE;
    }
    begin = tok->merge_begin[place - 1u];
    after = upper_bound(tok->merge_right, begin, tok->merge_begin[place], right);
    return after > begin && tok->merge_right[after - 1u] == right ? tok->merge_rank[after - 1u] : NO_MERGE;
}

/* Byte-pair encoding in place: merge the pair of lowest rank, the leftmost of equals, until none is left.
 * Returns the number of tokens. ranks[i] belongs to the pair (i, i + 1) and is looked up again only
 * where a merge changed a neighbour. */
static uint32_t merge_piece(const embbert_tokenizer *tok, uint16_t *piece, uint32_t length)
{
    uint16_t ranks[EMBBERT_MAX_PIECE];
    uint32_t i;
    for (i = 0; i + 1u < length; i++) {
        ranks[i] = rank_of(tok, piece[i], piece[i + 1u]);
    }
    while (length > 1u) {
        uint32_t best = 0;
        for (i = 1; i + 1u < length; i++) {
            if (ranks[i] < ranks[best]) {
                best = i;
            }
        }
        if (ranks[best] == NO_MERGE) {
            break;
        }
        piece[best] = (uint16_t)(tok->first_merged + ranks[best]);
        length--;
        for (i = best + 1u; i < length; i++) {
            piece[i] = piece[i + 1u];
            ranks[i - 1u] = ranks[i];
        }
        if (best + 1u < length) {
            ranks[best] = rank_of(tok, piece[best], piece[best + 1u]);
        }
        if (best > 0u) {
            ranks[best - 1u] = rank_of(tok, piece[best - 1u], piece[best]);
        }
    }
    return length;
}

/* The piece is complete: its tokens go out as far as there is room. */
static void end_piece(encoder *enc)
{
    uint32_t i;
    enc->length = merge_piece(enc->tok, enc->piece, enc->length);
    for (i = 0; i < enc->length && enc->count < enc->room; i++) {
        if (enc->ids != NULL) {
            enc->ids[enc->count] = enc->piece[i];
        }
        enc->count++;
    }
    enc->length = 0;
}

/* One normalised character, as a symbol or UNKNOWN. */
static void add_symbol(encoder *enc, uint32_t symbol, int isolated)
{
    const uint16_t *table;
    if (isolated != 0 || enc->length == EMBBERT_MAX_PIECE) {
        end_piece(enc);
    }
    table = enc->length == 0u ? enc->tok->symbol_start : enc->tok->symbol_inside;
    enc->piece[enc->length++] = symbol == UNKNOWN ? (uint16_t)EMBBERT_UNK : table[symbol];
    if (isolated != 0) {
        end_piece(enc);
    }
}

/* One code point of the text, Hangul syllables excepted. */
static void add_code(encoder *enc, uint32_t code)
{
    const uint32_t action = action_of(enc->tok, code);
    if (action == ACT_SPACE) {
        end_piece(enc);
    } else if (action == ACT_WORD || action == ACT_ISOLATED) {
        add_symbol(enc, symbol_of(enc->tok, code), action == ACT_ISOLATED);
    } else if (action >= ACT_SEQUENCE) {
        const uint16_t *next = &enc->tok->sequence[action - ACT_SEQUENCE];
        uint32_t element;
        do {
            element = *next;
            next++;
            add_symbol(enc, element & UNKNOWN, (element & SEQ_ISOLATED) != 0u);
        } while ((element & SEQ_MORE) != 0u);
    } else {
        /* it vanishes */
    }
}

/* One code point. The 11,172 Hangul syllables fall apart into letters by arithmetic instead of by table. */
static void add_character(encoder *enc, uint32_t code)
{
    const uint32_t index = code - 0xAC00u; /* wraps to a large number below the first syllable */
    if (index >= 11172u) {
        add_code(enc, code);
        return;
    }
    add_code(enc, 0x1100u + index / 588u);
    add_code(enc, 0x1161u + index % 588u / 28u);
    if (index % 28u != 0u) {
        add_code(enc, 0x11A7u + index % 28u);
    }
}

/* Decode the code point at text[*at] and step over it. What is not UTF-8 (a stray or missing continuation,
 * an overlong form, a surrogate, more than U+10FFFF) is one byte of NOT_UTF8: the continuation bytes that
 * may follow are stray ones in their turn, so all of it is dropped and no valid character with it. */
static uint32_t next_code(const unsigned char *text, size_t bytes, size_t *at)
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

/* The first `room` ids of a text, without special tokens; returns how many. */
static size_t encode_text(const embbert_tokenizer *tok, const char *text, size_t bytes, uint16_t *ids, size_t room)
{
    encoder enc;
    size_t at = 0;
    enc.tok = tok;
    enc.ids = ids;
    enc.room = room;
    enc.count = 0;
    enc.length = 0;
    while (at < bytes && enc.count < room) {
        add_character(&enc, next_code((const unsigned char *)text, bytes, &at));
    }
    end_piece(&enc);
    return enc.count;
}

uint32_t embbert_encode(const embbert_tokenizer *tok, const char *text, size_t text_bytes, uint16_t *ids,
                        uint32_t max_length)
{
    if (max_length < 1u) {
        return 0;
    }
    ids[0] = EMBBERT_CLS;
    return 1u + (uint32_t)encode_text(tok, text, text_bytes, ids + 1, max_length - 1u);
}

uint32_t embbert_encode_pair(const embbert_tokenizer *tok, const char *a, size_t a_bytes, const char *b,
                             size_t b_bytes, uint16_t *ids, uint32_t max_length)
{
    size_t first, second, room;
    uint32_t count;
    if (max_length < 3u) {
        return 0;
    }
    /* Both texts are counted to the end before either is stored: no buffer for what will be cut. */
    room = max_length - 3u;
    first = encode_text(tok, a, a_bytes, NULL, SIZE_MAX);
    second = encode_text(tok, b, b_bytes, NULL, SIZE_MAX);
    if (first > room || second > room - first) {
        size_t shorter = first < second ? first : second;
        shorter = shorter < room / 2u ? shorter : room / 2u;
        if (first > second) {
            first = room - shorter;
            second = shorter;
        } else {
            first = shorter;
            second = room - shorter;
        }
    }
    ids[0] = EMBBERT_CLS;
    count = 1u + (uint32_t)encode_text(tok, a, a_bytes, ids + 1, first);
    ids[count] = EMBBERT_SEP;
    count++;
    count += (uint32_t)encode_text(tok, b, b_bytes, ids + count, second);
    ids[count] = EMBBERT_SEP;
    return count + 1u;
}
