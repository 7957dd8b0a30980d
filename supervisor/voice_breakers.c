/* SPDX-License-Identifier: MIT */
/*
 * voice_breakers.c – which breaker a fault belongs to.
 *
 * A refusal of the model proves that the service and the key are good: it
 * closes the service's breaker while it opens the model's.
 */
#include "supervisor/voice_breakers.h"

#include <stdio.h>
#include <string.h>

/* Its place, or VOICE_BREAKERS_MODELS_MAX. */
static size_t
find_index(const struct voice_breakers *breakers, const char *model)
{
	size_t i = 0;

	while (i < VOICE_BREAKERS_MODELS_MAX &&
	       (breakers->models[i].name[0] == '\0' ||
		   strcmp(breakers->models[i].name, model) != 0))
		i++;
	return i;
}

/* NULL: the service has not refused it. */
static struct breaker *
find(struct voice_breakers *breakers, const char *model)
{
	size_t i = find_index(breakers, model);

	return i < VOICE_BREAKERS_MODELS_MAX ? &breakers->models[i].breaker
					     : NULL;
}

static const struct breaker *
look_up(const struct voice_breakers *breakers, const char *model)
{
	size_t i = find_index(breakers, model);

	return i < VOICE_BREAKERS_MODELS_MAX ? &breakers->models[i].breaker
					     : NULL;
}

/* Found or made; the one that opened first makes room. */
static struct breaker *
get(struct voice_breakers *breakers, const char *model)
{
	size_t place = find_index(breakers, model);
	struct voice_breakers_model *m = &breakers->models[0];

	if (place < VOICE_BREAKERS_MODELS_MAX)
		return &breakers->models[place].breaker;
	for (size_t i = 1; i < VOICE_BREAKERS_MODELS_MAX; i++) {
		struct voice_breakers_model *other = &breakers->models[i];

		/* A free one has never opened. */
		if (other->breaker.open_until_ms < m->breaker.open_until_ms)
			m = other;
	}
	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", model);
	return &m->breaker;
}

void
voice_breakers_failed(struct voice_breakers *breakers, const char *model,
    enum voice_fault fault, const char *detail, uint64_t now_ms)
{
	struct breaker *of_model = find(breakers, model);

	if (fault == VOICE_FAULT_MODEL) {
		of_model = get(breakers, model);
		breaker_succeeded(&breakers->service);
		breaker_failed(of_model, fault, detail, now_ms);
		return;
	}
	breaker_failed(&breakers->service, fault, detail, now_ms);
	/* The model's one attempt has told nothing about the model. */
	if (of_model != NULL && of_model->state == BREAKER_HALF_OPEN)
		breaker_failed(of_model, fault, detail, now_ms);
}

void
voice_breakers_succeeded(struct voice_breakers *breakers, const char *model)
{
	struct breaker *of_model = find(breakers, model);

	breaker_succeeded(&breakers->service);
	if (of_model == NULL)
		return;
	breaker_succeeded(of_model);
}

bool
voice_breakers_allow(
    struct voice_breakers *breakers, const char *model, uint64_t now_ms)
{
	struct breaker *of_model = find(breakers, model);

	if (!breaker_is_due(&breakers->service, now_ms) ||
	    (of_model != NULL && !breaker_is_due(of_model, now_ms)))
		return false;
	if (of_model != NULL)
		(void)breaker_allows(of_model, now_ms);
	return breaker_allows(&breakers->service, now_ms);
}

bool
voice_breakers_probing(const struct voice_breakers *breakers, const char *model)
{
	const struct breaker *of_model = look_up(breakers, model);

	return breakers->service.state == BREAKER_HALF_OPEN ||
	       (of_model != NULL && of_model->state == BREAKER_HALF_OPEN);
}

bool
voice_breakers_are_open(const struct voice_breakers *breakers,
    const char *model, uint64_t now_ms, enum voice_fault *fault_out)
{
	const struct breaker *of_model =
	    model != NULL ? look_up(breakers, model) : NULL;
	const struct breaker *open = NULL;

	if (breaker_is_open(&breakers->service))
		open = &breakers->service;
	else if (of_model != NULL && of_model->state == BREAKER_OPEN &&
		 !breaker_is_due(of_model, now_ms))
		open = of_model;
	if (open != NULL)
		*fault_out = open->fault;
	return open != NULL;
}

void
voice_breakers_reset(struct voice_breakers *breakers)
{
	breaker_reset(&breakers->service);
	memset(breakers->models, 0, sizeof(breakers->models));
}
