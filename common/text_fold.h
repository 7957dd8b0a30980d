/* SPDX-License-Identifier: MIT */
/*
 * text_fold.h – what remains of a text for a comparison of words: lower case,
 * no accents, no punctuation.
 *
 * "¿Quién, Señor?" becomes "quien senor". Latin letters with marks, composed
 * or not, become their base letter (ISO 8859-1's; combining marks U+0300 to
 * U+036F are dropped). Letters of other scripts stay as they are.
 */
#ifndef COMMON_TEXT_FOLD_H
#define COMMON_TEXT_FOLD_H

#include <stddef.h>

/*
 * The words of TEXT, between them one space, as a new string that is never
 * longer than TEXT; "" when there is no word. What is no UTF-8 counts as
 * punctuation. NULL without memory.
 */
char *text_fold(const char *text);

/*
 * The same with each of the ASCII characters KEPT as a word of its own: "a*b"
 * is "a * b". May be longer than TEXT.
 */
char *text_fold_keeping(const char *text, const char *kept);

#endif
