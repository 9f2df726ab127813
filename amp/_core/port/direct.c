/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct.h"

#include <errno.h>
#include <string.h>

#include "granule.h"

static int check(const struct amp_direct *cpu, uint64_t address, uint64_t length)
{
    return amp_check_range(cpu->shared_start, cpu->shared_end, address, length);
}

static int check_scalar(const struct amp_direct *cpu, uint64_t address, unsigned size)
{
    return amp_check_scalar(cpu->shared_start, cpu->shared_end, address, size);
}

/* One access of the right width, chosen by the size: the compiler may neither split nor merge it. */
#define BY_SIZE(size, DO)       \
    switch (size) {             \
    case 1: DO(uint8_t); break; \
    case 2: DO(uint16_t); break;\
    case 4: DO(uint32_t); break;\
    default: DO(uint64_t); break;\
    }

int amp_direct_load(struct amp_direct *cpu, uint64_t address, unsigned size, int acquire, uint64_t *value)
{
    int error = check_scalar(cpu, address, size);
    void *at;

    if (error)
        return error;
    at = cpu->memory + address; /* not before: a wild address makes no pointer */
#define LOAD(type) *value = acquire ? __atomic_load_n((type *)at, __ATOMIC_ACQUIRE) : *(volatile type *)at
    BY_SIZE(size, LOAD)
#undef LOAD
    return 0;
}

int amp_direct_store(struct amp_direct *cpu, uint64_t address, unsigned size, uint64_t value, int release)
{
    int error = check_scalar(cpu, address, size);
    void *at;

    if (error)
        return error;
    at = cpu->memory + address; /* not before: a wild address makes no pointer */
#define STORE(type)                                                  \
    if (release)                                                     \
        __atomic_store_n((type *)at, (type)value, __ATOMIC_RELEASE); \
    else                                                             \
        *(volatile type *)at = (type)value
    BY_SIZE(size, STORE)
#undef STORE
    return 0;
}

int amp_direct_atomic(struct amp_direct *cpu, uint64_t address, unsigned size, enum amp_atomic op, uint64_t operand,
                      uint64_t expected, uint64_t *old)
{
    int error = check_scalar(cpu, address, size);
    void *at;

    if (error)
        return error;
    at = cpu->memory + address; /* not before: a wild address makes no pointer */
#define ATOMIC(type)                                                                                                 \
    do {                                                                                                             \
        type was = (type)expected;                                                                                   \
        if (op == AMP_ADD)                                                                                           \
            was = __atomic_fetch_add((type *)at, (type)operand, __ATOMIC_SEQ_CST);                                   \
        else if (op == AMP_XCHG)                                                                                     \
            was = __atomic_exchange_n((type *)at, (type)operand, __ATOMIC_SEQ_CST);                                  \
        else                                                                                                         \
            __atomic_compare_exchange_n((type *)at, &was, (type)operand, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
        *old = was;                                                                                                  \
    } while (0)
    BY_SIZE(size, ATOMIC)
#undef ATOMIC
    return 0;
}

int amp_direct_read(struct amp_direct *cpu, uint64_t address, uint8_t *bytes, uint64_t length)
{
    int error = check(cpu, address, length);

    if (!error)
        memcpy(bytes, cpu->memory + address, length);
    return error;
}

int amp_direct_write(struct amp_direct *cpu, uint64_t address, const uint8_t *bytes, uint64_t length)
{
    int error = check(cpu, address, length);

    if (!error)
        memcpy(cpu->memory + address, bytes, length);
    return error;
}
