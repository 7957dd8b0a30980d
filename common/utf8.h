/* SPDX-License-Identifier: MIT */
/*
 * utf8.h – is it UTF-8 (RFC 3629), how long, where may it be cut.
 *
 * What another program sends is checked here before it goes into one of our
 * JSON texts: one bad byte would make the next WebSocket peer close.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Code points in the LEN bytes of TEXT, or -EILSEQ: not UTF-8 (overlong
 * forms, surrogates and values over U+10FFFF included).
 */
ssize_t utf8_count(const char *text, size_t len);

/*
 * The largest length of at most MAX bytes at which the valid UTF-8 of LEN
 * bytes in TEXT can be cut without splitting a code point.
 */
size_t utf8_cut(const char *text, size_t len, size_t max);

/*
 * How many bytes at TEXT, of LEFT, are a character above U+007F that people do
 * not see but machines read, 0 if it is another one: controls (U+0080 to
 * U+009F), separators, directions, joiners, variation selectors, and tags
 * (U+E0000 to U+E0FFF), in which whole sentences can be hidden.
 */
size_t utf8_unseen(const char *text, size_t left);

/*
 * The bytes of the character at TEXT, of LEFT bytes, if it may be shown to
 * people as it is; 0: it is not UTF-8, a control, or utf8_unseen().
 */
size_t utf8_visible(const char *text, size_t left);

#endif
