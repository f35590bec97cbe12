// memcpy, memmove, memset, memcmp, bcmp with the C calling convention.
//
// Short moves load everything before they store anything, so overlap does not matter. Long moves
// load the 64 bytes at the end that the loop reaches last before the loop starts: they are stored
// after it, and the loop needs no exact count.

    .section .text.memcpy, "ax"
    .global memcpy
    .type memcpy, %function
    .global memmove
    .type memmove, %function
    .balign 16
memcpy:
memmove:
    add     x4, x1, x2              // end of source
    add     x5, x0, x2              // end of destination
    cmp     x2, #16
    b.lo    20f
    cmp     x2, #32
    b.hi    30f
    ldr     q0, [x1]                // 16 to 32
    ldr     q1, [x4, #-16]
    str     q0, [x0]
    str     q1, [x5, #-16]
    ret
20: tbz     x2, #3, 21f
    ldr     x6, [x1]                // 8 to 15
    ldr     x7, [x4, #-8]
    str     x6, [x0]
    str     x7, [x5, #-8]
    ret
21: tbz     x2, #2, 22f
    ldr     w6, [x1]                // 4 to 7
    ldr     w7, [x4, #-4]
    str     w6, [x0]
    str     w7, [x5, #-4]
    ret
22: cbz     x2, 23f
    lsr     x3, x2, #1              // 1 to 3: first, middle, last
    ldrb    w6, [x1]
    ldrb    w7, [x4, #-1]
    ldrb    w8, [x1, x3]
    strb    w6, [x0]
    strb    w8, [x0, x3]
    strb    w7, [x5, #-1]
23: ret
30: cmp     x2, #64
    b.hi    40f
    ldp     q0, q1, [x1]            // 33 to 64
    ldp     q2, q3, [x4, #-32]
    stp     q0, q1, [x0]
    stp     q2, q3, [x5, #-32]
    ret
40: cmp     x2, #128
    b.hi    50f
    ldp     q0, q1, [x1]            // 65 to 128
    ldp     q2, q3, [x1, #32]
    ldp     q4, q5, [x4, #-64]
    ldp     q6, q7, [x4, #-32]
    stp     q0, q1, [x0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x5, #-64]
    stp     q6, q7, [x5, #-32]
    ret
50: sub     x3, x0, x1              // destination within the source: from the end
    cmp     x3, x2
    b.lo    60f
    ldp     q16, q17, [x4, #-64]
    ldp     q18, q19, [x4, #-32]
    mov     x6, x0
    subs    x2, x2, #192            // but for the end, and 128 bytes ahead
    b.lo    52f
51: ldp     q0, q1, [x1], #128
    ldp     q2, q3, [x1, #-96]
    ldp     q4, q5, [x1, #-64]
    ldp     q6, q7, [x1, #-32]
    stp     q0, q1, [x6], #128
    stp     q2, q3, [x6, #-96]
    stp     q4, q5, [x6, #-64]
    stp     q6, q7, [x6, #-32]
    subs    x2, x2, #128
    b.hs    51b
52: tbz     x2, #6, 53f             // 0 to 127 are left before the end
    ldp     q0, q1, [x1], #64
    ldp     q2, q3, [x1, #-32]
    stp     q0, q1, [x6], #64
    stp     q2, q3, [x6, #-32]
53: tst     x2, #63
    b.eq    54f
    ldp     q0, q1, [x1]
    ldp     q2, q3, [x1, #32]
    stp     q0, q1, [x6]
    stp     q2, q3, [x6, #32]
54: stp     q16, q17, [x5, #-64]
    stp     q18, q19, [x5, #-32]
    ret
60: ldp     q16, q17, [x1]
    ldp     q18, q19, [x1, #32]
61: ldp     q0, q1, [x4, #-32]
    ldp     q2, q3, [x4, #-64]
    stp     q0, q1, [x5, #-32]
    stp     q2, q3, [x5, #-64]
    sub     x4, x4, #64
    sub     x5, x5, #64
    sub     x2, x2, #64
    cmp     x2, #64
    b.hi    61b
    stp     q16, q17, [x0]
    stp     q18, q19, [x0, #32]
    ret
    .size memcpy, . - memcpy
    .size memmove, . - memmove

    .section .text.memset, "ax"
    .global memset
    .type memset, %function
    .balign 16
memset:
    dup     v0.16b, w1
    add     x4, x0, x2              // end
    cmp     x2, #16
    b.lo    20f
    cmp     x2, #64
    b.hi    40f
    str     q0, [x0]                // 16 to 64: overlapping pieces from both ends
    str     q0, [x4, #-16]
    cmp     x2, #32
    b.ls    10f
    str     q0, [x0, #16]
    str     q0, [x4, #-32]
10: ret
20: fmov    x6, d0
    tbz     x2, #3, 21f
    str     x6, [x0]                // 8 to 15
    str     x6, [x4, #-8]
    ret
21: tbz     x2, #2, 22f
    str     w6, [x0]                // 4 to 7
    str     w6, [x4, #-4]
    ret
22: cbz     x2, 23f
    lsr     x3, x2, #1              // 1 to 3
    strb    w6, [x0]
    strb    w6, [x0, x3]
    strb    w6, [x4, #-1]
23: ret
40: mov     x5, x0
41: stp     q0, q0, [x5]
    stp     q0, q0, [x5, #32]
    add     x5, x5, #64
    sub     x2, x2, #64
    cmp     x2, #64
    b.hi    41b
    stp     q0, q0, [x4, #-64]
    stp     q0, q0, [x4, #-32]
    ret
    .size memset, . - memset

    .section .text.memcmp, "ax"
    .global memcmp
    .type memcmp, %function
    .global bcmp
    .type bcmp, %function
    .balign 16
memcmp:
bcmp:
    cmp     x2, #8
    b.lo    20f
10: ldr     x3, [x0], #8
    ldr     x4, [x1], #8
    cmp     x3, x4
    b.ne    30f
    sub     x2, x2, #8
    cmp     x2, #8
    b.hs    10b
20: cbz     x2, 40f
21: ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    subs    w5, w3, w4
    b.ne    41f
    sub     x2, x2, #1
    cbnz    x2, 21b
40: mov     w0, #0
    ret
41: mov     w0, w5
    ret
30: rev     x3, x3                  // the first byte that differs decides
    rev     x4, x4
    cmp     x3, x4
    mov     w0, #1
    cneg    w0, w0, lo
    ret
    .size memcmp, . - memcmp
    .size bcmp, . - bcmp
