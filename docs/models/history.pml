/* SPDX-License-Identifier: Apache-2.0
 *
 * History: the last RETAIN generations before the current one stay readable through a ring of root offsets.
 * A consumer asks twice for any generation, or for the newest; the producer dies once.
 *
 * The ring has RETAIN + 2 slots, as few as can do if a new generation enters before the oldest falls
 * out. Blocks are root records only; the sharing of blocks between generations is in
 * publish.pml. `content` numbers the attempts to publish, so that two different roots for one generation
 * can be told apart.
 *
 * Mutants (must be rejected):
 *   CLEAR_AFTER_RETIRE  the slot is cleared after the tag was read
 *   NO_CLEAR            the slot is not cleared
 *   TOO_FEW_SLOTS       the ring has RETAIN + 1 slots: the oldest takes the newest with it
 *   NO_REREAD           the epoch is not read again after loading the slot
 *   NO_CHECK            the consumer does not compare the generation that it found
 *   SLOT_BEFORE_ROOT    the new root enters the ring before it is the root
 *   RETIRE_AT_ONCE      the old root is retired when it is replaced, as without history
 *   KEEP_SLOTS          a successor retires the old generations but leaves their slots
 */
#define NB 5
#define NPIN 1
#define EMAX 4
#define GMAX 4
#define RETAIN 1
#ifdef TOO_FEW_SLOTS
#define SLOTS (RETAIN + 1)
#else
#define SLOTS (RETAIN + 2)
#endif
#define NONE NB
#include "common.pml"

byte slot[SLOTS];          /* shared: block number of a root record, or NONE */
byte generation_of[NB];    /* root records */
byte published[GMAX + 1];  /* ghost: which attempt became generation g */
byte attempt = 1;
byte epoch_p = 1;          /* private */
byte kept[SLOTS];          /* private: blocks of the generations in the ring */
bit dying;
bit taken_over = 1;

#define MINE (generation_p % SLOTS)
#define PREVIOUS ((generation_p + SLOTS - 1) % SLOTS)
#define OLDEST ((generation_p + SLOTS - RETAIN - 1) % SLOTS) /* slot of the one that falls out */

inline recover() {
    d_step {
        barred = 0;
        epoch_p = epoch;
        generation_p = generation_of[root]
    };
#ifndef KEEP_SLOTS
    i = 0;
    do
    :: i < SLOTS -> slot[i] = NONE; i++
    :: else -> i = 0; break
    od;
#endif
    atomic {
        d_step {
            b = 0;
            do
            :: b < NB ->
                if
                :: b == root -> state[b] = LIVE; birth[b] = 0
                :: else -> state[b] = LIMBO; birth[b] = 0; tag[b] = epoch_p
                fi;
                b++
            :: else -> break
            od;
            b = 0; fresh = 0; old = 0; phase = 0; limit = 0; pinned = 0; p = 0; conflict = 0;
            i = 0;
            do
            :: i < SLOTS -> kept[i] = NONE; i++
            :: else -> i = 0; break
            od;
            kept[MINE] = root
        }
        slot[MINE] = root;
        taken_over = 1
    }
}

inline store_root() {
    root = fresh;
    published[generation_p] = content[fresh];
    kept[MINE] = fresh
}

inline clear_oldest() {
#ifndef NO_CLEAR
    if
    :: old != NONE -> slot[OLDEST] = NONE
    :: else
    fi
#else
    skip
#endif
}

inline retire_oldest() {
    d_step {
        if
        :: old != NONE ->
            retire(old, epoch_p);
#ifndef RETIRE_AT_ONCE
            kept[OLDEST] = NONE
#endif
        :: else
        fi
    }
}

/* after a commit what is retained can be asked for */
inline finish() {
    assert(slot[MINE] == root && slot[PREVIOUS] == kept[PREVIOUS]);
    phase = 0; fresh = 0; old = 0
}

#define PINNED(i) (pin[i] && pin[i] <= limit)

proctype producer() {
    byte fresh, old, limit, pinned, p, b, i, phase;
    bit conflict;
alive:
    {
        if
        :: !taken_over -> recover()
        :: else
        fi;
        do
        :: atomic { phase == 0 && generation_p < GMAX ->
                d_step { take_block(fresh) }
                if
                :: fresh < NB ->
                    d_step {
                        stamp(fresh, epoch_p);
                        attempt++;
                        generation_p++;
                        content[fresh] = attempt;
                        generation_of[fresh] = generation_p;
                        old = kept[OLDEST];
#ifdef RETIRE_AT_ONCE
                        old = root;
#endif
                    }
                    phase = 1
                :: else -> fresh = 0; if :: epoch_p == EMAX -> break :: else -> goto reclaim fi
                fi
            }
#ifdef SLOT_BEFORE_ROOT
        :: atomic { phase == 1 -> slot[MINE] = fresh; phase = 2 }
        :: atomic { phase == 2 -> store_root(); phase = 3 }
#else
        :: atomic { phase == 1 -> store_root(); phase = 2 }
        :: atomic { phase == 2 -> slot[MINE] = fresh; phase = 3 }
#endif
#ifdef CLEAR_AFTER_RETIRE
        :: atomic { phase == 3 -> retire_oldest(); phase = 4 }
        :: atomic { phase == 4 -> clear_oldest(); finish() }
#else
        :: atomic { phase == 3 -> clear_oldest(); phase = 4 }
        :: atomic { phase == 4 -> retire_oldest(); finish() }
#endif
        /* reclaim, at any moment */
        :: epoch_p < EMAX ->
reclaim:
            atomic { limit = epoch_p; epoch_p++; epoch = epoch_p };
            d_step { conflict = PINNED(0); barred = (conflict -> 0 : limit) };
            if
            :: conflict ->
                p = 1;
                do
                :: d_step { p <= limit ->
                        pinned = pinned | ((pin[0] == p) -> (1 << p) : 0);
                        p++ }
                :: p > limit -> p = 0; break
                od
            :: else -> barred = 0
            fi;
            atomic { free_unpinned(limit, pinned, b); limit = 0; pinned = 0; conflict = 0 }
        :: atomic { phase == 0 && generation_p == GMAX && epoch_p == EMAX -> break }
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
end: if
    :: dying = 1
    fi
}

inline pin_epoch() {
    e = epoch;
    atomic {
        if
        :: barred && e <= barred -> goto lock
        :: else -> pin[0] = e
        fi
    }
}

inline drop_pin() {
    pin[0] = 0; e = 0; r = 0; want = 0; asked_for = 0
}

proctype consumer(byte views) {
    byte e, r, want, asked_for;
    do
    :: views == 0 -> break
    :: else ->
lock:
        pin_epoch();
        atomic {
            if
            :: r = root; asked_for = generation_of[r]
            :: select(asked_for : 1 .. GMAX); r = slot[asked_for % SLOTS]
            fi;
            if
            :: r == NONE -> drop_pin(); views--; goto next /* not retained */
            :: else -> want = content[r]
            fi
        };
#ifndef NO_REREAD
        atomic {
            if
            :: epoch != e -> drop_pin(); goto lock
            :: else
            fi
        };
#endif
#ifndef NO_CHECK
        atomic {
            if
            :: generation_of[r] != asked_for -> drop_pin(); views--; goto next
            :: else
            fi
        };
#endif
        atomic {
            assert(want != 0 && content[r] == want);
            assert(generation_of[r] == asked_for);
            assert(published[asked_for] == want);
            drop_pin();
            views--
        }
next:   skip
    od
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE; birth[0] = 1; generation_of[0] = 1; published[1] = 1;
        byte i = 0;
        do
        :: i < SLOTS -> kept[i] = NONE; slot[i] = NONE; i++
        :: else -> break
        od;
        kept[1] = 0; slot[1] = 0;
        run producer();
        run killer();
        run consumer(2)
    }
}
