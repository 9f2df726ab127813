/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_poll.h - amp_poll() where looks just follow each other: the model's and the bare region's.
 */
#ifndef AMP_PORT_POLL_H
#define AMP_PORT_POLL_H

#include "include/amp.h"

/* Between rounds of looks the CPU listens for an interrupt, since that call knows whether anybody is left who could write
 * what is looked for; an interrupt that comes then is kept. Numbers and rule are amp.port.port.Polling's. -EDEADLK after
 * very many looks. */
int amp_poll_by_looking(const struct amp_port *port, int (*look)(void *state), void *state, size_t bytes, int *found);

#endif
