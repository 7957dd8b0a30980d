/* SPDX-License-Identifier: MIT */
/*
 * spoken.c – a ring of the latest utterances.
 *
 * Invariant: an id is in the list at most once.
 */
#include "callworker/spoken.h"

#include "common/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
spoken_clear(struct spoken_list *sl)
{
	for (unsigned i = 0; i < SPOKEN_MAX; i++)
		free(sl->list[i].text);
	memset(sl, 0, sizeof(*sl));
}

struct spoken *
spoken_find(struct spoken_list *sl, const char *id)
{
	if (id[0] == '\0')
		return NULL;
	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		if (strcmp(sl->list[i].id, id) == 0)
			return &sl->list[i];
	}
	return NULL;
}

struct spoken *
spoken_begin(struct spoken_list *sl, const char *id, int tag)
{
	struct spoken *s = spoken_find(sl, id);

	if (s == NULL) {
		s = &sl->list[sl->next];
		sl->next = (sl->next + 1) % SPOKEN_MAX;
	}
	free(s->text);
	memset(s, 0, sizeof(*s));
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->tag = tag;
	return s;
}

void
spoken_set_text(struct spoken *s, const char *text)
{
	size_t len = utf8_cut(text, strlen(text), SPOKEN_TEXT_MAX);

	free(s->text);
	s->text = strndup(text, len);
}

void
spoken_add_text(struct spoken *s, const char *text)
{
	size_t len = s->text != NULL ? strlen(s->text) : 0;
	size_t more = utf8_cut(text, strlen(text), SPOKEN_TEXT_MAX - len);
	char *grown = realloc(s->text, len + more + 1);

	if (grown == NULL)
		return;
	memcpy(grown + len, text, more);
	grown[len + more] = '\0';
	s->text = grown;
}

uint32_t
spoken_received_ms(const struct spoken *s)
{
	return (uint32_t)(s->received_len / G711_BYTES_PER_MS);
}

size_t
spoken_heard_len(const char *text, uint32_t heard_ms, uint32_t total_ms)
{
	size_t len = strlen(text);
	size_t n;

	if (heard_ms >= total_ms)
		return heard_ms == 0 ? 0 : len;
	n = (size_t)((uint64_t)len * heard_ms / total_ms);
	while (n > 0 && text[n] != ' ')
		n--;
	return n;
}
