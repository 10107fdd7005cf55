/* SPDX-License-Identifier: Apache-2.0
 *
 * Bookmarks: a file names a root, the epoch E in which it was set and, once the name is gone, the epoch
 * R of its removal. The producer sets, removes, publishes and reclaims in any order, and dies once; one
 * consumer takes the bookmark twice.
 *
 * Blocks are root records only. Replacing the file is one step, as rename(2) is. A successor knows the
 * file and who pins what; nobody reads anything but the bookmark.
 *
 * Mutants (must be rejected):
 *   NOT_PINNED       E does not count as pinned
 *   DROP_AT_ONCE     a bookmark that is removed is forgotten whoever reads it
 *   REMOVED_AS_SET   R is the epoch in which the bookmark was set
 *   NO_COMPARE       the consumer takes a bookmark that is younger than its pin
 *   READ_BEFORE_PIN  the consumer reads the file before it pins
 *   NOT_TRACED       a successor frees what the bookmark reaches
 *   FORGET_REMOVED   a successor forgets removed bookmarks without looking at the readers
 * Accepted:
 *   MEMORY_FIRST     what the bookmark held is freed before the file is rid of it: a successor finds
 *                    nobody in [E, R] either. The code keeps the order, for it checks what the file names.
 */
#define NB 3
#define NPIN 1
#define EMAX 3
#define GMAX 3
#define NONE NB
#include "common.pml"

/* the file; f_root == NONE: it is not there */
byte f_root = NONE;
byte f_generation;
byte f_epoch;
byte f_removed;

byte epoch_p = 1; /* private, as k_epoch is: the bookmark's epoch as far as reclaiming respects it */
byte k_epoch;
byte sets;
bit dying;
bit taken_over = 1;

#define PINNED(i) (pin[i] && pin[i] <= limit)
#define UNREAD (f_removed && (pinned & SPAN(f_epoch, f_removed)) == 0)

/* Ends the epoch, then asks who pins one that is over. */
inline look() {
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
    fi
}

inline forget() {
    d_step { f_root = NONE; f_generation = 0; f_epoch = 0; f_removed = 0 }
}

inline free_what_is_free() {
#ifndef NOT_PINNED
    if
    :: k_epoch -> pinned = pinned | (1 << k_epoch)
    :: else
    fi;
#endif
    free_unpinned(limit, pinned, b)
}

inline recover() {
    d_step { barred = 0; epoch_p = epoch; b = 0; fresh = 0; limit = 0; pinned = 0; p = 0; conflict = 0 };
    look();
#ifdef FORGET_REMOVED
    if
    :: f_removed -> forget()
    :: else
    fi;
#else
    if
    :: UNREAD -> forget()
    :: else
    fi;
#endif
    d_step {
        generation_p = content[root];
        k_epoch = f_epoch;
        b = 0;
        do
        :: b < NB ->
            if
            :: b == root ->
                state[b] = LIVE;
                birth[b] = ((pinned || f_root != NONE) -> 0 : epoch_p)
#ifndef NOT_TRACED
            :: b != root && b == f_root -> state[b] = LIMBO; birth[b] = f_epoch; tag[b] = f_epoch
            :: b != root && b != f_root -> free(b)
#else
            :: b != root -> free(b)
#endif
            fi;
            b++
        :: else -> break
        od;
        b = 0; limit = 0; pinned = 0; conflict = 0;
        taken_over = 1
    }
}

proctype producer() {
    byte fresh, limit, pinned, p, b;
    bit conflict;
alive:
    {
        if
        :: !taken_over && epoch_p < EMAX -> recover()
        :: !taken_over && epoch_p == EMAX -> goto over
        :: else
        fi;
        do
        :: atomic { generation_p < GMAX ->
                d_step { take_block(fresh) }
                if
                :: fresh < NB ->
                    d_step {
                        stamp(fresh, epoch_p);
                        generation_p++;
                        content[fresh] = generation_p;
                        retire(root, epoch_p);
                        root = fresh
                    }
                :: else
                fi;
                fresh = 0
            }
        :: d_step { sets < 2 && f_root == NONE ->
                sets++;
                f_root = root; f_generation = content[root]; f_epoch = epoch_p; k_epoch = epoch_p }
        :: d_step { f_root != NONE && f_removed == 0 ->
#ifdef REMOVED_AS_SET
                f_removed = f_epoch
#else
                f_removed = epoch_p
#endif
            }
        :: epoch_p < EMAX ->
            look();
#ifdef DROP_AT_ONCE
            if
            :: f_removed -> forget(); k_epoch = 0
            :: else
            fi;
            free_what_is_free();
#else
#ifdef MEMORY_FIRST
            if
            :: UNREAD -> k_epoch = 0; free_what_is_free(); forget()
            :: else -> free_what_is_free()
            fi;
#else
            if
            :: UNREAD -> forget(); k_epoch = 0
            :: else
            fi;
            free_what_is_free();
#endif
#endif
            d_step { limit = 0; pinned = 0; conflict = 0 }
        :: generation_p == GMAX && epoch_p == EMAX -> break
        od;
over:   skip
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

/* Steps 1 to 3. */
inline pin_epoch() {
    e = epoch;
    atomic {
        if
        :: barred && e <= barred -> e = 0; goto lock
        :: else -> pin[0] = e
        fi
    };
    atomic {
        if
        :: epoch != e -> pin[0] = 0; e = 0; goto lock
        :: else
        fi
    }
}

proctype consumer(byte views) {
    byte e, r, generation, set_in;
    do
    :: views == 0 -> break
    :: else ->
lock:
#ifdef READ_BEFORE_PIN
        atomic { r = (f_removed -> NONE : f_root); generation = f_generation; set_in = f_epoch };
        pin_epoch();
#else
        pin_epoch();
        atomic { r = (f_removed -> NONE : f_root); generation = f_generation; set_in = f_epoch };
#endif
#ifndef NO_COMPARE
        atomic {
            if
            :: r != NONE && set_in > e -> pin[0] = 0; e = 0; r = 0; generation = 0; set_in = 0; goto lock
            :: else
            fi
        };
#endif
        /* any time later: its last use */
        atomic {
            if
            :: r != NONE -> assert(content[r] == generation)
            :: else
            fi;
            pin[0] = 0; e = 0; r = 0; generation = 0; set_in = 0;
            views--
        }
    od
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE; birth[0] = 1;
        run producer();
        run killer();
        run consumer(2)
    }
}
