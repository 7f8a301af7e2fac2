/* The reader under test: of tokens, or of n-grams where NGRAMS is defined. */
#ifndef READER_H
#define READER_H

#ifdef NGRAMS
#include "embbert_ngrams.h"
typedef embbert_ngrams tokenizer;
#define ENCODE embbert_encode_ngrams
#define ENCODE_PAIR embbert_encode_ngrams_pair
#else
#include "embbert_tokenizer.h"
typedef embbert_tokenizer tokenizer;
#define ENCODE embbert_encode
#define ENCODE_PAIR embbert_encode_pair
#endif

#endif
