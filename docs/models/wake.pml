/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a generation: the futex on the generation word, two waiters, a producer that dies twice
 * and wakes only if somebody may wait. Its second thread, the waker, finds that out, and
 * wakes whom a commit leaves asleep: that wakes one itself (any of them), and if there was one, raises a
 * flag and rings a bell.
 * A lost wake-up shows as a deadlock: a waiter sleeps and nobody is left to wake it. The periodic
 * look of real waiters (every 100 ms) is left out, for it would hide just that.
 *
 * Memory: the store of the generation is delayed (`pending`) and drains at any moment, at the latest at
 * the barrier at the start of FUTEX_WAKE. Stores of a dying producer drain too.
 *
 * Waiters announce themselves once with a lock and a read, which fires the waker's watch; each may detach
 * and attach anew: then its descriptions are closed, which drops the lock and fires the watch, in either
 * order. What the waker does after being fired is modelled; that it looks once more a little later is not,
 * for it would hide lost wake-ups too. Its barrier on the committing thread is the drained store.
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
 *   PRESENT_BEFORE_STORE the producer asks whether anybody waits before it stores the generation
 *   NO_FINDERS_BARRIER   the waker wakes without a barrier on the committing thread
 *   NO_FINDERS_WAKE      the waker does not wake whom it finds
 *   READ_BEFORE_LOCK     a waiter fires the watch before it has its lock
 *   LOOK_BEFORE_DRAIN    the waker looks, then takes note of having been fired
 *   NO_HANDOVER          whoever a commit leaves asleep is nobody's business
 *   BELL_BEFORE_FLAG     the commit rings, then raises the flag
 *   FLAG_BEFORE_BELL     the waker takes the flag down and wakes, then stops the bell
 *   FLAG_KEPT_UP         the bell cannot be rung, and the commit leaves the flag raised
 * With REFUSED the bell cannot be rung: the commit takes the flag down and wakes all by itself.
 */
#ifndef GMAX
#define GMAX 3
#endif
#define CRASHES 2

byte root = 1;        /* generation of the current root record */
byte generation = 1;  /* the futex word */
byte pending;         /* delayed store of `generation`; 0: none */
byte waiters;         /* counted in the bucket */
bit queued[2];        /* asleep in the bucket */
bit dying;
bit taken_over = 1;
bit announced[2];     /* locks */
bit fired;            /* the waker's watch */
bit present = 1;      /* by the producer: somebody waits */
bit flag;             /* there may be somebody for the waker to wake */
bit bell;             /* the waker's event */
bit waker_dying;
bit waker_dead;

inline wake_queued() {
    if
    :: waiters > 0 -> d_step { queued[0] = 0; queued[1] = 0 }
    :: else
    fi
}

inline futex_wake() {
#ifndef WAKE_WITHOUT_BARRIER
    pending == 0;
#endif
    wake_queued()
}

/* a commit's: one itself, the other through the waker */
inline wake_few() {
    atomic {
#ifndef WAKE_WITHOUT_BARRIER
        pending == 0 ->
#endif
        if
        :: waiters > 0 && queued[0] -> queued[0] = 0; more = 1
        :: waiters > 0 && queued[1] -> queued[1] = 0; more = 1
        :: else
        fi
    };
    if
    :: more ->
#ifdef NO_HANDOVER
        more = 0
#else
#ifdef BELL_BEFORE_FLAG
        bell = 1;
        atomic { flag = 1; more = 0 }
#else
        atomic { more = !flag; flag = 1 };
        if
        :: more ->
#ifdef REFUSED
#ifndef FLAG_KEPT_UP
            flag = 0;
#endif
            wake_queued();
            more = 0
#else
            atomic { bell = 1; more = 0 }
#endif
        :: else
        fi
#endif
#endif
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
#ifdef PRESENT_BEFORE_STORE
    seen_present = present;
    store_generation(root);
#else
    store_generation(root);
    seen_present = present;
#endif
    if
    :: seen_present -> wake_few()
    :: else
    fi;
    seen_present = 0
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
    atomic {
        repaired = 0;
        taken_over = 1
    }
}

proctype producer() {
    bit repaired;
    bit seen_present;
    bit more;    /* somebody was woken: there may be more; then: the flag was down */
alive:
    {
        if
        :: !taken_over -> take_over()
        :: else
        fi;
        do
        :: root < GMAX -> publish()
        :: else -> break
        od;
end_idle:
        false
    } unless { dying };
end_dead:
    atomic {
        waker_dead ->
            dying = 0;
            taken_over = 0;
            repaired = 0;
            seen_present = 0;
            more = 0;
            present = 1;
            goto alive
    }
}

inline look() {
    seen = announced[0] || announced[1];
    if
    :: !seen -> present = 0
    :: seen && !present ->
        present = 1;
#ifndef NO_FINDERS_BARRIER
        pending == 0;
#endif
#ifndef NO_FINDERS_WAKE
        wake_queued()
#endif
    :: seen && present
    fi
}

proctype waker() {
    bit seen;
alive:
    {
        fired = 1;  /* it looks at once */
end_calm:
        do
#ifdef LOOK_BEFORE_DRAIN
        :: fired -> look(); fired = 0
#else
        :: atomic { fired -> fired = 0 };
            look()
#endif
#ifndef REFUSED
#ifdef FLAG_BEFORE_BELL
        :: bell ->
            if
            :: atomic { flag -> flag = 0 };
                wake_queued();
                bell = 0
            :: atomic { !flag -> bell = 0 }
            fi
#else
        :: atomic { bell -> bell = 0 };
            if
            :: atomic { flag -> flag = 0 };
                wake_queued()
            :: else
            fi
#endif
#endif
        od
    } unless { waker_dying };
    atomic { waker_dying = 0; waker_dead = 1; seen = 0; flag = 0; bell = 0 };
end_dead:
    atomic { taken_over && !dying -> waker_dead = 0 };
    goto alive
}

proctype killer() {
    byte kills;
end: do
    :: atomic { kills < CRASHES && !dying && !waker_dead && taken_over ->
        kills++;
        dying = 1;
        waker_dying = 1
    }
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
        :: now > seen ->
            assert(now <= root);
            seen = now;
            if
            :: true
            :: announced[me] -> announced[me] = 0; fired = 1
            :: announced[me] -> fired = 1; announced[me] = 0
            fi
        :: else ->
#ifdef EXPECT_RELOADED
            now = generation;
#endif
            if
            :: announced[me]
            :: !announced[me] ->
#ifdef READ_BEFORE_LOCK
                fired = 1;
                announced[me] = 1
#else
                announced[me] = 1;
                fired = 1
#endif
            fi;
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
        run waker();
        run killer();
        run drain();
        run waiter(0);
        run waiter(1)
    }
}
