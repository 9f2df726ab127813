/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_driver_ported.c - the driver of ring_driver.c, for every port.
 */
#define AMP_RING_PORTED
#include "ring_driver.c"
