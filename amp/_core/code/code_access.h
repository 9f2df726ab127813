/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_access.h - what the files of an instruction's accesses know of one another: code_access.c has what all have in
 * common, code_loads.c and code_stores.c the two directions, code_devices.c what is a device's register.
 */
#ifndef AMP_CODE_ACCESS_H
#define AMP_CODE_ACCESS_H

#include "code.h"

void code_fail(struct code_engine *e, int error); /* ends the part */
void code_refuse(struct code_engine *e, uint64_t address, unsigned size);
/* An access that its row wants aligned, and that is not: true, and the part ends with a finding. */
bool code_faults(struct code_engine *e, unsigned type, uint64_t address, unsigned size);
/* How many bytes of it happen at once. */
unsigned code_piece_of(const struct code_row *row, uint64_t address, unsigned size);
/* Which of the row's registers has the bytes at `address`; CODE_DATA or more: none is known. */
uint64_t code_number_at(const struct code_engine *e, uint64_t address);
/* A load of shared memory, or of a device, has returned `word`: its number. */
uint32_t code_loaded(struct code_engine *e, struct amp_word word);

unsigned code_stores_by(struct code_engine *e); /* code_stores.c: the primitive of the row's store, as its site has it */

/* code_devices.c */
/* An access that has bytes of a register, and does not begin where that does: true, and the part ends, refused. */
bool code_cuts_register(struct code_engine *e, uint64_t address, unsigned size);
const struct code_device *code_device_at(const struct code_engine *e, uint64_t address, enum code_device_kind kind);
int code_device_load(struct code_engine *e, const struct code_device *status, unsigned size); /* 0, or an error */
int code_device_store(struct code_engine *e, const struct code_device *device);

#endif
