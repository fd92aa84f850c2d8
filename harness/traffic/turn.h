/* Whose turn it is: what both threads share (schedule, line, connections) is touched in turn only. */
#ifndef TURN_H
#define TURN_H

#include <stdatomic.h>
#include <stdbool.h>

static atomic_flag turn = ATOMIC_FLAG_INIT;

/* A turn is short, and nobody sleeps in it: waiting for it polls. */
static bool try_turn(void)
{
	return !atomic_flag_test_and_set_explicit(&turn, memory_order_acquire);
}

static void take_turn(void)
{
	while (!try_turn())
		;
}

static void give_turn(void)
{
	atomic_flag_clear_explicit(&turn, memory_order_release);
}

#endif
