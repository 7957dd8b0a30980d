/* SPDX-License-Identifier: MIT */
/*
 * router_speech.h – sentences for the ear: pieces of a tool's file with their
 * places filled in, lists, and numbers as people say them. No I/O.
 *
 * Everything that comes from a router goes into a place, and a place is filled
 * once: what is in braces there stays as it is.
 */
#ifndef SUPERVISOR_ROUTER_SPEECH_H
#define SUPERVISOR_ROUTER_SPEECH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SPEECH_ITEM_SIZE = 512,   /* one thing of a list, NUL included */
	SPEECH_LIST_SIZE = 1024,  /* a list, NUL included */
	SPEECH_NUMBER_SIZE = 128, /* a number with its unit, NUL included */
};

/* A text that grows in a buffer of the caller's. */
struct speech {
	const cJSON *sentences; /* of the tool; complete */
	char *text;
	size_t size;
	size_t len;
};

struct speech_place {
	const char *name;
	const char *value;
};

/* An empty text in BUF of SIZE bytes. */
void speech_init(
    struct speech *speech, const cJSON *sentences, char *buf, size_t size);

/*
 * Writes the piece KEY with its places filled in; of two forms ("one|many")
 * the first if the place "count" is 1. Cut at a whole letter.
 */
void speech_piece(char *buf, size_t size, const cJSON *sentences,
    const char *key, const struct speech_place *places, size_t place_count);

/* Adds that piece, after a space; nothing if it does not fit as a whole. */
bool speech_say(struct speech *speech, const char *key,
    const struct speech_place *places, size_t place_count);

/* "2,4 gigabits por segundo": two digits that count, and the unit's piece. */
void speech_rate(
    char buf[SPEECH_NUMBER_SIZE], const cJSON *sentences, double bps);

/* Two digits that count. */
void speech_number(
    char buf[SPEECH_NUMBER_SIZE], const cJSON *sentences, double value);

/* "12 días": in the largest unit of which there is one. */
void speech_time(
    char buf[SPEECH_NUMBER_SIZE], const cJSON *sentences, int64_t seconds);

/* A whole number. */
void speech_count(char buf[SPEECH_NUMBER_SIZE], int64_t count);

/* -- "a, b, c y 5 más" ---------------------------------------------------------- */

struct speech_list {
	const cJSON *sentences;
	const char *between; /* ", " or "; " */
	size_t max;          /* things that are said, the others are counted */
	size_t said;
	size_t more;
	size_t last; /* where the last one begins, its separator included */
	size_t len;
	char text[SPEECH_LIST_SIZE];
};

void speech_list_init(struct speech_list *list, const cJSON *sentences,
    const char *between, size_t max);
void speech_list_add(struct speech_list *list, const char *item);

/* Its text, complete; nothing can be added any more. "" if it is empty. */
const char *speech_list_end(struct speech_list *list);

#endif
