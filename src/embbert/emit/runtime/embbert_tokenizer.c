#include "embbert_tokenizer.h"

#include "embbert_text.h"

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

/* The rank at which two neighbours merge, or NO_MERGE. */
static uint16_t rank_of(const embbert_tokenizer *tok, uint32_t left, uint32_t right)
{
    const uint32_t place = embbert_upper_bound(tok->merge_left, 0u, tok->lefts, left);
    uint32_t begin, after;
    if (place == 0u || tok->merge_left[place - 1u] != left) {
        return NO_MERGE;
    }
    begin = tok->merge_begin[place - 1u];
    after = embbert_upper_bound(tok->merge_right, begin, tok->merge_begin[place], right);
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

/* The first `room` ids of a text, without special tokens; returns how many. */
static size_t encode_text(const embbert_tokenizer *tok, const char *text, size_t bytes, uint16_t *ids, size_t room)
{
    embbert_reader reader = embbert_open_text(&tok->alphabet, text, bytes);
    embbert_read_kind kind = READ_SPACE;
    encoder enc;
    enc.tok = tok;
    enc.ids = ids;
    enc.room = room;
    enc.count = 0;
    enc.length = 0;
    while (kind != READ_END && enc.count < room) {
        uint32_t symbol = UNKNOWN;
        kind = embbert_read(&reader, &symbol);
        if (kind == READ_INSIDE || kind == READ_ISOLATED) {
            add_symbol(&enc, symbol, kind == READ_ISOLATED);
        } else {
            end_piece(&enc);
        }
    }
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
    embbert_share(&first, &second, room);
    ids[0] = EMBBERT_CLS;
    count = 1u + (uint32_t)encode_text(tok, a, a_bytes, ids + 1, first);
    ids[count] = EMBBERT_SEP;
    count++;
    count += (uint32_t)encode_text(tok, b, b_bytes, ids + count, second);
    ids[count] = EMBBERT_SEP;
    return count + 1u;
}
