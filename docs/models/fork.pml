/* SPDX-License-Identifier: Apache-2.0
 *
 * Fork: a consumer with two views forks; parent and child go on reading and releasing in any order.
 *
 * Kernel: a lock belongs to an open file description and lasts until it is dropped through any
 * descriptor of that description, or until the last of these is closed. Description 0 is the
 * parent's; description 1 is opened afresh in prepare. Bytes carry the pid that took them: `pin` has
 * for each epoch one slot for (description 0), (1, parent's name) and (1, child's name).
 *
 * Fallback: if no fresh description can be had, both processes use description 0 and never unlock.
 *
 * Mutants (must be rejected):
 *   NO_LOCK_IN_PREPARE  the fresh description gets no locks
 *   LOCK_IN_CHILD       it gets them in the child, after fork has returned in the parent
 *   ONE_LOCK            only the newer view's epoch is locked on it
 *   IDLE_NOT_HANDED     a pin that no snapshot needs at the moment is not locked on it, but the child
 *                       keeps the cached view
 *   RELOCK_GAP          the child drops the byte with the parent's name before it locks its own
 *   CHILD_KEEPS_OLD     the child closes the fresh description and unlocks through the parent's
 *   UNLOCK_SHARED       in the fallback the processes unlock as if they were alone
 *   LEAVE_FIRST         the shared description is left before the locks stand on the own one
 *   ONE_LOCK_TAKEN_ALONG only the newer view's epoch is locked on it
 *   SHARED_FOR_GOOD     the own description is used, but nothing is ever unlocked on it either
 */
#define NB 3
#define EMAX 3
#ifndef GMAX
#define GMAX 4
#endif
#define NPIN (5 * EMAX)
#include "common.pml"

#define AT(place, e) ((place) * EMAX + (e) - 1)
#define LOCKED(e) (pin[AT(0, e)] || pin[AT(1, e)] || pin[AT(2, e)] || pin[AT(3, e)] || pin[AT(4, e)])
/* the first of the places of a description */
#define FIRST(d) ((d) == 0 -> 0 : ((d) == 1 -> EMAX : ((d) + 1) * EMAX))
#ifdef SHARED_FOR_GOOD
#define SHARED(place) shared
#else
#define SHARED(place) (shared && (place) == 0)
#endif

byte users[4];   /* processes that have the description open */
bit shared;      /* fallback: description 0 is shared */
byte epoch_p = 1;

proctype producer() {
    byte fresh, cur, limit, pinned, p, b;
    do
    :: atomic { generation_p < GMAX ->
            d_step { take_block(fresh) }
            if
            :: fresh < NB ->
                d_step {
                    generation_p++;
                    stamp(fresh, epoch_p);
                    content[fresh] = generation_p;
                    root = fresh;
                    retire(cur, epoch_p);
                    cur = fresh;
                    fresh = 0
                }
            :: else -> fresh = 0; if :: epoch_p == EMAX -> break :: else -> goto reclaim fi
            fi
        }
    :: epoch_p < EMAX ->
reclaim:
        atomic { limit = epoch_p; epoch_p++; epoch = epoch_p };
        /* epoch by epoch; that the attempt comes first is in publish.pml */
        p = 1;
        do
        :: d_step { p <= limit -> pinned = pinned | (LOCKED(p) -> (1 << p) : 0); p++ }
        :: atomic { p > limit -> p = 0; break }
        od;
        atomic { free_unpinned(limit, pinned, b); limit = 0; pinned = 0 }
    :: atomic { generation_p == GMAX && epoch_p == EMAX -> break }
    od
}

/* a view: pinned epoch (0: none), root, what the root held */
inline take_view(place, e, r, want) {
    do
    :: e = epoch;
        atomic { mine = !pin[AT(place, e)]; pin[AT(place, e)] = 1 };
        atomic { r = root; want = content[r] };
        atomic {
            if
            :: epoch == e -> mine = 0; break
            :: else ->
                if
                :: mine && !SHARED(place) -> pin[AT(place, e)] = 0
                :: else
                fi;
                e = 0; r = 0; want = 0; mine = 0
            fi
        }
    od
}

/* the last look at a view, and one use of its pin less; `other` is the epoch of the process's other view */
inline drop_view(place, e, r, want, other) {
    atomic {
        if
        :: e ->
            assert(want != 0 && content[r] == want);
            if
#ifdef UNLOCK_SHARED
            :: e != other -> pin[AT(place, e)] = 0
#else
            :: e != other && !SHARED(place) -> pin[AT(place, e)] = 0
#endif
            :: else
            fi;
            e = 0; r = 0; want = 0
        :: else
        fi
    }
}

/* one process less that has the description open */
inline close_description(d) {
    d_step {
        users[d]--;
        if
        :: users[d] == 0 ->
            i = FIRST(d);
            do
            :: i < FIRST(d + 1) -> pin[i] = 0; i++
            :: else -> break
            od;
            i = 0
        :: else
        fi
    }
}

/* In the fallback: if there is a description of its own to be had now, the process goes over to it; e0, e1
 * are the epochs that its views need. */
inline separate(place, d, e0, e1) {
    if
    :: shared && place == 0 ->
        users[d] = 1;
#ifdef LEAVE_FIRST
        close_description(0);
#endif
#ifndef ONE_LOCK_TAKEN_ALONG
        if :: e0 -> pin[AT(d + 1, e0)] = 1 :: else fi;
#endif
        if :: e1 -> pin[AT(d + 1, e1)] = 1 :: else fi;
#ifndef LEAVE_FIRST
        close_description(0);
#endif
        place = d + 1
    :: skip
    fi
}

/* the same when no view is left */
inline separate_unpinned(place, d) {
    if
    :: shared && place == 0 -> users[d] = 1; close_description(0); place = d + 1
    :: skip
    fi
}

/* the process has dropped all its views */
inline check_unpinned(place) {
    d_step {
        if
        :: place >= 3 ->
            i = place * EMAX;
            do
            :: i < (place + 1) * EMAX -> assert(!pin[i]); i++
            :: else -> break
            od;
            i = 0
        :: else
        fi
    }
}

proctype child(byte e0, r0, want0, e1, r1, want1, fresh) {
    byte i, place;
    bit mine;
    if
    :: fresh ->
#ifdef LOCK_IN_CHILD
        if :: e0 -> pin[AT(1, e0)] = 1 :: else fi;
        if :: e1 -> pin[AT(1, e1)] = 1 :: else fi;
#endif
#ifdef CHILD_KEEPS_OLD
        close_description(1)
#else
        close_description(0); /* dup3 of the fresh one over the inherited one */
        place = 2;
#ifdef RELOCK_GAP
        if :: e0 -> pin[AT(1, e0)] = 0; pin[AT(2, e0)] = 1 :: else fi;
        if :: e1 && e1 != e0 -> pin[AT(1, e1)] = 0; pin[AT(2, e1)] = 1 :: else fi
#else
        if :: e0 -> pin[AT(2, e0)] = 1; pin[AT(1, e0)] = 0 :: else fi;
        if :: e1 && e1 != e0 -> pin[AT(2, e1)] = 1; pin[AT(1, e1)] = 0 :: else fi
#endif
#endif
    :: else
    fi;
    separate(place, 3, e0, e1);
    if
    :: skip -> drop_view(place, e0, r0, want0, e1); drop_view(place, e1, r1, want1, e0)
    :: skip -> drop_view(place, e1, r1, want1, e0); drop_view(place, e0, r0, want0, e1)
    fi;
    separate_unpinned(place, 3);
    take_view(place, e0, r0, want0);
    drop_view(place, e0, r0, want0, e1);
    check_unpinned(place);
    if
    :: place == 0 -> close_description(0)
    :: place == 4 -> close_description(3)
    :: else -> close_description(1)
    fi
}

proctype parent() {
    byte e0, r0, want0, e1, r1, want1, i, place;
    bit mine, fresh, idle;
    take_view(0, e0, r0, want0);
    if
    :: skip -> take_view(0, e1, r1, want1)
    :: skip
    fi;
    if
    :: idle = 1 /* no snapshot of the older view lives; the view stays cached with its pin */
    :: skip
    fi;
    /* prepare: no other thread pins or unpins until fork is over */
    if
    :: fresh = 1; users[1] = 1;
#ifdef IDLE_NOT_HANDED
        if :: !idle -> pin[AT(1, e0)] = 1 :: else fi;
#elif !defined(NO_LOCK_IN_PREPARE) && !defined(LOCK_IN_CHILD) && !defined(ONE_LOCK)
        pin[AT(1, e0)] = 1;
#endif
#if !defined(NO_LOCK_IN_PREPARE) && !defined(LOCK_IN_CHILD)
        if :: e1 -> pin[AT(1, e1)] = 1 :: else fi
#else
        skip
#endif
    :: fresh = 0 /* EMFILE */
    fi;
    atomic { /* fork */
        users[0]++;
        if
        :: fresh -> users[1]++
        :: else -> shared = 1
        fi;
        run child(e0, r0, want0, e1, r1, want1, fresh)
    };
    /* parent's handler */
    if
    :: fresh -> close_description(1)
    :: else
    fi;
    separate(place, 2, e0, e1);
    if
    :: skip -> drop_view(place, e0, r0, want0, e1); drop_view(place, e1, r1, want1, e0)
    :: skip -> drop_view(place, e1, r1, want1, e0); drop_view(place, e0, r0, want0, e1)
    fi;
    separate_unpinned(place, 2);
    take_view(place, e0, r0, want0);
    drop_view(place, e0, r0, want0, e1);
    check_unpinned(place);
    if
    :: place == 0 -> close_description(0)
    :: else -> close_description(2)
    fi
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE; birth[0] = 1; users[0] = 1;
        run producer();
        run parent()
    }
}
