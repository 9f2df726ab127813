/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_explored.h - the port of an explored part.
 */
#ifndef AMP_PORT_EXPLORED_H
#define AMP_PORT_EXPLORED_H

#include "explored.h"

void amp_port_explored(struct amp_port *port, struct amp_seat *seat, struct xp_part *part);

#endif
