/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_device_ported.c - the device of ring_device.c, for every port.
 */
#define AMP_RING_PORTED
#include "ring_device.c"
