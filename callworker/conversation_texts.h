/* SPDX-License-Identifier: MIT */
/*
 * conversation_texts.h – what the model is told, in the callers' language, of
 * what is no speech. Nobody hears these words.
 */
#ifndef CALLWORKER_CONVERSATION_TEXTS_H
#define CALLWORKER_CONVERSATION_TEXTS_H

/* What the voice is told when the caller dials. */
#define CONVERSATION_DTMF_TEXT "[El usuario marcó: %s]"

/* Dialled alone, it leads to a person, and the voice is not told. */
#define CONVERSATION_PERSON_KEY "0"

/* How the search for a person went, as the tool's file says it. */
#define CONVERSATION_PERSON_TEXT "[Sobre la persona que se buscó: %s]"
#define CONVERSATION_NO_PERSON_TEXT                                            \
	"[El usuario pidió una persona y no hay quién le atienda. Dígaselo.]"

/* Of a turn in a history of which no words are known. */
#define CONVERSATION_UNKNOWN_TEXT                                              \
	"[El usuario habló aquí; no se sabe con qué palabras.]"

/* Another voice goes on where the last one broke off. */
#define CONVERSATION_REST_TEXT                                                 \
	"[Su última frase se cortó y el usuario la oyó solo hasta aquí: "  \
	"«%s». Continúe desde esa palabra, sin saludar, sin repetir y sin " \
	"mencionar el corte.]"
#define CONVERSATION_REST_UNKNOWN_TEXT                                          \
	"[Su última frase se cortó. Termine lo que iba a decir, sin saludar " \
	"y sin mencionar el corte.]"

/* What the caller said last was lost. */
#define CONVERSATION_REPEAT_TEXT                                                 \
	"[No se oyó bien lo último que dijo el usuario. Pídale en una frase " \
	"que lo repita, sin saludar.]"

#endif
