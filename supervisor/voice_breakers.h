/* SPDX-License-Identifier: MIT */
/*
 * voice_breakers.h – the circuit breakers of the voice service: one for the
 * service, which every session needs, and one for each model that it has
 * refused, so that a persona with a model that the key may not use costs
 * nobody else the voice.
 */
#ifndef SUPERVISOR_VOICE_BREAKERS_H
#define SUPERVISOR_VOICE_BREAKERS_H

#include "supervisor/breaker.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	VOICE_BREAKERS_MODELS_MAX = 8, /* refused ones remembered */
	VOICE_BREAKERS_NAME_SIZE = 128,
};

struct voice_breakers_model {
	char name[VOICE_BREAKERS_NAME_SIZE]; /* "" free */
	struct breaker breaker;
};

/* Zero it to start. */
struct voice_breakers {
	struct breaker service;
	struct voice_breakers_model models[VOICE_BREAKERS_MODELS_MAX];
};

/* A session of MODEL could not be made, or was lost; as breaker_failed(). */
void voice_breakers_failed(struct voice_breakers *breakers, const char *model,
    enum voice_fault fault, const char *detail, uint64_t now_ms);

/* A session of MODEL is up. */
void voice_breakers_succeeded(
    struct voice_breakers *breakers, const char *model);

/* Whether one more attempt with MODEL may start; as breaker_allows(). */
bool voice_breakers_allow(
    struct voice_breakers *breakers, const char *model, uint64_t now_ms);

/* One attempt with MODEL is under way and decides whether others may follow. */
bool voice_breakers_probing(
    const struct voice_breakers *breakers, const char *model);

/*
 * Whether it makes no sense to wait for a session of MODEL (NULL: of any), and
 * in *FAULT_OUT why. A refused model that may be tried again is worth it: only
 * those who ask for it find out.
 */
bool voice_breakers_are_open(const struct voice_breakers *breakers,
    const char *model, uint64_t now_ms, enum voice_fault *fault_out);

/* The configuration was read again: forget what was. */
void voice_breakers_reset(struct voice_breakers *breakers);

#endif
