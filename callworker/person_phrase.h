/* SPDX-License-Identifier: MIT */
/*
 * person_phrase.h – whether what a caller said asks for a person.
 *
 * An operator's phrases (person_phrases of a persona; common/word_pattern.h)
 * are looked for in the transcript of a turn. One that begins with "!" is an
 * exception: the clause that holds it, from one punctuation mark to the next,
 * is left out. "No quiero" is not "no, quiero", and who already talked to
 * somebody yesterday may want a person today.
 */
#ifndef CALLWORKER_PERSON_PHRASE_H
#define CALLWORKER_PERSON_PHRASE_H

#include <cjson/cJSON.h>

enum person_phrase_verdict {
	PERSON_PHRASE_NONE,
	PERSON_PHRASE_WANTED,
	PERSON_PHRASE_EXCEPTED,
};

/*
 * Looks for PHRASES, an array of strings (NULL: none), in TRANSCRIPT. Unless
 * NONE, *PHRASE_OUT is the phrase that was found, the array's.
 */
enum person_phrase_verdict person_phrase_find(
    const cJSON *phrases, const char *transcript, const char **phrase_out);

#endif
