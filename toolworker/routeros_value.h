/* SPDX-License-Identifier: MIT */
/*
 * routeros_value.h – what RouterOS writes in place of numbers, durations and
 * yes or no: every value of either API is a text, and a field that does not
 * apply is missing.
 *
 * A record is a cJSON object whose members are strings. No I/O.
 */
#ifndef TOOLWORKER_ROUTEROS_VALUE_H
#define TOOLWORKER_ROUTEROS_VALUE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * "1w2d3h4m5s", "551us", "12ms345us", "1d02:03:04", "02:03:04", "1.5s" in
 * microseconds. -EINVAL: TEXT is no duration ("never", "").
 */
int routeros_duration_us(const char *text, int64_t *us_out);

/* "1500", "0", with a '%' or a unit of bits ("12bps") behind it. -EINVAL. */
int routeros_number(const char *text, int64_t *value_out);

/* "true" and "yes"; anything else, and nothing, is false. */
bool routeros_flag(const cJSON *record, const char *key);

/* The value of KEY, or "". */
const char *routeros_field(const cJSON *record, const char *key);

/* The number in KEY, or OTHERWISE. */
int64_t routeros_field_number(
    const cJSON *record, const char *key, int64_t otherwise);

/*
 * Copies LEN bytes of a router's text as UTF-8 into a new string: what is
 * valid stays, any other byte is taken for Latin-1, in which WinBox writes
 * comments; NUL becomes a space. NULL: no memory.
 */
char *routeros_text(const char *bytes, size_t len);

/*
 * Whether every word of WANTED is somewhere in TEXT, both folded
 * (common/text_fold.h): "lopez" finds "Nuñez López". No word is found nowhere.
 */
bool routeros_text_has_words(const char *text, const char *wanted);

/*
 * Whether WANTED, if it has at least four hexadecimal digits and nothing else
 * but separators, is a part of the MAC address TEXT.
 */
bool routeros_mac_matches(const char *text, const char *wanted);

#endif
