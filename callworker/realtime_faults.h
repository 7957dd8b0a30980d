/* SPDX-License-Identifier: MIT */
/*
 * realtime_faults.h – which of our faults it is that OpenAI says or does: the
 * codes of its errors, HTTP statuses of the handshake, WebSocket close codes.
 */
#ifndef CALLWORKER_REALTIME_FAULTS_H
#define CALLWORKER_REALTIME_FAULTS_H

#include "common/voice_fault.h"

#include <stdbool.h>

struct websocket_closed;

/* By code, else type, else the words of the message; SERVER when unknown. */
enum voice_fault realtime_error_fault(
    const char *type, const char *code, const char *message);

enum voice_fault realtime_closed_fault(const struct websocket_closed *closed);

/* Whether no later attempt in this session can succeed. */
bool realtime_fault_is_fatal(enum voice_fault fault);

#endif
