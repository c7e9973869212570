// Every register holds a value of its own for a while, and what it holds then is stored.
//
//   void hold_spinning(const struct held *in, struct held *out, long rounds)
//   void hold_sleeping(const struct held *in, struct held *out, const struct timespec *time)
//
// struct held: 14 general registers (all but rsp and rbp's pair of them below), then 16 of 16 bytes.

	.text

	.macro load_all
	movdqu 128(%rdi), %xmm0
	movdqu 144(%rdi), %xmm1
	movdqu 160(%rdi), %xmm2
	movdqu 176(%rdi), %xmm3
	movdqu 192(%rdi), %xmm4
	movdqu 208(%rdi), %xmm5
	movdqu 224(%rdi), %xmm6
	movdqu 240(%rdi), %xmm7
	movdqu 256(%rdi), %xmm8
	movdqu 272(%rdi), %xmm9
	movdqu 288(%rdi), %xmm10
	movdqu 304(%rdi), %xmm11
	movdqu 320(%rdi), %xmm12
	movdqu 336(%rdi), %xmm13
	movdqu 352(%rdi), %xmm14
	movdqu 368(%rdi), %xmm15
	mov 0(%rdi), %rax
	mov 8(%rdi), %rbx
	mov 16(%rdi), %rcx
	mov 24(%rdi), %rdx
	mov 32(%rdi), %rsi
	mov 40(%rdi), %rbp
	mov 48(%rdi), %r8
	mov 56(%rdi), %r9
	mov 64(%rdi), %r10
	mov 72(%rdi), %r11
	mov 80(%rdi), %r12
	mov 88(%rdi), %r13
	mov 96(%rdi), %r14
	mov 104(%rdi), %r15
	mov 112(%rdi), %rdi
	.endm

	.macro store_all
	xchg %rdi, 8(%rsp)
	mov %rax, 0(%rdi)
	mov %rbx, 8(%rdi)
	mov %rcx, 16(%rdi)
	mov %rdx, 24(%rdi)
	mov %rsi, 32(%rdi)
	mov %rbp, 40(%rdi)
	mov %r8, 48(%rdi)
	mov %r9, 56(%rdi)
	mov %r10, 64(%rdi)
	mov %r11, 72(%rdi)
	mov %r12, 80(%rdi)
	mov %r13, 88(%rdi)
	mov %r14, 96(%rdi)
	mov %r15, 104(%rdi)
	mov 8(%rsp), %rax
	mov %rax, 112(%rdi)
	movdqu %xmm0, 128(%rdi)
	movdqu %xmm1, 144(%rdi)
	movdqu %xmm2, 160(%rdi)
	movdqu %xmm3, 176(%rdi)
	movdqu %xmm4, 192(%rdi)
	movdqu %xmm5, 208(%rdi)
	movdqu %xmm6, 224(%rdi)
	movdqu %xmm7, 240(%rdi)
	movdqu %xmm8, 256(%rdi)
	movdqu %xmm9, 272(%rdi)
	movdqu %xmm10, 288(%rdi)
	movdqu %xmm11, 304(%rdi)
	movdqu %xmm12, 320(%rdi)
	movdqu %xmm13, 336(%rdi)
	movdqu %xmm14, 352(%rdi)
	movdqu %xmm15, 368(%rdi)
	.endm

	.macro enter
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	push %rdx
	.endm

	.macro leave_all
	add $16, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.endm

	.globl hold_spinning
	.type hold_spinning, @function
hold_spinning:
	enter
	load_all
1:
	decq (%rsp)
	jnz 1b
	store_all
	leave_all
	.size hold_spinning, .-hold_spinning

	.globl hold_sleeping
	.type hold_sleeping, @function
hold_sleeping:
	enter
	load_all
	// nanosleep(time, 0), with rax, rdi and rsi as it needs them.
	mov $35, %eax
	mov (%rsp), %rdi
	xor %esi, %esi
	syscall
	store_all
	leave_all
	.size hold_sleeping, .-hold_sleeping

	.section .note.GNU-stack, "", @progbits
