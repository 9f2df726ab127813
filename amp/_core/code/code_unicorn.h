/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * code_unicorn.h - what is used of Unicorn (unicorn-engine.org, 2.1), an emulator of instruction sets: prototypes and
 * numbers as its unicorn.h has them. Nothing is linked: the caller hands over the addresses of the functions in a library
 * that it has loaded, in the order of this table.
 */
#ifndef AMP_CODE_UNICORN_H
#define AMP_CODE_UNICORN_H

#include <stddef.h>
#include <stdint.h>

typedef void uc_engine;
typedef void uc_context;

struct code_unicorn {
    int (*emu_start)(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count);
    int (*emu_stop)(uc_engine *uc);
    int (*reg_read)(uc_engine *uc, int id, void *value);
    int (*reg_write)(uc_engine *uc, int id, const void *value);
    int (*mem_map_ptr)(uc_engine *uc, uint64_t address, uint64_t size, uint32_t permissions, void *host);
    int (*hook_add)(uc_engine *uc, size_t *hook, int type, void *callback, void *user, uint64_t begin, uint64_t end, ...);
    int (*context_alloc)(uc_engine *uc, uc_context **context);
    int (*context_save)(uc_engine *uc, uc_context *context);
    int (*context_restore)(uc_engine *uc, uc_context *context);
    int (*context_free)(uc_context *context);
};
#define CODE_UNICORN_FUNCTIONS (sizeof(struct code_unicorn) / sizeof(void *))

enum { UC_PROT_READ = 1, UC_PROT_WRITE = 2, UC_PROT_EXEC = 4 };
enum {
    UC_HOOK_INTR = 1,
    UC_HOOK_CODE = 4,
    UC_HOOK_MEM_INVALID = 16 | 32 | 64 | 128 | 256 | 512, /* unmapped or not allowed, each to read, write, fetch */
    UC_HOOK_MEM_READ = 1024,
    UC_HOOK_MEM_WRITE = 2048,
};
/* uc_mem_type, what a hook is told */
enum {
    UC_MEM_READ = 16,
    UC_MEM_WRITE,
    UC_MEM_FETCH,
    UC_MEM_READ_UNMAPPED,
    UC_MEM_WRITE_UNMAPPED,
    UC_MEM_FETCH_UNMAPPED,
    UC_MEM_WRITE_PROT,
    UC_MEM_READ_PROT,
    UC_MEM_FETCH_PROT,
};
enum { UC_ERR_INSN_INVALID = 10, UC_ERR_EXCEPTION = 21 };

#endif
