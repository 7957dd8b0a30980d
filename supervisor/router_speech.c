/* SPDX-License-Identifier: MIT */
/* router_speech.c – fills pieces in; see router_speech.h. */
#include "supervisor/router_speech.h"

#include "common/json.h"
#include "common/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MAX 1e15 /* is never reached by what is measured */

enum {
	LIST_TAIL = 96, /* bytes kept for "y 5 más" */
};

/* -- pieces ----------------------------------------------------------------------- */

/* What is being written. */
struct writer {
	char *buf;
	size_t size;
	size_t len;
	bool cut;
};

static void
put(struct writer *w, const char *text, size_t len)
{
	size_t left = w->size - 1 - w->len;

	if (len > left) {
		len = utf8_cut(text, len, left);
		w->cut = true;
	}
	memcpy(w->buf + w->len, text, len);
	w->len += len;
	w->buf[w->len] = '\0';
}

/* The place that TEXT, behind a brace, begins with; NULL: none. */
static const struct speech_place *
find_place(const char *text, const struct speech_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(places[i].name);

		if (strncmp(text, places[i].name, len) == 0 && text[len] == '}')
			return &places[i];
	}
	return NULL;
}

/* The form of PIECE that is due, *LEN_OUT bytes. */
static const char *
choose_form(const char *piece, const struct speech_place *places, size_t count,
    size_t *len_out)
{
	const char *bar = strchr(piece, '|');
	const struct speech_place *place = find_place("count}", places, count);

	*len_out = strlen(piece);
	if (bar == NULL)
		return piece;
	if (place != NULL && strcmp(place->value, "1") == 0) {
		*len_out = (size_t)(bar - piece);
		return piece;
	}
	*len_out = strlen(bar + 1);
	return bar + 1;
}

static void
write_piece(struct writer *w, const cJSON *sentences, const char *key,
    const struct speech_place *places, size_t count)
{
	size_t len;
	const char *text =
	    choose_form(json_string(sentences, key), places, count, &len);
	const char *end = text + len;

	while (text < end) {
		const char *brace = memchr(text, '{', (size_t)(end - text));
		const struct speech_place *place =
		    brace == NULL ? NULL : find_place(brace + 1, places, count);

		if (brace == NULL)
			brace = end;
		put(w, text, (size_t)(brace - text));
		if (place != NULL) {
			put(w, place->value, strlen(place->value));
			text = brace + strlen(place->name) + 2;
		} else if (brace < end) {
			put(w, brace, 1);
			text = brace + 1;
		} else {
			text = end;
		}
	}
}

void
speech_piece(char *buf, size_t size, const cJSON *sentences, const char *key,
    const struct speech_place *places, size_t place_count)
{
	struct writer w = {.buf = buf, .size = size};

	assert(size > 0);
	buf[0] = '\0';
	write_piece(&w, sentences, key, places, place_count);
}

void
speech_init(
    struct speech *speech, const cJSON *sentences, char *buf, size_t size)
{
	*speech = (struct speech){
	    .sentences = sentences,
	    .text = buf,
	    .size = size,
	};
	buf[0] = '\0';
}

bool
speech_say(struct speech *speech, const char *key,
    const struct speech_place *places, size_t place_count)
{
	struct writer w = {
	    .buf = speech->text,
	    .size = speech->size,
	    .len = speech->len,
	};

	if (w.len > 0)
		put(&w, " ", 1);
	write_piece(&w, speech->sentences, key, places, place_count);
	if (w.cut) {
		speech->text[speech->len] = '\0';
		return false;
	}
	speech->len = w.len;
	return true;
}

/* -- numbers ---------------------------------------------------------------------- */

void
speech_count(char buf[SPEECH_NUMBER_SIZE], int64_t count)
{
	snprintf(buf, SPEECH_NUMBER_SIZE, "%lld", (long long)count);
}

/* What cannot be measured is nothing, or as much as is ever said. */
static double
clamp(double value)
{
	if (!(value > 0))
		return 0;
	return value < NUMBER_MAX ? value : NUMBER_MAX;
}

/* VALUE, clamped, with two digits that count: 2.4, 31, 310. */
static double
round_to_two(double value)
{
	double step = 0.1;

	while (value / step >= 99.5)
		step *= 10;
	return round(value / step) * step;
}

void
speech_number(
    char buf[SPEECH_NUMBER_SIZE], const cJSON *sentences, double value)
{
	long long tenths;

	value = round_to_two(clamp(value));
	tenths = llround(value * 10);
	if (tenths % 10 == 0)
		snprintf(buf, SPEECH_NUMBER_SIZE, "%lld", tenths / 10);
	else
		snprintf(buf, SPEECH_NUMBER_SIZE, "%lld%.8s%lld", tenths / 10,
		    json_string(sentences, "decimal"), tenths % 10);
}

void
speech_rate(char buf[SPEECH_NUMBER_SIZE], const cJSON *sentences, double bps)
{
	static const struct {
		double size;
		const char *key;
	} units[] = {{1e9, "gbps"}, {1e6, "mbps"}, {1e3, "kbps"}, {1, "bps"}};
	size_t i = 0, len;

	bps = clamp(bps);
	/* What is rounded up to the next unit is said in that. */
	while (i < 3 && round_to_two(bps) < units[i].size)
		i++;
	speech_number(buf, sentences, bps / units[i].size);
	len = strlen(buf);
	snprintf(buf + len, SPEECH_NUMBER_SIZE - len, " %.100s",
	    json_string(sentences, units[i].key));
}

void
speech_time(
    char buf[SPEECH_NUMBER_SIZE], const cJSON *sentences, int64_t seconds)
{
	char number[SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{"count", number}};
	const char *key = "minutes";
	int64_t size = 60;

	if (seconds >= 48 * 3600) {
		key = "days";
		size = 86400;
	} else if (seconds >= 3600) {
		key = "hours";
		size = 3600;
	}
	speech_count(number, seconds < size ? 1 : seconds / size);
	speech_piece(buf, SPEECH_NUMBER_SIZE, sentences, key, places, 1);
}

/* -- lists --------------------------------------------------------------------------- */

void
speech_list_init(struct speech_list *list, const cJSON *sentences,
    const char *between, size_t max)
{
	list->sentences = sentences;
	list->between = between;
	list->max = max;
	list->said = list->more = list->last = list->len = 0;
	list->text[0] = '\0';
}

void
speech_list_add(struct speech_list *list, const char *item)
{
	size_t gap = list->said > 0 ? strlen(list->between) : 0;
	size_t len = strlen(item);

	if (list->said >= list->max || list->more > 0 ||
	    list->len + gap + len + LIST_TAIL >= sizeof(list->text)) {
		list->more++;
		return;
	}
	list->last = list->len;
	memcpy(list->text + list->len, list->between, gap);
	memcpy(list->text + list->len + gap, item, len + 1);
	list->len += gap + len;
	list->said++;
}

const char *
speech_list_end(struct speech_list *list)
{
	char number[SPEECH_NUMBER_SIZE], more[SPEECH_NUMBER_SIZE];
	char tail[SPEECH_LIST_SIZE];
	const struct speech_place places[] = {{"count", number}};
	const char *last = list->text + list->last + strlen(list->between);

	if (list->more > 0) {
		speech_count(number, (int64_t)list->more);
		speech_piece(
		    more, sizeof(more), list->sentences, "more", places, 1);
		list->last = list->len;
		last = more;
	} else if (list->said < 2) {
		return list->text;
	}
	snprintf(tail, sizeof(tail), " %.16s %s",
	    json_string(list->sentences, "and"), last);
	snprintf(list->text + list->last, sizeof(list->text) - list->last, "%s",
	    list->said > 0 ? tail : last);
	return list->text;
}
