/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a generation: the futex on the generation word, two waiters, a producer that dies twice.
 * A lost wake-up shows as a deadlock: a waiter sleeps and nobody is left to wake it. The periodic
 * look of real waiters (every 100 ms) is left out, for it would hide just that.
 *
 * Memory: the store of the generation is delayed (`pending`) and drains at any moment, at the latest at
 * the barrier at the start of FUTEX_WAKE. Stores of a dying producer drain too.
 *
 * Kernel: FUTEX_WAIT counts itself, then compares the word and queues in one critical section of the
 * bucket's lock; FUTEX_WAKE has a barrier, returns if nobody is counted, else empties the queue under the
 * bucket's lock.
 *
 * Mutants (must be rejected):
 *   WAKE_BEFORE_STORE    the producer wakes, then stores
 *   EXPECT_RELOADED      the waiter hands the kernel a newer load of the word than the one it judged
 *   QUEUE_AFTER_COMPARE  the kernel compares outside the critical section in which it queues
 *   WAKE_WITHOUT_BARRIER the kernel's look at the count overtakes the store
 *   WAKE_ONLY_REPAIR     a successor wakes only if it had to correct the generation word
 *   NO_REPAIR            a successor does not correct the generation word (it wakes)
 */
#define GMAX 4
#define CRASHES 2

byte root = 1;        /* generation of the current root record */
byte generation = 1;  /* the futex word */
byte pending;         /* delayed store of `generation`; 0: none */
byte waiters;         /* counted in the bucket */
bit queued[2];        /* asleep in the bucket */
bit dying;
bit taken_over = 1;

inline futex_wake() {
#ifndef WAKE_WITHOUT_BARRIER
    pending == 0;
#endif
    if
    :: waiters > 0 -> d_step { queued[0] = 0; queued[1] = 0 }
    :: else
    fi
}

inline store_generation(value) {
    atomic { pending == 0 -> pending = value }
}

inline publish() {
    atomic { pending == 0 -> root = root + 1 };
#ifdef WAKE_BEFORE_STORE
    futex_wake();
    store_generation(root)
#else
    store_generation(root);
    futex_wake()
#endif
}

inline take_over() {
    pending == 0;
    repaired = 0;
#ifndef NO_REPAIR
    if
    :: generation != root -> repaired = 1; store_generation(root)
    :: else
    fi;
#endif
#ifdef WAKE_ONLY_REPAIR
    if
    :: repaired -> futex_wake()
    :: else
    fi;
#else
    futex_wake();
#endif
    atomic { repaired = 0; taken_over = 1 }
}

proctype producer() {
    bit repaired;
alive:
    {
        if
        :: !taken_over -> take_over()
        :: else
        fi;
        do
        :: root < GMAX -> publish()
        :: else -> break
        od
    } unless { dying };
    atomic {
        if
        :: dying -> dying = 0; taken_over = 0; goto alive
        :: else
        fi
    }
}

proctype killer() {
    byte kills;
end: do
    :: atomic { kills < CRASHES && !dying -> kills++; dying = 1 }
    od
}

proctype drain() {
end: do
    :: atomic { pending != 0 -> generation = pending; pending = 0 }
    od
}

/* wait(seen) until the last generation is seen */
proctype waiter(byte me) {
    byte seen, now;
    bit equal;
    do
    :: seen == GMAX -> break
    :: else ->
        now = generation;
        if
        :: now > seen -> assert(now <= root); seen = now
        :: else ->
#ifdef EXPECT_RELOADED
            now = generation;
#endif
            waiters++;
#ifdef QUEUE_AFTER_COMPARE
            equal = (generation == now);
            if
            :: equal -> queued[me] = 1
            :: else
            fi;
#else
            atomic {
                equal = (generation == now);
                if
                :: equal -> queued[me] = 1
                :: else
                fi
            };
#endif
            queued[me] == 0;
            atomic { waiters--; equal = 0 }
        fi
    od
}

init {
    atomic {
        run producer();
        run killer();
        run drain();
        run waiter(0);
        run waiter(1)
    }
}
