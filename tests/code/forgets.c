/* SPDX-License-Identifier: BSD-3-Clause */
/* Loops that wait, and remember something where a compiler would keep nothing. See test_code_forgets.py. */
#include <stdint.h>

#include "amp_code.h"

#define SHARED(offset) (*(volatile uint32_t *)(0x40000000ul + (offset)))
#define FUNCTION(name, body)                                                                                    \
    __asm__(".text\n.type " #name ", %function\n" #name ":\n" body ".size " #name ", . - " #name "\n"); \
    uint32_t name(void);                                                                                        \
    void remembers_##name(void)                                                                                 \
    {                                                                                                           \
        if (name() == 2)                                                                                        \
            amp_fail("2 came before 3");                                                                        \
    }

void counts_to_three(void)
{
    SHARED(0) = 1;
    SHARED(0) = 2;
    SHARED(0) = 3;
}

void writes_twice(void)
{
    SHARED(8) = 2;
    amp_mb();
    SHARED(8) = 4;
    amp_mb();
    SHARED(0) = 1;
}

#if defined(__aarch64__)
/* Below the stack pointer. */
FUNCTION(below,
         "    mov x1, #0x40000000\n"
         "    str wzr, [sp, #-16]\n"
         "1:  ldr w0, [x1]\n"
         "    cmp w0, #3\n"
         "    b.eq 2f\n"
         "    str w0, [sp, #-16]\n"
         "    b 1b\n"
         "2:  ldr w0, [sp, #-16]\n"
         "    ret\n")

/* In the frame that a callee has left. */
__asm__(".type keep, %function\nkeep: str w0, [sp, #-32]\n    ret\n.size keep, . - keep\n"
        ".type kept, %function\nkept: ldr w0, [sp, #-32]\n    ret\n.size kept, . - kept\n");
FUNCTION(frame,
         "    stp x29, x30, [sp, #-16]!\n"
         "    mov x1, #0x40000000\n"
         "    mov w0, #0\n"
         "    bl keep\n"
         "1:  ldr w0, [x1]\n"
         "    cmp w0, #3\n"
         "    b.eq 2f\n"
         "    bl keep\n"
         "    b 1b\n"
         "2:  bl kept\n"
         "    ldp x29, x30, [sp], #16\n"
         "    ret\n")

/* In a scratch register, which a function called by pointer is free to overwrite, and does not. */
__asm__(".type leaves, %function\nleaves: mov x0, #0x40000000\n    ldr w0, [x0]\n    ret\n.size leaves, . - leaves\n");
FUNCTION(scratch,
         "    stp x29, x30, [sp, #-16]!\n"
         "    mov w9, #0\n"
         "    adr x8, leaves\n"
         "1:  blr x8\n"
         "    cmp w0, #3\n"
         "    b.eq 2f\n"
         "    mov w9, w0\n"
         "    b 1b\n"
         "2:  mov w0, w9\n"
         "    ldp x29, x30, [sp], #16\n"
         "    ret\n")

/* What looks like a return is a jump to where the register is read. */
FUNCTION(jump,
         "    mov x1, #0x40000000\n"
         "    mov w9, #0\n"
         "    adr x5, 3f\n"
         "1:  ldr w0, [x1]\n"
         "    cmp w0, #3\n"
         "    b.eq 2f\n"
         "    mov w9, w0\n"
         "    b 1b\n"
         "2:  ret x5\n"
         "3:  mov w0, w9\n"
         "    br x30\n")

/* In the half of a vector that an instruction of the loop's head leaves as it is. */
FUNCTION(half,
         "    mov x1, #0x40000000\n"
         "    movi v0.2d, #0\n"
         "1:  fmov v0.d[1], xzr\n"
         "    ldr w0, [x1]\n"
         "    cmp w0, #3\n"
         "    b.eq 2f\n"
         "    ins v0.s[0], w0\n"
         "    b 1b\n"
         "2:  umov w0, v0.s[0]\n"
         "    ret\n")

/* A slot of the frame is overwritten in every round; the next one may read it before, by the index that it has loaded. */
FUNCTION(slot,
         "    sub sp, sp, #32\n"
         "    stp xzr, xzr, [sp, #16]\n"
         "    add x5, sp, #16\n"
         "    mov x1, #0x40000000\n"
         "1:  ldr w0, [x1]\n"
         "    ldr x6, [x5, x0, lsl #3]\n"
         "    ldr w2, [x1, #8]\n"
         "    str x2, [sp, #24]\n"
         "    cbz w0, 1b\n"
         "    add sp, sp, #32\n"
         "    mov w0, w6\n"
         "    ret\n")
#endif

#if defined(__arm__)
/* In the other half of a double that the loop's head loads into. */
FUNCTION(other,
         "    .fpu vfpv3-d16\n"
         "    push {r4, lr}\n"
         "    mov r1, #0x40000000\n"
         "    mov r3, #0\n"
         "    vmov s1, r3\n"
         "1:  vmov s0, r3\n"
         "    ldr r0, [r1]\n"
         "    cmp r0, #3\n"
         "    beq 2f\n"
         "    vmov s1, r0\n"
         "    b 1b\n"
         "2:  vmov r0, s1\n"
         "    pop {r4, pc}\n")

/* In the carry flag, which an instruction that sets the others leaves as it is: 1 and 2 are both below 3, and 2 not below 2. */
FUNCTION(carry,
         "    push {r4, lr}\n"
         "    mov r1, #0x40000000\n"
         "    mov r3, #0\n"
         "    cmp r3, #2\n"
         "1:  movs r2, #0\n"
         "    ldr r0, [r1]\n"
         "    teq r0, #3\n"
         "    beq 2f\n"
         "    cmp r0, #2\n"
         "    b 1b\n"
         "2:  ite cs\n"
         "    movcs r0, #2\n"
         "    movcc r0, #0\n"
         "    pop {r4, pc}\n")
#endif

#if defined(__x86_64__)
/* In an argument of a function that is called through a thunk, whose return is the jump. */
__asm__(".text\n.type thunk, %function\n"
        "thunk:  call 2f\n"
        "1:      pause\n"
        "        jmp 1b\n"
        "2:      mov %rax, (%rsp)\n"
        "        ret\n"
        ".size thunk, . - thunk\n"
        ".type either, %function\n"
        "either: mov 0x40000000, %ecx\n"
        "        cmp $3, %ecx\n"
        "        je 1f\n"
        "        mov %ecx, %r10d\n"
        "1:      mov %r10d, %edi\n"
        "        ret\n"
        ".size either, . - either\n");
FUNCTION(argument,
         "        xor %r10d, %r10d\n"
         "1:      lea either, %rax\n"
         "        call thunk\n"
         "        cmp $3, %ecx\n"
         "        jne 1b\n"
         "        mov %edi, %eax\n"
         "        ret\n")
#endif

void _start(void)
{
}
