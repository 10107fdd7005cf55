/* SPDX-License-Identifier: Apache-2.0
 *
 * Two threads of the producer: one commits, one reclaims. When is a tag read, and what does that have
 * to exclude?
 *
 * Rule: storing the root and reading the tag happen in one critical section of a mutex under which alone
 * the epoch is advanced. The look at the locks needs no mutex. Births are read before the mutex is
 * taken, so they may be older than the allocation.
 *
 * Memory: each thread's store to a shared word is delayed (`root_next`, `epoch_next`; 0: nothing
 * pending) and drains at any moment, at the latest when the thread leaves a critical section.
 *
 * Mutants (must be rejected):
 *   TAG_EARLY          no mutex around the commit; the tag is read before the root is stored
 *   TAG_LATE           no mutex around the commit; the tag is read after the root is stored, while the
 *                      store may still be delayed
 *   EPOCH_AFTER_CHECK  the epoch is advanced after the look at the locks
 *   LIMIT_LATE         frees what is tagged up to the epoch at the time of freeing
 */
#define NB 4
#define NPIN 1
#define EMAX 4
#define GMAX 4
#include "common.pml"

byte root_next = NB; /* NB: nothing pending */
byte epoch_next;
byte epoch_p = 1;    /* the value that all threads of the producer agree on */
bit mutex;
bit list_busy;

#if defined(TAG_EARLY) || defined(TAG_LATE)
#define LOCK_COMMIT skip
#define UNLOCK_COMMIT skip
#else
#define LOCK_COMMIT atomic { mutex == 0 -> mutex = 1 }
#define UNLOCK_COMMIT atomic { root_next == NB -> mutex = 0 }
#endif

proctype committer() {
    byte fresh, born, now, cur;
    do
    :: generation_p == GMAX -> break
    :: else ->
        born = epoch_p;
        LOCK_COMMIT;
        d_step { take_block(fresh) }
        if
        :: fresh == NB -> UNLOCK_COMMIT; break
        :: else
        fi;
        d_step {
            generation_p++;
            stamp(fresh, born);
            content[fresh] = generation_p
        }
#ifndef TAG_LATE
        now = epoch_p;
#endif
        root_next = fresh;
#ifdef TAG_LATE
        now = epoch_p;
#endif
        d_step { retire(cur, now); cur = fresh; now = 0; born = 0; fresh = 0 }
        UNLOCK_COMMIT;
        root_next == NB /* one pending store at a time keeps the model small */
    od
}

inline advance() {
    atomic { mutex == 0 -> mutex = 1; limit = epoch_p; epoch_p++; epoch_next = epoch_p };
    atomic { epoch_next == 0 -> mutex = 0 }
}

proctype reclaimer() {
    byte limit, pinned, b;
    do
    :: epoch_p == EMAX -> break
    :: else ->
#ifdef EPOCH_AFTER_CHECK
        limit = epoch_p;
#else
        advance();
#endif
        /* the look at the locks, one critical section; what GETLK would add is in publish.pml */
        list_busy = 1;
        pinned = (pin[0] && pin[0] <= limit -> (1 << pin[0]) : 0);
        list_busy = 0;
#ifdef EPOCH_AFTER_CHECK
        advance();
#endif
#ifdef LIMIT_LATE
        limit = epoch_p;
#endif
        atomic { mutex == 0 -> free_unpinned(limit, pinned, b); limit = 0; pinned = 0 }
    od
}

proctype drain() {
end: do
    :: atomic { root_next != NB -> root = root_next; root_next = NB }
    :: atomic { epoch_next != 0 -> epoch = epoch_next; epoch_next = 0 }
    od
}

proctype consumer(byte views) {
    byte e, r, want;
    do
    :: views == 0 -> break
    :: else ->
lock:
        e = epoch;
        atomic { list_busy == 0 -> pin[0] = e };
        atomic { r = root; want = content[r] };
        atomic {
            if
            :: epoch != e -> pin[0] = 0; goto lock
            :: else
            fi
        };
        atomic { list_busy == 0 -> assert(want != 0 && content[r] == want); pin[0] = 0;
            views--; e = 0; r = 0; want = 0 }
    od
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE; birth[0] = 1;
        run drain();
        run committer();
        run reclaimer();
        run consumer(2)
    }
}
