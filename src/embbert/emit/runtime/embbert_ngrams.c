#include "embbert_ngrams.h"

#include "embbert_text.h"

#define SHORTEST 3u   /* characters of a stretch, the marks around the word included */
#define LONGEST 5u
#define MARK 0x20u    /* before and behind every word, and between the words of a pair */
#define NO_SYMBOL 0xFFFDu /* what an unknown character counts as */
#define PRIME 0x01000193u
#define MIX 0x85EBCA6Bu

/* What the hashes of words and of stretches begin with, for each of two texts. */
static const uint32_t start_of_words[2] = {0x811C9DC5u, 0x5D3A21F7u};
static const uint32_t start_of_stretches[2] = {0xC4B8A6E1u, 0x2E97F01Bu};

/* A text on its way to numbers. */
typedef struct {
    const embbert_ngrams *table;
    uint16_t *ids; /* NULL: only count */
    size_t room;   /* stop at this many */
    size_t count;  /* <= room */
    uint32_t start_of_word;
    uint32_t start_of_stretch;
    uint32_t word;               /* hash of the word so far */
    uint32_t words;              /* hash of the word before it, a space and the word so far */
    uint32_t stretches[LONGEST]; /* hashes of the last 1 to LONGEST characters of the word, marks included */
    uint32_t length;             /* characters of the word so far, its mark included, up to LONGEST + 1; 0: none */
    int follows;                 /* there is a word before this one */
} finder;

static uint32_t step(uint32_t hash, uint32_t unit)
{
    return (hash ^ unit) * PRIME;
}

/* An n-gram ends here: its number goes out if it is known and there is room. */
static void look_up(finder *find, uint32_t hash)
{
    const embbert_ngrams *table = find->table;
    const uint32_t mixed = (hash ^ hash >> 16) * MIX;
    const uint32_t below = mixed << table->bucket_bits;
    const uint16_t *begin = &table->bucket_begin[mixed >> (32u - table->bucket_bits)];
    const uint32_t after = embbert_upper_bound(table->keys, begin[0], begin[1], below >> 16);
    if (after > begin[0] && table->keys[after - 1u] == below >> 16 && find->count < find->room) {
        if (find->ids != NULL) {
            find->ids[find->count] = (uint16_t)(after - 1u);
        }
        find->count++;
    }
}

/* One more character of the stretches, or the mark around the word; those that are the word itself do not count. */
static void push(finder *find, uint32_t unit, int last)
{
    uint32_t i;
    find->length += find->length <= LONGEST ? 1u : 0u;
    for (i = LONGEST - 1u; i > 0u; i--) {
        find->stretches[i] = step(find->stretches[i - 1u], unit);
    }
    find->stretches[0] = step(find->start_of_stretch, unit);
    for (i = SHORTEST; i <= LONGEST; i++) {
        if (i < find->length || (i == find->length && last == 0)) {
            look_up(find, find->stretches[i - 1u]);
        }
    }
}

static void end_word(finder *find)
{
    if (find->length != 0u) {
        push(find, MARK, 1);
        look_up(find, find->word);
        if (find->follows != 0) {
            look_up(find, find->words);
        }
        find->words = step(find->word, MARK);
        find->follows = 1;
        find->length = 0;
    }
}

static void add_unit(finder *find, uint32_t unit)
{
    if (find->length == 0u) {
        find->word = find->start_of_word;
        push(find, MARK, 0);
    }
    push(find, unit, 0);
    find->word = step(find->word, unit);
    find->words = step(find->words, unit);
}

/* The first `room` numbers of the first (0) or second (1) text; returns how many. */
static size_t find_all(const embbert_ngrams *table, const char *text, size_t bytes, uint32_t which, uint16_t *ids,
                       size_t room)
{
    embbert_reader reader = embbert_open_text(&table->alphabet, text, bytes);
    embbert_read_kind kind = READ_SPACE;
    finder find;
    uint32_t i;
    find.table = table;
    find.ids = ids;
    find.room = room;
    find.count = 0;
    find.start_of_word = start_of_words[which];
    find.start_of_stretch = start_of_stretches[which];
    find.word = 0;
    find.words = 0;
    for (i = 0; i < LONGEST; i++) {
        find.stretches[i] = 0;
    }
    find.length = 0;
    find.follows = 0;
    while (kind != READ_END && find.count < room) {
        uint32_t symbol = UNKNOWN;
        kind = embbert_read(&reader, &symbol);
        if (kind != READ_INSIDE) {
            end_word(&find);
        }
        if (kind == READ_INSIDE || kind == READ_ISOLATED) {
            add_unit(&find, symbol == UNKNOWN ? NO_SYMBOL : table->alphabet.symbol_code[symbol]);
        }
        if (kind == READ_ISOLATED) {
            end_word(&find);
        }
    }
    return find.count;
}

uint32_t embbert_encode_ngrams(const embbert_ngrams *table, const char *text, size_t text_bytes, uint16_t *ids,
                               uint32_t max_length)
{
    return (uint32_t)find_all(table, text, text_bytes, 0, ids, max_length);
}

uint32_t embbert_encode_ngrams_pair(const embbert_ngrams *table, const char *a, size_t a_bytes, const char *b,
                                    size_t b_bytes, uint16_t *ids, uint32_t max_length)
{
    /* Both texts are counted to the end before either is stored: no buffer for what will be cut. */
    size_t first = find_all(table, a, a_bytes, 0, NULL, SIZE_MAX);
    size_t second = find_all(table, b, b_bytes, 1, NULL, SIZE_MAX);
    uint32_t count;
    embbert_share(&first, &second, max_length);
    count = (uint32_t)find_all(table, a, a_bytes, 0, ids, first);
    return count + (uint32_t)find_all(table, b, b_bytes, 1, ids + count, second);
}
