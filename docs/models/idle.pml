/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside one consumer: who closes a view, and when. One thread takes and drops snapshots through its
 * hazard slot (two plain stores) and may copy them, one through the view's count; the keeper releases a pin that nobody uses
 * when the producer has moved the epoch on. Views of one epoch share a pin.
 *
 * Memory: stores to the hazard slot and the nudge go through the writing thread's store buffer and drain at any
 * later moment; heavy_barrier() (membarrier) returns when all buffers were empty once. Atomic
 * read-modify-write steps and releasing the mutex drain the own buffer.
 *
 * Checked: a view in use keeps its generation and its blocks; no view is closed twice; a view that was
 * just made current is not retired; and once no snapshot lives and the keeper sleeps, no epoch but
 * the newest is pinned. (The last breaks if a wake-up or a nudge gets lost.)
 *
 * REFUSED: the kernel may refuse the barrier from the start, or at any time and from then on (C23). The closer
 * that is refused marks the current view and the slot as fenced and waits until what was under way has drained;
 * whoever finds a mark drains the own buffer before the look that matters.
 *
 * Mutants (must be rejected):
 *   NO_BARRIER           the closer looks at the hazard slots without a barrier
 *   NO_SECOND_BARRIER    it looks again after the nudge without a barrier
 *   LOOK_BEFORE_FLAG     it looks at the hazard slots, then flags the view
 *   NO_NUDGE             a closer that gives way does not tell the holder
 *   FLAGS_IGNORED        the fast path compares generations only
 *   KEEPER_LOADS_LATE    the keeper sleeps on an epoch that it loaded after looking at the views
 *   LAST_USER_LEAVES     who drops the last count of a retired view does not come back to close it
 *   RETIRE_SELF          a closed current view is opened again as the new one, then retired as the old
 *   NO_RECOUNT           the closer does not look at the counts again after the hazard slots
 *   UNCOUNTED_PIN        the lock is dropped with one view although another one shares the pin
 * and with REFUSED:
 *   NO_GRACE             the closer does not wait for what was under way
 *   GRACE_FIRST          it waits, then marks
 *   TAKER_UNFENCED       who finds a view marked looks again without a fence
 *   DROPPER_UNFENCED     who finds the slot marked looks for a nudge without a fence
 *   NEW_VIEW_UNMARKED    a view that is opened afterwards is not marked
 */
#define NB 3
#define EMAX 3
#ifndef GMAX
#define GMAX 2
#endif
#ifndef HOLDS
#define HOLDS 1 /* snapshots taken through the hazard slot */
#endif
#ifndef COUNTS
#define COUNTS 1 /* snapshots taken through the count */
#endif
#define NPIN EMAX
#define NV 3
#define NOTHING NV
#include "common.pml"

byte generation = 1;
byte epoch_p = 1;

/* ---- the session ---- */
byte current;
byte refs[NV];
bit closed[NV];
bit retired[NV];         /* in the list of views to close */
bit spare[NV];           /* in the list of views to open */
byte view_epoch[NV];
byte view_root[NV];
byte view_generation[NV];
byte uses[EMAX + 1];     /* by epoch */
bit fenced[NV];          /* the view's mark ... */
bit slot_fenced;         /* ... and the slot's */
bit refused;             /* the session knows that there is no barrier */
bit mutex;
byte held = NOTHING;     /* the hazard slot */
bit nudge;
chan buffer = [2] of { byte };    /* stores to `held` under way */
bit asleep;              /* the keeper, in FUTEX_WAIT on the epoch */
byte ended;              /* threads and producer */

proctype producer() {
    byte fresh, cur, limit, pinned, last_pinned, p, b;
    do
    :: atomic { generation_p < GMAX ->
            d_step {
                take_block(fresh);
                assert(fresh < NB);
                generation_p++;
                stamp(fresh, epoch_p);
                content[fresh] = generation_p;
                root = fresh;
                retire(cur, epoch_p);
                cur = fresh;
                fresh = 0
            }
        };
        generation = generation_p
    :: epoch_p < EMAX ->
        atomic { limit = epoch_p; epoch_p++; epoch = epoch_p };
        d_step {
            p = 1;
            do
            :: p <= limit -> pinned = pinned | (pin[p - 1] -> (1 << p) : 0); p++
            :: else -> p = 0; break
            od
        };
        atomic {
            if
            :: pinned != 0 && pinned != last_pinned -> asleep = 0 /* FUTEX_WAKE on the epoch */
            :: else
            fi;
            last_pinned = pinned;
            free_unpinned(limit, pinned, b); limit = 0; pinned = 0
        }
    :: atomic { generation_p == GMAX && epoch_p == EMAX -> last_pinned = 0; cur = 0; break }
    od;
    ended++
}

proctype drain() {
end: do
    :: buffer?held
    od
}

/* one use of a pin less; mutex held */
inline unpin(e) {
    d_step {
        uses[e]--;
        if
#ifdef UNCOUNTED_PIN
        :: true -> pin[e - 1] = 0
#else
        :: uses[e] == 0 -> pin[e - 1] = 0
#endif
        :: else
        fi
    }
}

/* Closes retired views that nobody holds. A thread that has the mutex calls it: a process of its own so
 * that the model has these steps only once. */
/* a closer's barrier */
inline heavy_barrier() {
#ifdef REFUSED
    if
    :: !refused -> empty(buffer)
    :: !refused ->
#ifdef GRACE_FIRST
        empty(buffer);
#endif
        atomic {
            refused = 1;
            if
            :: !closed[current] && !retired[current] -> fenced[current] = 1
            :: else
            fi
        };
        slot_fenced = 1;
#if !defined(NO_GRACE) && !defined(GRACE_FIRST)
        empty(buffer)
#else
        skip
#endif
    :: else /* its own fence */
    fi
#else
    empty(buffer)
#endif
}

chan call = [0] of { bit };
chan done = [0] of { bit };

proctype close_unheld() {
    byte i, flagged, seen_held = NOTHING;
end: do
    :: call?_ ->
#ifdef LOOK_BEFORE_FLAG
        seen_held = held;
#endif
        atomic {
            nudge = 0;
            i = 0;
            do
            :: i < NV ->
                if
                :: retired[i] && refs[i] == 0 -> closed[i] = 1; flagged = flagged | (1 << i)
                :: else
                fi;
                i++
            :: else -> i = 0; break
            od
        };
        if
        :: flagged ->
#if !defined(NO_BARRIER) && !defined(LOOK_BEFORE_FLAG)
            heavy_barrier();
#endif
#ifndef LOOK_BEFORE_FLAG
            seen_held = held;
#endif
            if
            :: seen_held != NOTHING && (flagged & (1 << seen_held)) ->
#ifndef NO_NUDGE
                nudge = 1;
#endif
#ifndef NO_SECOND_BARRIER
                heavy_barrier();
#endif
                seen_held = held
            :: else
            fi;
            atomic {
                i = 0;
                do
                :: i < NV ->
                    if
#ifdef NO_RECOUNT
#define STILL_USED (seen_held == i)
#else
#define STILL_USED (seen_held == i || refs[i] != 0)
#endif
                    :: (flagged & (1 << i)) && STILL_USED -> closed[i] = 0
                    :: (flagged & (1 << i)) && !STILL_USED ->
                        retired[i] = 0;
                        assert(!spare[i] && closed[i]);
                        unpin(view_epoch[i]);
                        spare[i] = 1
                    :: else
                    fi;
                    i++
                :: else -> i = 0; break
                od;
                flagged = 0
            }
        :: else
        fi;
        seen_held = NOTHING;
        done!0
    od
}

/* the keeper's work, and that of a holder who comes back; `drained`: the own buffer is empty */
inline settle(drained) {
    atomic {
        mutex == 0 && drained -> mutex = 1;
        if
        :: !closed[current] && !retired[current] && view_epoch[current] != epoch ->
            retired[current] = 1
        :: else
        fi
    };
    call!0;
    atomic { done?_ -> mutex = 0 }
}

/* releases the hazard slot */
inline withdraw() {
    buffer!NOTHING;
#ifdef REFUSED
    if
    :: slot_fenced ->
#ifndef DROPPER_UNFENCED
        empty(buffer)
#else
        skip
#endif
    :: !slot_fenced
    fi;
#endif
    if
    :: nudge -> settle(len(buffer) == 0)
    :: else
    fi
}

/* releases a count */
inline drop_counted(v) {
    atomic {
#ifndef LAST_USER_LEAVES
        last = (refs[v] == 1 && (closed[v] || retired[v]));
#endif
        refs[v]--
    };
    if
    :: last -> settle(true); last = 0
    :: else
    fi
}

/* The newest view, counted. Mutex held. */
inline newest_view() {
    atomic {
        c = current;
        if
        :: !closed[c] && !retired[c] && root == view_root[c] ->
            refs[c]++; v = c; goto got
        :: else
        fi
    };
again:
    e = epoch;
    atomic { pin[e - 1] = 1; uses[e]++ }; /* a system call only if uses[e] was 0 */
    atomic { r = root; want = content[r] };
    atomic {
        if
        :: epoch != e -> unpin(e); r = 0; want = 0; goto again
        :: else
        fi
    };
    atomic {
        v = 0;
        do
        :: spare[v] -> break
        :: else -> v++; assert(v < NV)
        od;
        spare[v] = 0;
        moved = (view_epoch[c] != e);
        view_epoch[v] = e; view_root[v] = r; view_generation[v] = want;
        e = 0; r = 0; want = 0;
#ifdef NEW_VIEW_UNMARKED
        fenced[v] = 0;
#else
        fenced[v] = refused;
#endif
        closed[v] = 0; refs[v]++ /* one step: fetch_add(1 - closed) */
    };
    atomic {
        current = v;
        if
#ifdef RETIRE_SELF
        :: !closed[c] && !retired[c] -> retired[c] = 1
#else
        :: c != v && !closed[c] && !retired[c] -> retired[c] = 1
#endif
        :: else
        fi;
        assert(!retired[v])
    };
    if
    :: moved -> call!0; atomic { done?_ -> moved = 0 }
    :: else
    fi;
got:
    c = 0
}

/* the view `v` is in use; the last look at it */
inline use(v) {
    want = view_generation[v];
    atomic {
        assert(!closed[v] || !spare[v]);
        assert(view_generation[v] == want && content[view_root[v]] == want);
        want = 0
    }
}

/* takes through its hazard slot */
proctype holder(byte takes) {
    byte v, c, e, r, want;
    bit fast, moved, last, marked;
    do
    :: takes == 0 -> break
    :: else ->
        atomic { takes--; v = current };
        buffer!v;
#ifdef FLAGS_IGNORED
        fast = 1;
#elif defined(REFUSED)
        atomic { fast = (!closed[v] && !retired[v]); marked = fenced[v] };
        if
        :: fast && marked ->
#ifndef TAKER_UNFENCED
            empty(buffer);
#endif
            fast = (!closed[v] && !retired[v])
        :: else
        fi;
        marked = 0;
#else
        fast = (!closed[v] && !retired[v]);
#endif
        atomic {
            if
            :: fast && view_generation[v] == generation -> fast = 0; goto hold
            :: else -> fast = 0
            fi
        };
        withdraw();
        atomic { mutex == 0 && len(buffer) == 0 -> mutex = 1 };
        newest_view();
        /* the hold moves from the count to the slot */
        buffer!v;
        atomic { empty(buffer) -> refs[v]--; mutex = 0 };
hold:
        use(v);
        if
        :: withdraw()
        :: /* copied: the copy is counted, and outlives the snapshot in the slot */
            atomic { empty(buffer) -> refs[v]++ };
            withdraw();
            use(v);
            drop_counted(v)
        fi;
        v = 0
    od;
    atomic { empty(buffer) -> ended++ }
}

/* takes through the count */
proctype counter(byte takes) {
    byte v, c, e, r, want;
    bit fast, moved, last;
    do
    :: takes == 0 -> break
    :: else ->
        atomic { takes--; v = current };
        atomic { fast = (!closed[v] && !retired[v]); refs[v]++ };
        atomic {
            if
            :: fast && view_generation[v] == generation -> fast = 0; goto hold
            :: else -> fast = 0
            fi
        };
        drop_counted(v);
        atomic { mutex == 0 -> mutex = 1 };
        newest_view();
        mutex = 0;
hold:
        use(v);
        drop_counted(v);
        v = 0
    od;
    ended++
}

proctype keeper() {
    byte seen;
    do
    :: seen = epoch;
        settle(true);
#ifdef KEEPER_LOADS_LATE
        seen = epoch;
#endif
        atomic { asleep = (epoch == seen); seen = 0 };
end:    asleep == 0
    od
}

proctype checker() {
    byte i;
end: atomic {
        ended == 3 && asleep ->
        i = 1;
        do
        :: i < epoch -> assert(!pin[i - 1]); i++
        :: else -> break
        od
    }
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE; birth[0] = 1;
        closed[0] = 1; closed[1] = 1; closed[2] = 1;
        spare[0] = 1; spare[1] = 1; spare[2] = 1;
#ifdef REFUSED
        if
        :: skip
        :: refused = 1; slot_fenced = 1 /* from the start */
        fi;
#endif
        run producer();
        run drain();
        run close_unheld();
        run holder(HOLDS);
        run counter(COUNTS);
        run keeper();
        run checker()
    }
}
