package main

import "syscall"

// punctual is the slack of timers, in nanoseconds, of a thread that carries out the core's
// work. The thread that watches Go's scheduler sleeps for 20 us at a time:
// engine_library.c has given all threads a slack of 1 ms, so that this is not all that a
// node does. A thread that works for the core must not have it: before it takes over a
// goroutine that another has just made ready, Go has it sleep for 3 us.
const punctual = 1000

// punctualSteps is of how many steps of the core one has its thread be punctual: that
// stays, and threads that it starts have it too.
const punctualSteps = 8

// bePunctual is called on threads that have stepped the core. A call that fails costs
// time only. It is a raw one, as it cannot block: see boottime in package node.
func bePunctual() { syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_TIMERSLACK, punctual, 0) }
